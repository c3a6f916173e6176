import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from tankwatch.core.readings import Rejected
from tankwatch.errors import SourceError
from tankwatch.ingest.file import read_file
from tankwatch.ingest.options import FileOptions

PLAIN = FileOptions(channels=("pressure", "temperature"))
T0 = "2026-03-02T06:30:00Z"
SOUND = {"tank": "T1", "timestamp": T0, "pressure": 1.5, "temperature": 20}

Row = tuple[str, int, float | None, float | None]


def read(
    folder: Path, lines: list[Any], options: FileOptions = PLAIN, name: str = "a.jsonl"
) -> tuple[list[Row], list[Rejected]]:
    """Return (tank, ms, pressure, temperature) and the records; a line may be an object or text."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    chunks = list(read_file(path, options))
    rows: list[Row] = [
        (chunk.batch.tanks[tank], int(ms), *(None if math.isnan(v) else v for v in values))
        for chunk in chunks
        for tank, ms, values in zip(
            chunk.batch.tank_index,
            chunk.batch.observed_ms,
            chunk.batch.values.tolist(),
            strict=True,
        )
    ]
    return rows, [record for chunk in chunks for record in chunk.rejected]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz", "a.ndjson.gz", "a.txt"])
def test_wide_objects_are_read(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, [SOUND], name=name) == ([("T1", 1772433000000, 1.5, 20.0)], [])


def test_long_objects_are_combined(tmp_path: Path) -> None:
    key = {"tank": "T1", "timestamp": 1772433000}
    lines = [
        key | {"channel": "pressure", "value": 1.5},
        key | {"channel": "temperature", "value": "20"},
    ]
    assert read(tmp_path, lines) == ([("T1", 1772433000000, 1.5, 20.0)], [])


def test_name_that_comes_later_in_the_file_is_read(tmp_path: Path) -> None:
    later = {"tank": "T1", "timestamp": T0, "temperature": 20}
    first = {"tank": "T1", "timestamp": T0, "pressure": 1}
    options = FileOptions(channels=PLAIN.channels, chunk_bytes=80)
    rows, records = read(tmp_path, [first] * 5 + [later] * 5, options)
    assert [row[2:] for row in rows] == [(1.0, None)] * 5 + [(None, 20.0)] * 5
    assert records == []


def test_name_that_contradicts_an_earlier_one_is_not_read(tmp_path: Path) -> None:
    bar = {"tank": "T1", "timestamp": T0, "pressure_bar": 1}
    psi = {"tank": "T1", "timestamp": T0, "pressure_psi": 1}
    options = FileOptions(channels=PLAIN.channels, chunk_bytes=80)
    rows, records = read(tmp_path, [bar] * 4 + [psi] * 4, options)
    assert [row[2] for row in rows] == [100.0] * 4
    assert [(r.line, r.reason) for r in records] == [(n, "no_value") for n in (5, 6, 7, 8)]


@pytest.mark.parametrize("absent", ["null", "NaN", '""', '"nan"'])
def test_absent_value_leaves_the_other_channel(tmp_path: Path, absent: str) -> None:
    line = f'{{"tank": "T1", "timestamp": "{T0}", "pressure": {absent}, "temperature": 20}}'
    rows, records = read(tmp_path, [line, SOUND])
    assert [row[2:] for row in rows] == [(None, 20.0), (1.5, 20.0)]
    assert records == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"pressure": "x", "temperature": None}, "bad_number"),
        ({"pressure": True, "temperature": None}, "bad_number"),
        ({"pressure": [1], "temperature": None}, "bad_number"),
        ({"pressure": 10**400, "temperature": None}, "not_finite"),
        ({"pressure": math.inf, "temperature": None}, "not_finite"),
        ({"pressure": None, "temperature": None}, "no_value"),
        ({"tank": None}, "no_tank"),
        ({"tank": ""}, "no_tank"),
        ({"tank": "a\0b"}, "no_tank"),
        ({"timestamp": None}, "bad_time"),
        ({"timestamp": math.nan}, "bad_time"),
        ({"timestamp": True}, "bad_time"),
        ({"timestamp": {}}, "bad_time"),
    ],
)
def test_bad_object_is_quarantined(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    rows, records = read(tmp_path, [SOUND, SOUND | changed, SOUND])
    assert len(rows) == 2
    assert [(r.line, r.reason) for r in records] == [(2, reason)]


@pytest.mark.parametrize(
    "line",
    ['{"tank": "T1", ', "[1, 2]", "7", "null", "x", '{"tank": "\\ud800"}', "[" * 5000, "1" * 5000],
)
def test_line_that_is_no_object_is_quarantined(tmp_path: Path, line: str) -> None:
    rows, records = read(tmp_path, [SOUND, "", line, SOUND])
    assert len(rows) == 2
    assert [(r.line, r.reason, r.raw) for r in records] == [(3, "broken_row", line[:500])]


def test_numbers_keep_every_digit(tmp_path: Path) -> None:
    numbers = [0.1, 1e-300, 2**53 + 1, 123456789.123456789]
    rows, _ = read(tmp_path, [SOUND | {"pressure": number} for number in numbers])
    assert [row[2] for row in rows] == [float(number) for number in numbers]
    rows, _ = read(tmp_path, [SOUND | {"timestamp": 1772433000123999999}])
    assert rows[0][1] == 1772433000123


def test_numbers_may_name_tanks(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, [SOUND | {"tank": 101}, SOUND | {"tank": "101"}])
    assert [row[0] for row in rows] == ["101", "101"]


def test_archive_that_is_cut_off_gives_all_that_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    lines = [SOUND | {"pressure": number * 7919 % 1009} for number in range(20_000)]
    packed = gzip.compress("\n".join(map(json.dumps, lines)).encode())
    path.write_bytes(packed[: len(packed) // 2])
    chunks = list(read_file(path, PLAIN))
    assert 5_000 < sum(chunk.batch.rows for chunk in chunks) < 15_000
    (record,) = [record for chunk in chunks for record in chunk.rejected]
    assert "the archive is cut off here" in record.detail


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "the file is empty"),
        (["", " "], "the file is empty"),
        (["{", '"tank": 1', "}"], "write one object a line"),
        ([{"tank": "T1", "level": 1}], "no column for timestamp or any channel"),
    ],
)
def test_file_that_cannot_be_understood_is_refused(
    tmp_path: Path, lines: list[Any], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        read(tmp_path, lines)
