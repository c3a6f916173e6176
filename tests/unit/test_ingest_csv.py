import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from tankwatch.core.readings import Rejected
from tankwatch.core.times import from_ms, iso
from tankwatch.errors import SourceError
from tankwatch.ingest.chunk import Chunk
from tankwatch.ingest.file import read_file
from tankwatch.ingest.options import FileOptions

PLAIN = FileOptions(channels=("pressure", "temperature"))
T0, T1 = "2026-03-02T06:30:00Z", "2026-03-02T06:31:00Z"


def write(folder: Path, text: str, name: str = "readings.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def rows_of(chunks: list[Chunk]) -> list[tuple[object, ...]]:
    return [
        (
            chunk.batch.tanks[tank],
            iso(from_ms(int(ms))),
            *(None if math.isnan(v) else v for v in values),
        )
        for chunk in chunks
        for tank, ms, values in zip(
            chunk.batch.tank_index,
            chunk.batch.observed_ms,
            chunk.batch.values.tolist(),
            strict=True,
        )
    ]


def rejects_of(chunks: list[Chunk]) -> list[Rejected]:
    return [record for chunk in chunks for record in chunk.rejected]


def read(path: Path, options: FileOptions = PLAIN) -> list[tuple[object, ...]]:
    chunks = list(read_file(path, options))
    assert rejects_of(chunks) == []
    return rows_of(chunks)


def test_wide_rows_come_back_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f"tank,timestamp,pressure,temperature\nT2,{T1},1.5,20\nT1,{T0},2.5,21\nT2,{T0},3.5,22\n",
    )
    assert read(path) == [("T2", T1, 1.5, 20.0), ("T1", T0, 2.5, 21.0), ("T2", T0, 3.5, 22.0)]


def test_chunk_says_what_was_read(tmp_path: Path) -> None:
    path = write(tmp_path, f"tank,timestamp,pressure\nT1,{T0},1\nT1,{T1},x\n")
    (chunk,) = read_file(path, PLAIN)
    assert (chunk.rows_read, chunk.bytes_read) == (2, path.stat().st_size)
    assert chunk.batch.channels == ("pressure", "temperature")
    assert chunk.batch.tank_index.dtype == np.int32
    assert chunk.batch.observed_ms.dtype == np.int64
    assert chunk.batch.values.dtype == np.float64
    assert np.isnan(chunk.batch.values[0, 1])


def test_long_rows_of_one_tank_and_time_become_one_row(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "tank,timestamp,channel,value\n"
        f"T1,{T0},pressure,1\nT1,{T1},pressure,2\nT1,{T0},Temperature,20\nT1,{T1},temperature,21\n",
    )
    assert read(path) == [("T1", T0, 1.0, 20.0), ("T1", T1, 2.0, 21.0)]


def test_repeated_channel_of_the_long_form_stays_a_row_of_its_own(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "tank,timestamp,channel,value\n"
        f"T1,{T0},pressure,1\nT1,{T0},temperature,20\nT1,{T0},pressure,2\n",
    )
    assert read(path) == [("T1", T0, 1.0, 20.0), ("T1", T0, 2.0, None)]


def test_long_rows_may_each_have_their_unit(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "tank,timestamp,channel,value,unit\n"
        f"T1,{T0},pressure,1,bar\nT1,{T0},temperature,212,degF\nT1,{T1},pressure,7,\n"
        f"T1,{T1},temperature,7,bar\n",
    )
    chunks = list(read_file(path, PLAIN))
    assert rows_of(chunks) == [("T1", T0, 100.0, pytest.approx(100.0)), ("T1", T1, 7.0, None)]
    (record,) = rejects_of(chunks)
    assert (record.line, record.reason) == (5, "bad_unit")
    assert "use one of degC, degF, K" in record.detail


def test_repeated_rows_are_kept_for_the_store_to_decide(tmp_path: Path) -> None:
    path = write(tmp_path, f"tank,timestamp,pressure\nT1,{T0},1\nT1,{T0},2\nT1,{T0},2\n")
    assert [row[2] for row in read(path)] == [1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    "header",
    [
        "Tank_ID,Time,Pressure",
        " tank , DateTime , PRESSURE ",
        "\ufefftank,observed_at,pressure",
        "tag,Observed At,pressure",
        '"tank","date","pressure"',
        "# made by the historian\n\ntank,timestamp,pressure",
    ],
)
def test_header_is_understood_by_other_names(tmp_path: Path, header: str) -> None:
    assert read(write(tmp_path, f"{header}\nT1,{T0},1\n")) == [("T1", T0, 1.0, None)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.tsv"])
def test_delimiter_is_found(tmp_path: Path, delimiter: str, name: str) -> None:
    text = f"tank,timestamp,pressure\nT1,{T0},1.5\n".replace(",", delimiter)
    assert read(write(tmp_path, text, name)) == [("T1", T0, 1.5, None)]


def test_delimiter_that_a_spreadsheet_states_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path, f"sep=;\ntank;timestamp;pressure;a,b,c,d,e\nT1;{T0};1,5;\n")
    assert read(path) == [("T1", T0, 1.5, None)]


def test_decimal_comma_is_taken_where_semicolons_stand_between_the_columns(tmp_path: Path) -> None:
    text = f"tank;timestamp;pressure;temperature\nT1;{T0};1,5;-20,25\nT1;{T1};1.5;1,000.5\n"
    chunks = list(read_file(write(tmp_path, text), PLAIN))
    assert rows_of(chunks) == [("T1", T0, 1.5, -20.25), ("T1", T1, 1.5, None)]
    assert [(r.line, r.reason) for r in rejects_of(chunks)] == [(3, "bad_number")]


def test_columns_are_taken_as_the_options_name_them(tmp_path: Path) -> None:
    text = f"Tag,When,P 1,T,tank\nT1,{T0},1,20,other\n"
    options = FileOptions(
        channels=PLAIN.channels,
        columns={"tank": "Tag", "timestamp": "when", "pressure": "P 1", "temperature": "T"},
    )
    assert read(write(tmp_path, text), options) == [("T1", T0, 1.0, 20.0)]


def test_labels_of_the_long_form_are_taken_as_the_options_name_them(tmp_path: Path) -> None:
    text = f"tank,timestamp,channel,value\nT1,{T0},PIT,1\nT1,{T0},temperature_K,293.15\n"
    options = FileOptions(channels=PLAIN.channels, columns={"pressure": "PIT"})
    assert read(write(tmp_path, text), options) == [("T1", T0, 1.0, pytest.approx(20.0))]


@pytest.mark.parametrize(
    ("header", "raw", "kpa"),
    [
        ("pressure_bar", 2.0, 200.0),
        ("pressure [psi]", 1.0, 6.894757293168361),
        ("Pressure (kPa)", 3.0, 3.0),
        ("pressure_psia", 14.695948775, 0.0),
        ("pressure mbar", 50.0, 5.0),
    ],
)
def test_unit_in_the_header_is_taken(tmp_path: Path, header: str, raw: float, kpa: float) -> None:
    ((_, _, pressure, _),) = read(write(tmp_path, f"tank,time,{header}\nT1,{T0},{raw}\n"))
    assert pressure == pytest.approx(kpa, abs=1e-6)


def test_stated_unit_wins_over_the_header(tmp_path: Path) -> None:
    path = write(tmp_path, f"tank,time,pressure_bar,temperature_degF\nT1,{T0},2,212\n")
    options = FileOptions(channels=PLAIN.channels, units={"pressure": "mbar"})
    assert read(path, options) == [("T1", T0, 0.2, pytest.approx(100.0))]


def test_plain_name_wins_over_a_name_with_a_unit(tmp_path: Path) -> None:
    path = write(tmp_path, f"tank,time,pressure_bar,pressure\nT1,{T0},2,7\n")
    assert read(path) == [("T1", T0, 7.0, None)]


def test_absolute_pressure_becomes_gauge(tmp_path: Path) -> None:
    path = write(tmp_path, f"tank,time,pressure\nT1,{T0},1.01325\n")
    options = FileOptions(
        channels=PLAIN.channels, units={"pressure": "bar"}, absolute=frozenset({"pressure"})
    )
    assert read(path, options) == [("T1", T0, pytest.approx(0.0, abs=1e-9), None)]


def test_other_channels_pass_unchanged(tmp_path: Path) -> None:
    options = FileOptions(channels=("flow", "pressure"), units={"flow": "m3/h"})
    assert read(write(tmp_path, f"tank,time,flow\nT1,{T0},2\n"), options) == [("T1", T0, 2, None)]


def test_columns_that_are_not_read_are_reported_once(tmp_path: Path) -> None:
    text = f"tank,time,pressure_bar,level,fault\nT1,{T0},1,2,1\nT1,{T1},1,2,1\n"
    options = FileOptions(channels=PLAIN.channels, skip_columns=("Fault",), chunk_bytes=1)
    chunks = list(read_file(write(tmp_path, text), options))
    assert [chunk.notes for chunk in chunks] == [
        (
            "pressure is read from the column 'pressure_bar' in bar",
            "columns that are not read: 'level'",
        ),
        (),
    ]


def test_skipped_column_is_never_read(tmp_path: Path) -> None:
    options = FileOptions(channels=PLAIN.channels, skip_columns=("temperature",))
    path = write(tmp_path, f"tank,time,pressure,temperature\nT1,{T0},1,leak\n")
    assert read(path, options) == [("T1", T0, 1.0, None)]


def test_file_without_a_tank_column_takes_the_stated_tank(tmp_path: Path) -> None:
    path = write(tmp_path, f"time,pressure\n{T0},1\n")
    options = FileOptions(channels=PLAIN.channels, default_tank="T9")
    assert read(path, options) == [("T9", T0, 1.0, None)]
    with pytest.raises(SourceError, match=r"no column for tank.*--tank"):
        read(path)


def test_file_of_300000_rows_streams_in_several_chunks(tmp_path: Path) -> None:
    path = tmp_path / "big.csv.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write("tank,timestamp,pressure,temperature\n")
        for minute in range(3000):
            moment = iso(from_ms(1_772_433_000_000 + minute * 60_000))
            file.writelines(f"T{tank},{moment},{minute},{tank}.25\n" for tank in range(100))
    options = FileOptions(channels=PLAIN.channels, chunk_bytes=1 << 20)
    chunks = list(read_file(path, options))
    assert len(chunks) > 5
    assert max(chunk.rows_read for chunk in chunks) < 60_000
    assert sum(chunk.batch.rows for chunk in chunks) == 300_000
    assert sum(chunk.bytes_read for chunk in chunks) == path.stat().st_size
    assert rejects_of(chunks) == []
    last = chunks[-1].batch
    assert last.values[-1].tolist() == [2999.0, 99.25]
    assert last.tanks[last.tank_index[-1]] == "T99"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("tank,timestamp,pressure\n", "there is a header but no row"),
        ("tank,timestamp,pressure", "there is a header but no row"),
        (f"T1,{T0},1,2\n", r"no column for tank or timestamp or any channel; found 'T1'"),
        (f"tank,pressure\nT1,{T0}\n", r"no column for timestamp; .*--column"),
        (f"tank,timestamp,level\nT1,{T0},1\n", r"no column for any channel; .*pressure, temp"),
        (f"tank,timestamp,channel\nT1,{T0},1\n", r"no column for any channel"),
        (f"tank,timestamp,pressure,pressure\nT1,{T0},1,1\n", "more than once"),
        (f"tank,time,pressure_bar,pressure_psi\nT1,{T0},1,1\n", "could each be pressure"),
        (f"tank,date,time,pressure\nT1,{T0},1,1\n", "write them into one column"),
        ("x" * 2_000_000, "there is no header: the line is longer"),
        ("PK\x03\x04rest", "zip archive or a spreadsheet"),
        ('[{"tank": 1}]', "one object a line"),
    ],
)
def test_file_that_cannot_be_understood_is_refused_whole(
    tmp_path: Path, text: str, message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SourceError, match=message) as caught:
        next(read_file(path, PLAIN))
    assert str(path) in str(caught.value)


def test_column_that_was_named_and_is_missing_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, f"tank,time,pressure\nT1,{T0},1\n")
    options = FileOptions(channels=PLAIN.channels, columns={"tank": "Tag"})
    with pytest.raises(
        SourceError, match=r"no column 'Tag', which was named for tank; found 'tank'"
    ):
        next(read_file(path, options))


def test_directory_and_missing_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a directory"):
        next(read_file(tmp_path, PLAIN))
    with pytest.raises(SourceError, match=r"nothing.csv: cannot be opened"):
        next(read_file(tmp_path / "nothing.csv", PLAIN))
