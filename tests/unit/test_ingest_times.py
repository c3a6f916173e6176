from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tankwatch.core.times import from_ms, iso, to_ms
from tankwatch.ingest.options import EpochUnit, FileOptions
from tankwatch.ingest.timestamps import parse_times

PLAIN = FileOptions(channels=("pressure",))
OSLO = FileOptions(channels=("pressure",), time_zone="Europe/Oslo")


def epoch(unit: EpochUnit) -> FileOptions:
    return FileOptions(channels=("pressure",), epoch_unit=unit)


def one(text: str, options: FileOptions = PLAIN) -> str:
    times = parse_times(pa.array([text]), options)
    assert times.faults == {}
    return iso(from_ms(int(times.observed_ms[0])))


def fault(text: str, options: FileOptions = PLAIN) -> str:
    times = parse_times(pa.array([text]), options)
    assert list(times.faults) == [0]
    return times.faults[0]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T06:30:00Z",
        "2026-03-02 06:30:00",
        "2026-03-02T06:30",
        "2026-03-02T06:30:00+00:00",
        "2026-03-02T08:30:00+0200",
        "2026-03-02T07:30:00+01",
        "2026-03-02 06:30:00 UTC",
        "2026-03-02 06:30:00 +0000",
        "2026-03-02t06:30:00z",
        "  2026-03-02T06:30:00Z ",
        "2026-03-02T06:30:00.000999999Z",
        "2026-03-02T06:30:00,000",
        "20260302T063000Z",
        "2026/03/02 6:30",
        "02.03.2026 06:30",
        "2.3.2026 6:30:00",
        "1772433000",
        "1772433000.0",
        "1.772433e9",
        "1772433000000",
        "1772433000000000",
        "1772433000000000999",
    ],
)
def test_time_is_understood(text: str) -> None:
    assert one(text) == "2026-03-02T06:30:00Z"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-03-02", "2026-03-02T00:00:00Z"),
        ("2026-03-02T06:30:00.1239999Z", "2026-03-02T06:30:00.123Z"),
        ("1772433000.123", "2026-03-02T06:30:00.123Z"),
        ("1772433000123999999", "2026-03-02T06:30:00.123Z"),
        ("9999-01-01", "9999-01-01T00:00:00Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
    ],
)
def test_time_is_cut_to_milliseconds(text: str, shown: str) -> None:
    assert one(text) == shown


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no time"),
        ("   ", "no time"),
        ("nan", "no time"),
        ("soon", "write ISO 8601"),
        ("2026-02-30", "write ISO 8601"),
        ("2026-03-02T06:30:60Z", "write ISO 8601"),
        ("03/02/2026 06:30", "write ISO 8601"),
        ("06:30:00", "write ISO 8601"),
        ("2026-03-02T06:3", "write ISO 8601"),
        ("0001-01-01T00:00:00", "outside the years"),
        ("20260302", "state the epoch unit"),
        ("20260302063000", "state the epoch unit"),
        ("-5", "state the epoch unit"),
        ("0", "state the epoch unit"),
        ("1e400", "state the epoch unit"),
        ("9" * 30, "state the epoch unit"),
        ("0x69A52E68", "write ISO 8601"),
    ],
)
def test_time_that_is_not_clear_is_refused(text: str, why: str) -> None:
    assert why in fault(text)


@pytest.mark.parametrize(
    ("unit", "number"),
    [("s", 86_400), ("ms", 86_400_000), ("us", 86_400 * 10**6), ("ns", 86_400 * 10**9)],
)
def test_stated_epoch_unit_is_taken(unit: EpochUnit, number: int) -> None:
    assert one(str(number), epoch(unit)) == "1970-01-02T00:00:00Z"
    assert one(f"{number}.0", epoch(unit)) == "1970-01-02T00:00:00Z"
    assert "epoch unit" in fault(str(10**18), epoch("s"))


def test_mixed_forms_in_one_column_are_all_understood() -> None:
    texts = [
        "2026-03-02T06:30:00Z",
        "1772433000",
        "",
        "2026-03-02 07:30:00",
        "junk",
        "1772433000.5",
    ]
    times = parse_times(pa.array(texts), OSLO)
    assert sorted(times.faults) == [2, 4]
    expected = [1772433000000, 1772433000000, 0, 1772433000000, 0, 1772433000500]
    assert times.observed_ms.tolist() == expected


def test_time_without_a_zone_is_local() -> None:
    assert one("2026-03-02 07:30:00", OSLO) == "2026-03-02T06:30:00Z"
    assert one("2026-07-02 08:30:00", OSLO) == "2026-07-02T06:30:00Z"
    assert one("2026-03-02T06:30:00Z", OSLO) == "2026-03-02T06:30:00Z"
    assert one("1900-01-02", OSLO) == "1900-01-01T23:00:00Z"
    assert one("9999-12-29", OSLO) == "9999-12-28T23:00:00Z"


def test_local_time_that_happens_twice_is_refused() -> None:
    why = fault("2026-10-25 02:30:00", OSLO)
    assert why.startswith("2026-10-25 02:30:00 happens twice in Europe/Oslo")
    assert one("2026-10-25 01:59:59", OSLO) == "2026-10-24T23:59:59Z"
    assert one("2026-10-25 03:00:00", OSLO) == "2026-10-25T02:00:00Z"
    assert one("2026-10-25T02:30:00+02:00", OSLO) == "2026-10-25T00:30:00Z"


def test_local_time_that_the_clocks_skip_is_refused() -> None:
    assert "2026-03-29 02:30:00 does not exist in Europe/Oslo" in fault("2026-03-29 02:30:00", OSLO)
    assert one("2026-03-29 03:00:00", OSLO) == "2026-03-29T01:00:00Z"


def test_unclear_local_times_leave_the_others_of_the_column() -> None:
    texts = ["2026-10-25 01:30", "2026-10-25 02:30", "", "2026-10-25 03:30"]
    times = parse_times(pa.array(texts), OSLO)
    assert sorted(times.faults) == [1, 2]
    assert iso(from_ms(int(times.observed_ms[3]))) == "2026-10-25T02:30:00Z"


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_typed_timestamps_are_understood(unit: str) -> None:
    moment = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
    aware = pa.array([moment, None], pa.timestamp(unit, "America/Lima"))
    naive = pa.array([datetime(2026, 3, 2, 7, 30), None], pa.timestamp(unit))  # noqa: DTZ001
    for cells in (aware, naive):
        times = parse_times(cells, OSLO)
        assert times.observed_ms.tolist() == [to_ms(moment), 0]
        assert times.faults == {1: "the row has no time"}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (pa.array([date(2026, 3, 2)]), "2026-03-02T00:00:00Z"),
        (pa.array([1772433000], pa.int64()), "2026-03-02T06:30:00Z"),
        (pa.array([1772433000], pa.uint32()), "2026-03-02T06:30:00Z"),
        (pa.array([1772433000.5]), "2026-03-02T06:30:00.500Z"),
        (pa.array(["2026-03-02T06:30:00Z"], pa.large_string()), "2026-03-02T06:30:00Z"),
        (pa.array(["2026-03-02T06:30:00Z"]).dictionary_encode(), "2026-03-02T06:30:00Z"),
    ],
)
def test_other_types_hold_times_too(cells: pa.Array, expected: str) -> None:
    assert iso(from_ms(int(parse_times(cells, PLAIN).observed_ms[0]))) == expected


def test_column_without_any_time_is_all_faults() -> None:
    assert sorted(parse_times(pa.nulls(2), PLAIN).faults) == [0, 1]
    floats = pa.array([float("nan"), float("inf")])
    assert sorted(parse_times(floats, PLAIN).faults) == [0, 1]


TEXTS = st.one_of(
    st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1)).map(str),  # noqa: DTZ001
    st.datetimes(datetime(2026, 10, 25), datetime(2026, 10, 26)).map(lambda t: t.isoformat()),  # noqa: DTZ001
    st.datetimes(timezones=st.timezones()).map(str),
    st.integers(-10, 2**64).map(str),
    st.floats().map(repr),
    st.floats(1.7e9, 1.8e9).map(repr),
    st.text("0123456789-:.TZ+ /", max_size=26),
    st.sampled_from(["2026-03-02T06:30:00.1234567Z", "nan", "", "2026-03-02T06"]),
)


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_a_column_gives_what_its_texts_give_one_by_one(texts: list[str]) -> None:
    whole = parse_times(pa.array(texts), OSLO)
    parts = [parse_times(pa.array([text]), OSLO) for text in texts]
    assert whole.observed_ms.tolist() == [int(part.observed_ms[0]) for part in parts]
    assert whole.faults == {row: part.faults[0] for row, part in enumerate(parts) if part.faults}


@given(TEXTS)
def test_whole_column_gives_the_same_as_text_by_text(text: str) -> None:
    by_itself = parse_times(pa.array([text]), OSLO)
    beside_junk = parse_times(pa.array([text, "junk"]), OSLO)
    assert by_itself.observed_ms[0] == beside_junk.observed_ms[0]
    assert by_itself.faults.get(0) == beside_junk.faults.get(0)
