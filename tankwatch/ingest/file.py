"""Files of readings, of any format, to chunks of readings in canonical units."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import BinaryIO

from tankwatch.errors import SourceError
from tankwatch.ingest.bytes_in import ByteSource
from tankwatch.ingest.chunk import Chunk
from tankwatch.ingest.csv_file import read_csv
from tankwatch.ingest.json_lines import read_json_lines
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.parquet import read_parquet

_PARQUET = b"PAR1"
_PARQUET_ENDINGS = {".parquet", ".pq"}
_JSON_LINES_ENDINGS = {".jsonl", ".ndjson"}
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
}
_BEFORE_TEXT = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"


def read_file(path: Path, options: FileOptions) -> Iterator[Chunk]:
    """Yield the readings of a CSV, Parquet or JSON lines file, packed with gzip or not.

    Memory is bounded by the size of a chunk.  Every row becomes part of a batch or a record of
    why it was refused.

    Raises:
        SourceError: the file cannot be read at all; nothing was yielded if its header is wrong.
    """
    try:
        binary = path.open("rb")
    except IsADirectoryError as error:
        message = f"{path}: is a directory: give the files in it"
        raise SourceError(message) from error
    except OSError as error:
        message = f"{path}: cannot be opened: {error.strerror}: check the path"
        raise SourceError(message) from error
    with binary:
        yield from read_stream(binary, str(path), options)


def read_stream(binary: BinaryIO, name: str, options: FileOptions) -> Iterator[Chunk]:
    """Yield the readings of a binary stream, as ``read_file`` does.

    The format is told by the ending of `name` where it has one that is known, else by the first
    bytes.

    Raises:
        SourceError: the stream cannot be read at all.
    """
    source = ByteSource(binary, name)
    head = source.head
    if not head:
        what = f"the archive is cut off: {source.damage}" if source.damage else "the file is empty"
        message = f"{name}: {what}: check what wrote it"
        raise SourceError(message)
    endings = set(PurePath(name.casefold()).suffixes)
    text = head.lstrip(_BEFORE_TEXT)
    if head.startswith(_PARQUET) or endings & _PARQUET_ENDINGS:
        yield from _read_parquet(binary, source, options)
    elif endings & _JSON_LINES_ENDINGS or text.startswith(b"{"):
        yield from read_json_lines(source, options)
    else:
        _refuse_other_formats(head, text, name)
        yield from read_csv(source, options)


def _read_parquet(binary: BinaryIO, source: ByteSource, options: FileOptions) -> Iterator[Chunk]:
    """Read from the stream itself if it can be read out of order, else from a copy on disk."""
    with ExitStack() as stack:
        if binary.seekable() and not source.packed:
            binary.seek(0)
            whole = binary
        else:
            whole = stack.enter_context(tempfile.TemporaryFile())
            while piece := source.read(1 << 20):
                whole.write(piece)
            whole.seek(0)
        yield from read_parquet(whole, source.name, options)


def _refuse_other_formats(head: bytes, text: bytes, name: str) -> None:
    for mark, what in _OTHER_FORMATS.items():
        if head.startswith(mark):
            message = f"{name}: the file is {what}: give CSV, Parquet or JSON lines, or gzip them"
            raise SourceError(message)
    if text.startswith(b"["):
        message = f"{name}: the file is a JSON list: write one object a line instead"
        raise SourceError(message)
