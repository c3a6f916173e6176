"""Each row of a batch can be traced to the lines that it came from."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tankwatch.ingest.chunk import Chunk
from tankwatch.ingest.file import read_file
from tankwatch.ingest.options import FileOptions

OPTIONS = FileOptions(channels=("pressure", "temperature"))
TIMES = [f"2026-03-02T06:3{minute}:00Z" for minute in range(5)]


def traced(chunks: list[Chunk]) -> list[tuple[int, str, int]]:
    """Return (line, tank, minute) of every line that has a share in a batch."""
    return [
        (line, chunk.batch.tanks[chunk.batch.tank_index[row]], _minute(chunk, row))
        for chunk in chunks
        for line, row in zip(chunk.origin.lines.tolist(), chunk.origin.row.tolist(), strict=True)
    ]


def _minute(chunk: Chunk, row: int) -> int:
    return int(chunk.batch.observed_ms[row]) // 60_000 % 10


@pytest.mark.parametrize("chunk_bytes", [40, 1 << 20])
def test_lines_of_wide_csv_are_traced_around_what_was_refused(
    tmp_path: Path, chunk_bytes: int
) -> None:
    path = tmp_path / "readings.csv"
    rows = [f"T1,{TIMES[0]},1,2", f"T2,{TIMES[1]},bad,", "broken", "", f"T3,{TIMES[3]},1,bad"]
    path.write_text("\n".join(["tank,timestamp,pressure,temperature", *rows]))
    options = FileOptions(channels=OPTIONS.channels, chunk_bytes=chunk_bytes)
    assert traced(list(read_file(path, options))) == [(2, "T1", 0), (6, "T3", 3)]


def test_lines_of_the_long_form_lead_to_the_reading_that_they_share(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    rows = [
        f"T2,{TIMES[1]},pressure,1",
        f"T1,{TIMES[0]},pressure,1",
        f"T2,{TIMES[1]},level,1",
        f"T2,{TIMES[1]},temperature,9",
    ]
    path.write_text("\n".join(["tank,timestamp,channel,value", *rows]))
    (chunk,) = read_file(path, OPTIONS)
    assert traced([chunk]) == [(2, "T2", 1), (3, "T1", 0), (5, "T2", 1)]
    assert chunk.batch.values[chunk.origin.row[0]].tolist() == [1.0, 9.0]


def test_rows_of_json_lines_and_parquet_are_traced(tmp_path: Path) -> None:
    records = [{"tank": f"T{i}", "timestamp": TIMES[i], "pressure": i or None} for i in range(3)]
    path = tmp_path / "readings.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in records))
    assert traced(list(read_file(path, OPTIONS))) == [(2, "T1", 1), (3, "T2", 2)]
    table = tmp_path / "readings.parquet"
    pq.write_table(pa.Table.from_pylist(records), table)
    assert traced(list(read_file(table, OPTIONS))) == [(2, "T1", 1), (3, "T2", 2)]
