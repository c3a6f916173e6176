"""Delimited text to rows: whole blocks by Arrow, and line by line where Arrow finds fault."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from tankwatch.core.readings import Rejected
from tankwatch.ingest.chunk import RawRows, broken_row
from tankwatch.ingest.headers import Layout
from tankwatch.ingest.text import TextBlock, count_line_ends

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_OPEN_QUOTE = "a quote is not closed, or a line ends inside a field"
_MOST_LINES = 20  # a row whose quoted field runs over more lines is taken as broken


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the rows of one file are written."""

    delimiter: str
    layout: Layout
    source: str

    @property
    def decimal_comma(self) -> bool:
        """Return whether numbers may be written with a comma."""
        return self.delimiter == ";"


def split_rows(block: TextBlock, dialect: Dialect) -> RawRows:
    """Return the rows of `block`; both ways give the same rows."""
    return split_block(block, dialect) or split_lines(block, dialect)


def split_block(block: TextBlock, dialect: Dialect) -> RawRows | None:
    """Return the rows of `block`, split by Arrow; None where a line is not plainly one row."""
    data, line_count = block.data, _count_lines(block.data)
    if _needs_care(data):
        return None
    if b'"' in data:
        # A quote that is left open on the last line would pass unseen: let it swallow this one.
        fence = dialect.delimiter * (len(dialect.layout.names) - 1)
        data = data.removesuffix(b"\n") + b"\n" + fence.encode()
    try:
        table = _parse(data, dialect)
    except pa.ArrowInvalid:
        return None
    if table.num_rows != _count_lines(data):
        return None
    table = table.slice(0, line_count)
    return RawRows(
        lines=block.first_line + np.arange(line_count, dtype=np.int64),
        cells={place: table.column(str(place)).combine_chunks() for place in dialect.layout.used},
        text=_lines_of(block.data),
        decimal_comma=dialect.decimal_comma,
    )


def _count_lines(data: bytes) -> int:
    return count_line_ends(data) + (not data.endswith(b"\n"))


def _parse(data: bytes, dialect: Dialect) -> pa.Table:
    used = dialect.layout.used
    return arrow_csv.read_csv(
        pa.py_buffer(data),
        arrow_csv.ReadOptions(
            use_threads=False,
            block_size=len(data) + 1,
            column_names=[str(place) for place in range(len(dialect.layout.names))],
        ),
        arrow_csv.ParseOptions(delimiter=dialect.delimiter),
        arrow_csv.ConvertOptions(
            include_columns=[str(place) for place in used],
            column_types={str(place): _text_type(place, dialect.layout) for place in used},
            null_values=[],
            strings_can_be_null=False,
        ),
    )


def split_lines(block: TextBlock, dialect: Dialect) -> RawRows:
    """Return the rows of `block`, split line by line, and those that cannot be split."""
    lines = block.data.decode().split("\n")
    if not lines[-1]:
        lines.pop()
    rows: list[list[str]] = []
    places: list[int] = []
    broken: list[Rejected] = []
    at = 0
    while at < len(lines):
        taken = 1
        if dialect.delimiter in lines[at] or lines[at].strip():
            try:
                fields, taken = _split_at(lines, at, dialect)
            except ValueError as error:
                number = block.first_line + at
                broken.append(broken_row(dialect.source, number, str(error), _bare(lines[at])))
            else:
                rows.append(fields)
                places.append(at)
        at += taken
    return RawRows(
        lines=np.array(places, dtype=np.int64) + block.first_line,
        cells={
            place: pa.array([row[place] for row in rows], pa.string())
            for place in dialect.layout.used
        },
        text=lambda row: _bare(lines[places[row]]),
        broken=broken,
        decimal_comma=dialect.decimal_comma,
    )


def split_fields(line: str, delimiter: str) -> list[str]:
    """Return the fields of one line."""
    return next(csv.reader([_bare(line)], delimiter=delimiter, skipinitialspace=True), [])


def _needs_care(data: bytes) -> bool:
    """Return whether `data` holds something that Arrow and the csv module read differently."""
    return (
        b"\0" in data
        or (b'"' in data and b' "' in data)
        or (not data.isascii() and _REPLACEMENT.encode() in data)
        or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n"))
    )


def _text_type(place: int, layout: Layout) -> pa.DataType:
    """Return text, as a dictionary where few different texts are to be expected."""
    long = layout.long
    repeated = {layout.tank, *((long.channel, long.unit) if long else ())}
    return pa.dictionary(pa.int32(), pa.string()) if place in repeated else pa.string()


def _lines_of(data: bytes) -> Callable[[int], str]:
    @cache
    def lines() -> list[str]:
        return data.decode().split("\n")

    return lambda row: _bare(lines()[row])


def _bare(line: str) -> str:
    return line.removesuffix("\r")


def _split_at(lines: list[str], at: int, dialect: Dialect) -> tuple[list[str], int]:
    """Return the fields of the row that begins at a line, and how many lines it takes.

    Raises:
        ValueError: the row cannot be split into the header's fields.
    """
    line = _bare(lines[at])
    if "\0" in line or _REPLACEMENT in line:
        message = "the line holds bytes that are not text"
        raise ValueError(message)
    width, taken = len(dialect.layout.names), 1
    if '"' in line:
        fields, taken = _split_quoted(lines, at, dialect)
    elif "\r" in line:
        message = "the line holds a carriage return"
        raise ValueError(message)
    else:
        fields = line.split(dialect.delimiter)
    if len(fields) < width or any(field.strip() for field in fields[width:]):
        message = f"{len(fields)} fields where the header has {width}"
        raise ValueError(message)
    return fields[:width], taken


def _split_quoted(lines: list[str], at: int, dialect: Dialect) -> tuple[list[str], int]:
    """Return the fields of a row with quotes, and how many lines it takes.

    A quote that was never closed would swallow the rows behind it, so a row over several lines
    must be written strictly, and only columns that are not read may hold line ends.
    """
    window = [f"{line}\n" for line in lines[at : at + _MOST_LINES]]
    window.append("\n")  # an open quote takes this one too, even on the last line
    try:
        reader = csv.reader(window, delimiter=dialect.delimiter, skipinitialspace=True)
        fields = next(reader)
        if reader.line_num == 1:
            return fields, 1
        strict = csv.reader(
            window[:-1], delimiter=dialect.delimiter, skipinitialspace=True, strict=True
        )
        fields = next(strict)
    except csv.Error:
        raise ValueError(_OPEN_QUOTE) from None
    if any("\n" in fields[place] for place in dialect.layout.used if place < len(fields)):
        raise ValueError(_OPEN_QUOTE)
    return fields, strict.line_num
