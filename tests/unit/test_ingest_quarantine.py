import math
from pathlib import Path

import pytest

from tankwatch.core.times import parse_time, to_ms
from tankwatch.ingest.chunk import Chunk
from tankwatch.ingest.file import read_file
from tankwatch.ingest.options import FileOptions

PLAIN = FileOptions(channels=("pressure", "temperature"))
T0 = "2026-03-02T06:30:00Z"
HEADER = "tank,timestamp,pressure,temperature\n"
LONG = "tank,timestamp,channel,value\n"

Row = tuple[str, float | None, float | None]


def read(
    folder: Path, text: str | bytes, options: FileOptions = PLAIN
) -> tuple[list[Row], list[tuple[int, str]], list[str]]:
    """Return (tank, pressure, temperature), (line, reason) and the details."""
    path = folder / "readings.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    chunks: list[Chunk] = list(read_file(path, options))
    rows: list[Row] = [
        (
            chunk.batch.tanks[tank],
            *(None if math.isnan(value) else value for value in values),
        )
        for chunk in chunks
        for tank, values in zip(chunk.batch.tank_index, chunk.batch.values.tolist(), strict=True)
    ]
    records = [record for chunk in chunks for record in chunk.rejected]
    assert all(record.source == str(path) for record in records)
    return rows, [(r.line, r.reason.value) for r in records], [r.detail for r in records]


@pytest.mark.parametrize(
    "absent", ["", " ", "NaN", "nan", "-nan(ind)", "NULL", "null", "N/A", "None"]
)
def test_absent_value_leaves_the_other_channel(tmp_path: Path, absent: str) -> None:
    rows, rejects, _ = read(tmp_path, f"{HEADER}T1,{T0},{absent},20\nT2,{T0},1,{absent}\n")
    assert rows == [("T1", None, 20.0), ("T2", 1.0, None)]
    assert rejects == []


def test_row_without_any_value_is_quarantined(tmp_path: Path) -> None:
    rows, rejects, _ = read(tmp_path, f"{HEADER}T1,{T0},,NaN\nT2,{T0},1,2\n")
    assert rows == [("T2", 1.0, 2.0)]
    assert rejects == [(2, "no_value")]


@pytest.mark.parametrize("endless", ["inf", "-inf", "Infinity", "1e999"])
def test_endless_value_is_quarantined_and_the_other_kept(tmp_path: Path, endless: str) -> None:
    rows, rejects, details = read(tmp_path, f"{HEADER}T1,{T0},{endless},20\nT2,{T0},{endless},\n")
    assert rows == [("T1", None, 20.0)]
    assert rejects == [(2, "not_finite"), (3, "not_finite")]
    assert details[0] == "pressure: the number is not finite"


def test_value_that_its_unit_makes_endless_is_quarantined(tmp_path: Path) -> None:
    options = FileOptions(channels=PLAIN.channels, units={"pressure": "bar"})
    rows, rejects, _ = read(tmp_path, f"{HEADER}T1,{T0},1e308,20\n", options)
    assert (rows, rejects) == ([("T1", None, 20.0)], [(2, "not_finite")])


@pytest.mark.parametrize("text", ["bad", "1.2.3", "0x10", "1 000", "#REF!", "12kPa", "--1"])
def test_text_in_a_number_is_quarantined_and_the_other_kept(tmp_path: Path, text: str) -> None:
    rows, rejects, details = read(tmp_path, f"{HEADER}T1,{T0},{text},20\nT2,{T0},1,2\n")
    assert rows == [("T1", None, 20.0), ("T2", 1.0, 2.0)]
    assert rejects == [(2, "bad_number")]
    assert details == [f"pressure: {text!r} is not a number"]


def test_two_bad_numbers_in_a_row_are_one_record(tmp_path: Path) -> None:
    rows, rejects, details = read(tmp_path, f"{HEADER}T1,{T0},a,b\n")
    assert (rows, rejects) == ([], [(2, "bad_number")])
    assert details == ["pressure: 'a' is not a number; temperature: 'b' is not a number"]


@pytest.mark.parametrize(
    "text", ["1_000.5", "+1000.5", " 1000.5 ", "1.0005e3", "1000.5000000000000001"]
)
def test_numbers_are_read_as_python_reads_them(tmp_path: Path, text: str) -> None:
    rows, rejects, _ = read(tmp_path, f"{HEADER}T1,{T0},{text},\n")
    assert (rows, rejects) == ([("T1", float(text), None)], [])


@pytest.mark.parametrize("tank", ["", "  ", '""', "T" * 121, '"T\t1"'])
def test_row_without_a_usable_tank_is_quarantined(tmp_path: Path, tank: str) -> None:
    rows, rejects, _ = read(tmp_path, f"{HEADER}{tank},{T0},1,2\n T2 ,{T0},1,2\n")
    assert rows == [("T2", 1.0, 2.0)]
    assert rejects == [(2, "no_tank")]


@pytest.mark.parametrize("moment", ["", "soon", "2026-02-30", "12"])
def test_row_without_a_usable_time_is_quarantined(tmp_path: Path, moment: str) -> None:
    rows, rejects, _ = read(tmp_path, f"{HEADER}T1,{moment},x,2\nT2,{T0},1,2\n")
    assert rows == [("T2", 1.0, 2.0)]
    assert rejects == [(2, "bad_time")]


def test_time_ahead_of_the_limit_is_quarantined(tmp_path: Path) -> None:
    options = FileOptions(channels=PLAIN.channels, latest_ms=to_ms(parse_time(T0)))
    late = "2026-03-02T06:30:00.001Z"
    rows, rejects, _ = read(tmp_path, f"{HEADER}T1,{late},1,2\nT2,{T0},1,2\n", options)
    assert rows == [("T2", 1.0, 2.0)]
    assert rejects == [(2, "future_time")]


def test_channel_that_the_store_does_not_know_is_quarantined(tmp_path: Path) -> None:
    text = f"{LONG}T1,{T0},level,1\nT1,{T0},,1\nT1,{T0},pressure,1\n"
    rows, rejects, details = read(tmp_path, text)
    assert rows == [("T1", 1.0, None)]
    assert rejects == [(2, "unknown_channel"), (3, "unknown_channel")]
    assert details[0] == "no channel 'level': the store knows pressure, temperature"


def test_bad_values_of_the_long_form_are_quarantined(tmp_path: Path) -> None:
    text = (
        f"{LONG}T1,{T0},pressure,x\nT1,{T0},temperature,20\nT1,{T0},pressure,inf\n"
        f"T1,{T0},pressure,\n,{T0},pressure,1\nT1,,pressure,1\n"
    )
    rows, rejects, _ = read(tmp_path, text)
    assert rows == [("T1", None, 20.0)]
    assert rejects == [
        (2, "bad_number"),
        (4, "not_finite"),
        (5, "no_value"),
        (6, "no_tank"),
        (7, "bad_time"),
    ]


@pytest.mark.parametrize("ragged", [f"T1,{T0},1", "T1", f"T1,{T0},1,2,3", f"T1,{T0},1,5,20,5"])
def test_ragged_row_is_quarantined(tmp_path: Path, ragged: str) -> None:
    rows, rejects, details = read(tmp_path, f"{HEADER}T0,{T0},1,2\n{ragged}\nT2,{T0},1,2\n")
    assert rows == [("T0", 1.0, 2.0), ("T2", 1.0, 2.0)]
    assert rejects == [(3, "broken_row")]
    assert "fields where the header has 4" in details[0]


def test_row_with_empty_fields_behind_it_is_sound(tmp_path: Path) -> None:
    rows, rejects, _ = read(tmp_path, f"{HEADER}T1,{T0},1,2,, \n")
    assert (rows, rejects) == ([("T1", 1.0, 2.0)], [])


@pytest.mark.parametrize(
    ("last", "rows", "reasons"),
    [
        (f"T2,{T0},1,2", [("T2", 1.0, 2.0)], []),
        (f"T2,{T0},1,2.", [("T2", 1.0, 2.0)], []),
        (f"T2,{T0},1,", [("T2", 1.0, None)], []),
        (f"T2,{T0},1,-", [("T2", 1.0, None)], ["bad_number"]),
        (f"T2,{T0},1", [], ["broken_row"]),
        ("T2,2026-03", [], ["broken_row"]),
        ('"T', [], ["broken_row"]),
    ],
)
def test_last_line_that_is_cut_off_is_quarantined_if_something_is_missing(
    tmp_path: Path, last: str, rows: list[Row], reasons: list[str]
) -> None:
    found, rejects, _ = read(tmp_path, f"{HEADER}T1,{T0},1,2\n{last}")
    assert found == [("T1", 1.0, 2.0), *rows]
    assert rejects == [(3, reason) for reason in reasons]


def test_line_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    text = f"\n# from the historian\n{HEADER}\nT1,{T0},x,1\r\n\r\n \nT1,{T0},1,x\n"
    for chunk_bytes in (1, 40, 1 << 20):
        options = FileOptions(channels=PLAIN.channels, chunk_bytes=chunk_bytes)
        _, rejects, _ = read(tmp_path, text, options)
        assert rejects == [(5, "bad_number"), (8, "bad_number")]


def test_record_holds_the_text_of_the_row(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    path.write_bytes(f"{HEADER}T1,{T0},x,1\r\n\r\nT2,{T0},1\r\n".encode())
    (chunk,) = read_file(path, PLAIN)
    assert [record.raw for record in chunk.rejected] == [f"T1,{T0},x,1", f"T2,{T0},1"]


def test_quoted_fields_are_understood(tmp_path: Path) -> None:
    text = f'tank,timestamp,pressure,note\n"T ""1"", a","{T0}","1.5","x\ny"\n"T2", "{T0}", "2", \n'
    rows, rejects, _ = read(tmp_path, text)
    assert rows == [('T "1", a', 1.5, None), ("T2", 2.0, None)]
    assert rejects == []


def test_open_quote_does_not_swallow_the_rows_behind_it(tmp_path: Path) -> None:
    sound = "".join(f"T{number},{T0},1,2\n" for number in range(1000))
    for chunk_bytes in (64, 1 << 20):
        options = FileOptions(channels=PLAIN.channels, chunk_bytes=chunk_bytes)
        rows, rejects, details = read(tmp_path, f'{HEADER}"T1,{T0},1,2\n{sound}"', options)
        assert len(rows) == 1000
        assert rejects == [(2, "broken_row"), (1003, "broken_row")]
        assert details[0].startswith("a quote is not closed")


@pytest.mark.parametrize(
    "line", [f"T1\0,{T0},1,2", f"T1,{T0},1,2\0\0\0", "\0" * 5000, f"T1,{T0},1\r,2"]
)
def test_line_with_bytes_that_are_not_text_is_quarantined(tmp_path: Path, line: str) -> None:
    sound = "".join(f"T{number},{T0},1,2\n" for number in range(1000))
    rows, rejects, _ = read(tmp_path, f"{HEADER}{sound}{line}\nT2,{T0},1,2\n")
    assert len(rows) == 1001
    assert rejects == [(1002, "broken_row")]


def test_endless_line_is_quarantined_and_does_not_fill_the_memory(tmp_path: Path) -> None:
    text = f"{HEADER}T1,{T0},1,2\n{'x' * 3_000_000}\nT2,{T0},1,2\nT3,{T0},y,2\n"
    options = FileOptions(channels=PLAIN.channels, chunk_bytes=100_000)
    rows, rejects, details = read(tmp_path, text, options)
    assert rows == [("T1", 1.0, 2.0), ("T2", 1.0, 2.0), ("T3", None, 2.0)]
    assert rejects == [(3, "broken_row"), (5, "bad_number")]
    assert "longer than" in details[0]
    rows, rejects, _ = read(tmp_path, f"{HEADER}T1,{T0},1,2\n{'x' * 3_000_000}", options)
    assert (rows, rejects) == ([("T1", 1.0, 2.0)], [(3, "broken_row")])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_row_of_empty_cells_is_quarantined_beside_blank_lines(
    tmp_path: Path, delimiter: str
) -> None:
    text = f"{HEADER}T1,{T0},1,2\n,,,\n\n,,,\n".replace(",", delimiter)
    rows, rejects, _ = read(tmp_path, text)
    assert rows == [("T1", 1.0, 2.0)]
    assert rejects == [(3, "no_tank"), (5, "no_tank")]


def test_two_faults_of_one_row_are_two_records(tmp_path: Path) -> None:
    rows, rejects, _ = read(tmp_path, f"{HEADER}T1,{T0},inf,x\n")
    assert (rows, rejects) == ([], [(2, "bad_number"), (2, "not_finite")])
