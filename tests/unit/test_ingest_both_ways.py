"""The quick way over a block and the careful way line by line give the same."""

import io
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tankwatch.ingest.assemble import assemble
from tankwatch.ingest.bytes_in import ByteSource
from tankwatch.ingest.csv_file import read_csv
from tankwatch.ingest.csv_rows import Dialect, split_block, split_lines
from tankwatch.ingest.headers import find_layout
from tankwatch.ingest.numbers import parse_number, parse_numbers
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.text import TextBlock

OPTIONS = FileOptions(channels=("pressure", "temperature"), units={"pressure": "psi"})
WIDE = ("tank", "timestamp", "pressure", "temperature")
LONG = ("tank", "timestamp", "channel", "value")
DELIMITERS = st.sampled_from([",", ";", "\t", "|"])

NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.decimals(allow_nan=True).map(str),
    st.text("0123456789+-.,eE_ infaN()x", max_size=8),
    st.sampled_from(["", "NaN", "null", "N/A", "1,5", "-nan(ind)", "1_0", "٣", "1e999", "0x1p3"]),
)
TIMES = st.one_of(
    st.datetimes().map(str),
    st.integers(1_600_000_000, 1_900_000_000).map(str),
    st.sampled_from(["2026-03-02T06:30:00Z", "", "soon"]),
)
TANKS = st.one_of(
    st.sampled_from(["T1", " T1", "T 2", "", '"T3"', '""', 'T"4', '"T5"x', '"T6', "Tårn"]),
    st.text(max_size=6),
)
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", "\n\n", ""])


@st.composite
def files(draw: st.DrawFn, header: tuple[str, ...]) -> tuple[str, str]:
    """Return a delimiter and the rows of a file, mostly sound."""
    delimiter = draw(DELIMITERS)
    lines = []
    for _ in range(draw(st.integers(1, 8))):
        fields = [draw(TANKS), draw(TIMES)]
        if header == LONG:
            fields.append(draw(st.sampled_from(["pressure", "Temperature", "level", ""])))
            fields.append(draw(NUMBERS))
        else:
            fields += [draw(NUMBERS), draw(NUMBERS)]
        if draw(st.integers(0, 9)) == 0:
            fields = fields[: draw(st.integers(0, 4))] + draw(st.sampled_from([[], ["", ""]]))
        lines.append(delimiter.join(fields) + draw(ENDS))
    return delimiter, "".join(lines)


def outcome(rows: object, dialect: Dialect) -> object:
    batch, rejected = assemble(rows, dialect.layout, options=OPTIONS, source="a")  # type: ignore[arg-type]
    values = [[None if math.isnan(v) else v for v in row] for row in batch.values.tolist()]
    tanks = [batch.tanks[index] for index in batch.tank_index]
    return tanks, batch.observed_ms.tolist(), values, rejected


def compare(delimiter: str, text: str, header: tuple[str, ...]) -> None:
    dialect = Dialect(delimiter, find_layout(header, OPTIONS, "a"), "a")
    block = TextBlock(text.encode("utf-8", errors="ignore"), 7)
    quick = split_block(block, dialect) if block.data else None
    if quick is not None:
        assert outcome(quick, dialect) == outcome(split_lines(block, dialect), dialect)


@settings(max_examples=200)
@given(files(WIDE))
def test_wide_block_gives_the_same_both_ways(file: tuple[str, str]) -> None:
    compare(*file, WIDE)


@settings(max_examples=100)
@given(files(LONG))
def test_long_block_gives_the_same_both_ways(file: tuple[str, str]) -> None:
    compare(*file, LONG)


@settings(max_examples=100)
@given(st.text('ab",\n\r \0;1', max_size=40))
def test_odd_quotes_and_line_ends_give_the_same_both_ways(text: str) -> None:
    compare(",", text, WIDE)


def read(content: bytes, chunk_bytes: int) -> object:
    """Return all rows and records of a file, however it falls into chunks."""
    options = FileOptions(channels=OPTIONS.channels, chunk_bytes=chunk_bytes)
    rows, rejected, seen = [], [], 0
    for chunk in read_csv(ByteSource(io.BytesIO(content), "a.csv"), options):
        values = [
            [None if math.isnan(v) else v for v in row] for row in chunk.batch.values.tolist()
        ]
        tanks = [chunk.batch.tanks[index] for index in chunk.batch.tank_index]
        rows += list(zip(tanks, chunk.batch.observed_ms.tolist(), values, strict=True))
        rejected += chunk.rejected
        seen += chunk.rows_read
    return rows, rejected, seen


@given(files(WIDE), st.integers(1, 200))
def test_size_of_the_chunks_changes_nothing(file: tuple[str, str], chunk_bytes: int) -> None:
    delimiter, text = file
    content = f"{delimiter.join(WIDE)}\nT0{delimiter}2026-03-02{delimiter}1{delimiter}2\n{text}"
    whole = read(content.encode("utf-8", errors="ignore"), 1 << 20)
    assert read(content.encode("utf-8", errors="ignore"), chunk_bytes) == whole


@pytest.mark.parametrize("text", [',,,"', ',,,"\n', 'a"b,,,"c', '"x"y,,,""', ',,,"a""', 'a,,,1\n"'])
def test_quotes_at_the_end_of_a_block_give_the_same_both_ways(text: str) -> None:
    compare(",", text, WIDE)


def test_quick_way_is_taken_for_a_sound_block() -> None:
    dialect = Dialect(",", find_layout(WIDE, OPTIONS, "a"), "a")
    for line in ("T1,2026-03-02T06:30:00Z,1,\n", '"T1","2026-03-02 06:30","1","2"\r\n', "T1,x,y,z"):
        assert split_block(TextBlock(line.encode(), 1), dialect) is not None


@settings(max_examples=300)
@given(st.lists(NUMBERS, min_size=1, max_size=5), st.booleans())
def test_column_of_numbers_gives_what_python_reads(texts: list[str], decimal_comma: bool) -> None:  # noqa: FBT001
    column = parse_numbers(pa.array(texts), decimal_comma=decimal_comma)
    for text, value, bad in zip(texts, column.values, column.bad, strict=True):
        try:
            expected = parse_number(text, decimal_comma=decimal_comma)
        except ValueError:
            assert bad
            assert math.isnan(value)
        else:
            assert not bad
            if expected is None or math.isnan(expected):
                assert math.isnan(value)
            else:
                assert value == expected
                assert math.copysign(1, value) == math.copysign(1, expected)
