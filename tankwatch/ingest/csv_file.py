"""Delimited text: the header is found and understood, then the blocks become chunks."""

from collections.abc import Iterator

from tankwatch.errors import SourceError
from tankwatch.ingest.assemble import judge_rows
from tankwatch.ingest.bytes_in import ByteSource
from tankwatch.ingest.chunk import Chunk, broken_row, no_rows
from tankwatch.ingest.csv_rows import Dialect, split_fields, split_rows
from tankwatch.ingest.headers import find_layout, layout_notes
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.text import TextBlock, text_blocks

_DELIMITERS = (",", ";", "\t", "|")
_STATED_DELIMITER = "sep="


def read_csv(source: ByteSource, options: FileOptions) -> Iterator[Chunk]:
    """Yield the readings of delimited text with a header.

    Raises:
        SourceError: there is no header, no row, or a column that is needed is missing.
    """
    blocks = text_blocks(source, options)
    dialect, rest = _find_dialect(blocks, source, options)
    notes = layout_notes(dialect.layout, options)
    rows_seen = False
    for block in _followed(rest, blocks):
        if block.fault:
            text = block.data.decode(errors="replace")
            broken = broken_row(source.name, block.first_line, block.fault, text)
            rows = no_rows(dialect.layout.used, broken)
        else:
            rows = split_rows(block, dialect)
        seen = rows.lines.size + len(rows.broken)
        if not seen:
            continue
        judged = judge_rows(rows, dialect.layout, options=options, source=source.name)
        yield Chunk(judged.batch, judged.origin, judged.rejected, source.newly_taken(), seen, notes)
        notes, rows_seen = (), True
    if not rows_seen:
        message = f"{source.name}: there is a header but no row: check what wrote the file"
        raise SourceError(message)


def _followed(first: TextBlock, others: Iterator[TextBlock]) -> Iterator[TextBlock]:
    if first.data:
        yield first
    yield from others


def _find_dialect(
    blocks: Iterator[TextBlock], source: ByteSource, options: FileOptions
) -> tuple[Dialect, TextBlock]:
    """Return how the rows are written, and what follows the header in its block.

    Empty lines and lines that begin with ``#`` may stand before the header, and the line
    ``sep=;`` that spreadsheets write.
    """
    stated = ""
    for block in blocks:
        if block.fault:
            message = f"{source.name}: there is no header: {block.fault}"
            raise SourceError(message)
        start = number = 0
        while start < len(block.data):
            end = block.data.find(b"\n", start) + 1 or len(block.data)
            line = block.data[start:end].decode().rstrip("\r\n")
            start, number = end, number + 1
            if line.casefold().startswith(_STATED_DELIMITER):
                stated = line[len(_STATED_DELIMITER) :][:1]
            elif line.strip() and not line.startswith("#"):
                rest = TextBlock(block.data[start:], block.first_line + number)
                return _dialect(line, stated, source, options), rest
    message = f"{source.name}: the file is empty: check what wrote it"
    raise SourceError(message)


def _dialect(line: str, stated: str, source: ByteSource, options: FileOptions) -> Dialect:
    delimiters = (stated,) if stated in _DELIMITERS else _DELIMITERS
    delimiter = max(delimiters, key=lambda candidate: len(split_fields(line, candidate)))
    layout = find_layout(split_fields(line, delimiter), options, source.name)
    return Dialect(delimiter, layout, source.name)
