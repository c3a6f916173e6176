import gzip
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tankwatch.core.times import from_ms, iso
from tankwatch.errors import SourceError
from tankwatch.ingest.file import read_file, read_stream
from tankwatch.ingest.options import FileOptions

PLAIN = FileOptions(channels=("pressure", "temperature"))
T0 = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
NAIVE = datetime(2026, 3, 2, 7, 30)  # noqa: DTZ001 - a file may hold local times
COLUMNS: dict[str, Any] = {
    "tank": ["T1", "T2"],
    "timestamp": [T0, T0],
    "pressure": [1.5, None],
    "temperature": [20, 21],
}


def write(folder: Path, **columns: Any) -> Path:
    path = folder / "readings.parquet"
    pq.write_table(pa.table(COLUMNS | columns), path)
    return path


def test_typed_columns_are_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    (chunk,) = read_file(path, PLAIN)
    assert chunk.batch.tanks == ("T1", "T2")
    assert [iso(from_ms(int(ms))) for ms in chunk.batch.observed_ms] == ["2026-03-02T06:30:00Z"] * 2
    np.testing.assert_array_equal(chunk.batch.values, [[1.5, 20.0], [np.nan, 21.0]])
    assert (chunk.rejected, chunk.rows_read) == ([], 2)


@pytest.mark.parametrize(
    "columns",
    [
        {"tank": pa.array(["T1", "T2"]).dictionary_encode()},
        {"tank": pa.array(["T1", "T2"], pa.large_string())},
        {"timestamp": pa.array([T0, T0], pa.timestamp("ns", "America/Lima"))},
        {"timestamp": pa.array([NAIVE, NAIVE], pa.timestamp("us"))},
        {"timestamp": ["2026-03-02T06:30:00Z", "2026-03-02T07:30:00"]},
        {"timestamp": [1772433000, 1772433000]},
        {"pressure": ["1.5", ""]},
        {"pressure": pa.array(["1.5", None]).dictionary_encode()},
        {"pressure": pa.array([1.5, None], pa.float32())},
        {"pressure": pa.array([Decimal("1.5"), None])},
        {"temperature": pa.array([20, 21], pa.uint8())},
    ],
)
def test_other_types_mean_the_same(tmp_path: Path, columns: dict[str, Any]) -> None:
    options = FileOptions(channels=PLAIN.channels, time_zone="Europe/Oslo")
    (chunk,) = read_file(write(tmp_path, **columns), options)
    assert chunk.batch.tanks == ("T1", "T2")
    assert [from_ms(int(ms)) for ms in chunk.batch.observed_ms] == [T0, T0]
    np.testing.assert_array_equal(chunk.batch.values, [[1.5, 20.0], [np.nan, 21.0]])


def test_numbers_may_name_tanks(tmp_path: Path) -> None:
    (chunk,) = read_file(write(tmp_path, tank=[101, 102]), PLAIN)
    assert chunk.batch.tanks == ("101", "102")


def test_bad_rows_are_quarantined_by_row_number(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        tank=["T1", None],
        timestamp=[None, T0],
        pressure=[float("inf"), 1.0],
    )
    (chunk,) = read_file(path, PLAIN)
    assert chunk.batch.rows == 0
    assert [(r.line, r.reason) for r in chunk.rejected] == [(1, "bad_time"), (2, "no_tank")]
    assert chunk.rejected[0].raw == "tank=T1, timestamp=None, pressure=inf, temperature=20"


def test_long_form_and_index_of_pandas_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pq"
    frame = pd.DataFrame(
        {"tank": "T1", "channel": ["pressure", "temperature"], "value": [1.0, 20.0]},
        index=pd.DatetimeIndex([T0, T0], name="timestamp"),
    )
    frame.to_parquet(path)
    (chunk,) = read_file(path, PLAIN)
    assert chunk.batch.values.tolist() == [[1.0, 20.0]]


def test_large_file_streams_in_chunks(tmp_path: Path) -> None:
    path = tmp_path / "readings.parquet"
    rows = 25_000
    table = {"tank": ["T1"] * rows, "time": range(1_772_433_000, 1_772_433_000 + rows)}
    pq.write_table(
        pa.table(table | {"pressure": np.arange(rows) * 1.0, "note": ["x"] * rows}), path
    )
    options = FileOptions(channels=PLAIN.channels, chunk_rows=10_000)
    chunks = list(read_file(path, options))
    assert [chunk.rows_read for chunk in chunks] == [10_000, 10_000, 5_000]
    assert np.concatenate([c.batch.values[:, 0] for c in chunks]).tolist() == list(range(rows))
    assert [chunk.notes for chunk in chunks] == [("columns that are not read: 'note'",), (), ()]


def test_standard_input_and_packed_files_are_read(tmp_path: Path) -> None:
    content = write(tmp_path).read_bytes()
    for stream in (io.BytesIO(content), io.BytesIO(gzip.compress(content))):
        (chunk,) = read_stream(stream, "-", PLAIN)
        assert chunk.batch.rows == 2


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_file_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(SourceError, match=r"readings.parquet: .*(damaged|empty)"):
        list(read_file(path, PLAIN))


def test_file_with_damaged_pages_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    content = bytearray(path.read_bytes())
    content[4:60] = b"\xff" * 56
    path.write_bytes(bytes(content))
    with pytest.raises(SourceError, match="damaged or cut off"):
        list(read_file(path, PLAIN))


def test_text_under_the_ending_of_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "readings.parquet"
    path.write_text("tank,timestamp,pressure\n")
    with pytest.raises(SourceError, match="damaged or cut off"):
        list(read_file(path, PLAIN))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"pressure": [True, False]}, "'pressure' is of type bool, which holds no numbers"),
        ({"timestamp": [True, False]}, "which holds no times"),
        ({"tank": [[1], [2]]}, "which holds no names"),
        ({"pressure": [[1.0], [2.0]]}, "which holds no numbers"),
    ],
)
def test_column_of_a_wrong_type_is_refused(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        next(read_file(write(tmp_path, **columns), PLAIN))


def test_file_without_rows_or_needed_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "readings.parquet"
    pq.write_table(pa.table(COLUMNS).slice(0, 0), path)
    with pytest.raises(SourceError, match="no row"):
        next(read_file(path, PLAIN))
    pq.write_table(pa.table({"tank": ["T1"], "level": [1.0]}), path)
    with pytest.raises(SourceError, match="no column for timestamp or any channel"):
        next(read_file(path, PLAIN))
