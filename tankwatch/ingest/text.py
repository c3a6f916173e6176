"""Bytes of any encoding to blocks of whole lines in UTF-8."""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tankwatch.errors import SourceError
from tankwatch.ingest.bytes_in import ByteSource
from tankwatch.ingest.options import FileOptions

LONGEST_LINE = 1 << 20
_LONGEST_SPREAD = 1 << 14  # how far a quoted field may run over line ends
_SHOWN = 500
_LINE_FEED = 10
_MARKS = (
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

Decode = Callable[[bytes, bool], bytes]


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Whole lines of a file.

    Attributes:
        data: UTF-8; ends with a line end, but for the last block of a file that has none there.
        first_line: number of the first line, from 1.
        fault: why the block is no rows; empty if it is.
    """

    data: bytes
    first_line: int
    fault: str = ""


def text_blocks(source: ByteSource, options: FileOptions) -> Iterator[TextBlock]:
    """Yield the lines of `source` in blocks of about ``options.chunk_bytes``.

    A line longer than ``LONGEST_LINE`` becomes a block with a fault, so that no file can fill the
    memory.  What is left of a packed source that was cut off becomes one too.
    """
    decode = _decoder(source, options)
    waiting, line, ended = b"", 1, False
    while not ended:
        piece = source.read(options.chunk_bytes)
        ended = len(piece) < options.chunk_bytes
        waiting += decode(piece, ended)
        cut = _last_cut(waiting, source.damage) if ended else _cut(waiting)
        if cut:
            yield _block(waiting[:cut], line, options)
            line += count_line_ends(waiting[:cut])
            waiting = waiting[cut:]
        if len(waiting) > LONGEST_LINE:
            yield TextBlock(waiting[:_SHOWN], line, f"the line is longer than {LONGEST_LINE} bytes")
            waiting = _skip_line(source, decode, waiting)
            line += 1
    if source.damage:
        yield TextBlock(waiting[:_SHOWN], line, f"the archive is cut off here: {source.damage}")


def count_line_ends(data: bytes) -> int:
    """Return the number of line feeds; four times faster than ``bytes.count`` where many come."""
    return int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == _LINE_FEED))


def _block(data: bytes, line: int, options: FileOptions) -> TextBlock:
    if line == 1:
        data = data.removeprefix(codecs.BOM_UTF8)
    return TextBlock(_mend(data, options), line)


def _skip_line(source: ByteSource, decode: Decode, waiting: bytes) -> bytes:
    """Read on to the end of the line that `waiting` begins with, and return what follows it."""
    while b"\n" not in waiting:
        piece = source.read(LONGEST_LINE)
        waiting = decode(piece, not piece)
        if not piece:
            return b""
    return waiting[waiting.index(b"\n") + 1 :]


def _cut(data: bytes) -> int:
    """Return where the last whole row of `data` ends; 0 if none does."""
    end = data.rfind(b"\n") + 1
    if data.count(b'"', 0, end) % 2:
        opened = data.rfind(b"\n", 0, data.rfind(b'"', 0, end)) + 1
        if end - opened <= _LONGEST_SPREAD:
            return opened
    return end


def _last_cut(data: bytes, damage: str) -> int:
    """Return where the end of the text ends whole: before a line that is cut off or too long."""
    end = data.rfind(b"\n") + 1
    return end if damage or len(data) - end > LONGEST_LINE else len(data)


def _decoder(source: ByteSource, options: FileOptions) -> Decode:
    """Return what turns pieces of bytes into UTF-8 with a line feed behind each line."""
    name = options.encoding
    if name == "auto":
        marked = (name for mark, name in _MARKS if source.head.startswith(mark))
        name = next(marked, "auto")
    if name == "auto" and source.head.count(0) > len(source.head) // 4:
        message = (
            f"{source.name}: a quarter or more of it are NUL bytes: if it is UTF-16 without a "
            "byte order mark, say so with --encoding utf-16-le"
        )
        raise SourceError(message)
    recode = _as_it_is if name == "auto" else _recoder(name)
    if b"\r" in source.head and b"\n" not in source.head:
        return lambda piece, last: recode(piece, last).replace(b"\r", b"\n")
    return recode


def _as_it_is(piece: bytes, _last: bool) -> bytes:  # noqa: FBT001 - as the decoders of codecs
    return piece


def _recoder(name: str) -> Decode:
    decoder = codecs.getincrementaldecoder(name)(errors="replace")
    return lambda piece, last: decoder.decode(piece, last).encode()


def _mend(data: bytes, options: FileOptions) -> bytes:
    """Return `data` with the lines that are not UTF-8 read as Windows-1252."""
    if options.encoding != "auto" or data.isascii() or _is_utf8(data):
        return data
    return b"\n".join(
        line if _is_utf8(line) else _western(line).encode() for line in data.split(b"\n")
    )


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _western(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")
