from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tankwatch.core.times import from_ms, human_duration, iso, parse_time, to_ms
from tankwatch.errors import UsageError

T0 = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
T0_MS = 1_772_433_000_000
LONG_MS = 60_000_000_000_000  # about 1900 years either way


@given(st.integers(-LONG_MS, LONG_MS))
def test_milliseconds_come_back_exactly(epoch_ms: int) -> None:
    moment = from_ms(epoch_ms)
    assert to_ms(moment) == epoch_ms
    assert moment.utcoffset() == timedelta(0)


@given(st.integers(-LONG_MS, LONG_MS))
def test_time_as_text_means_the_same_time(epoch_ms: int) -> None:
    assert parse_time(iso(from_ms(epoch_ms))) == from_ms(epoch_ms)


def test_zone_does_not_change_the_moment() -> None:
    oslo = T0.astimezone(timezone(timedelta(hours=2)))
    assert to_ms(T0) == to_ms(oslo) == T0_MS


@pytest.mark.parametrize(("microseconds", "expected_ms"), [(999, 0), (1000, 1), (-1, -1)])
def test_microseconds_are_rounded_down(microseconds: int, expected_ms: int) -> None:
    assert to_ms(T0 + timedelta(microseconds=microseconds)) == T0_MS + expected_ms


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(UsageError, match=r"2026-03-02T06:30:00 has no zone: .*\+00:00"):
        to_ms(T0.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (T0, "2026-03-02T06:30:00Z"),
        (T0 + timedelta(milliseconds=7), "2026-03-02T06:30:00.007Z"),
        (T0.astimezone(timezone(timedelta(hours=-5))), "2026-03-02T06:30:00Z"),
    ],
)
def test_time_is_shown_as_iso_in_utc(moment: datetime, text: str) -> None:
    assert iso(moment) == text


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T06:30:00Z",
        "2026-03-02 06:30",
        "2026-03-02T08:30:00+02:00",
        "20260302T063000Z",
        "2026-03-02T06:30:00.000",
    ],
)
def test_iso_text_is_read_and_means_utc_without_a_zone(text: str) -> None:
    assert parse_time(text) == T0
    assert parse_time(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "02.03.2026 06:30", "1772433000"])
def test_text_that_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time: write ISO 8601, for instance 2026"):
        parse_time(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (187_200, "2 d 4 h"),
        (187_259, "2 d 4 h"),
    ],
)
def test_duration_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
