"""Windows that come again: expected times are written down by hand from a calendar."""

from datetime import UTC, datetime, timedelta

import pytest

from tankwatch.core.recurrence import Recurrence, check_rule
from tankwatch.errors import UsageError

OSLO = "Europe/Oslo"
HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def starts(first: str, rule: str, span: tuple[str, str], zone: str = OSLO) -> list[str]:
    begin = utc(first)
    found = Recurrence(begin, begin + 2 * HOUR, rule, zone).windows(utc(span[0]), utc(span[1]))
    assert all(end - start == 2 * HOUR for start, end in found)
    return [f"{start:%m-%d %H:%M}" for start, _ in found]


def test_window_keeps_its_local_time_when_summer_time_begins() -> None:
    # Tuesdays at 08:00 in Oslo: 07:00 UTC before 29 March 2026, 06:00 UTC from then on.
    tuesdays = starts("2026-03-17 07:00", "FREQ=WEEKLY;BYDAY=TU", ("2026-03-16", "2026-04-08"))
    assert tuesdays == ["03-17 07:00", "03-24 07:00", "03-31 06:00", "04-07 06:00"]


def test_window_keeps_its_local_time_when_summer_time_ends() -> None:
    # 25 October 2026.
    tuesdays = starts("2026-03-17 07:00", "FREQ=WEEKLY;BYDAY=TU", ("2026-10-19", "2026-11-04"))
    assert tuesdays == ["10-20 06:00", "10-27 07:00", "11-03 07:00"]


def test_window_in_the_hour_that_spring_skips_begins_as_much_later() -> None:
    # 02:30 does not exist on 29 March: it is 03:30 summer time, 01:30 UTC.
    nights = starts("2026-03-27 01:30", "FREQ=DAILY", ("2026-03-27", "2026-03-31"))
    assert nights == ["03-27 01:30", "03-28 01:30", "03-29 01:30", "03-30 00:30"]


def test_window_in_the_hour_that_autumn_repeats_begins_in_the_first_of_them() -> None:
    # 02:30 comes at 00:30 UTC and again at 01:30 UTC on 25 October.
    nights = starts("2026-10-23 00:30", "FREQ=DAILY", ("2026-10-23", "2026-10-27"))
    assert nights == ["10-23 00:30", "10-24 00:30", "10-25 00:30", "10-26 01:30"]


def test_day_of_the_week_is_that_of_the_place() -> None:
    # 00:30 on a Tuesday in Oslo is a Monday in UTC.
    assert starts(
        "2026-03-02 23:30", "FREQ=WEEKLY;BYDAY=TU", ("2026-03-02 12:00", "2026-03-12")
    ) == ["03-02 23:30", "03-09 23:30"]


def test_end_of_a_rule_in_utc_is_a_moment() -> None:
    rule = "FREQ=DAILY;UNTIL=20260401T060000Z"
    assert starts("2026-03-30 06:00", rule, ("2026-03-01", "2026-05-01"))[-1] == "04-01 06:00"
    rule = "FREQ=DAILY;UNTIL=20260401T055900Z"
    assert starts("2026-03-30 06:00", rule, ("2026-03-01", "2026-05-01"))[-1] == "03-31 06:00"


def test_window_under_way_at_the_beginning_is_found() -> None:
    assert starts("2026-03-17 07:00", "FREQ=DAILY", ("2026-03-20 08:30", "2026-03-20 08:40")) == [
        "03-20 07:00"
    ]


def test_window_without_a_rule_comes_once() -> None:
    once = Recurrence(utc("2026-03-17 07:00"), utc("2026-03-17 09:00"))
    assert once.windows(utc("2026-03-18"), utc("2026-03-19")) == []
    assert once.next_after(utc("2026-03-17 08:00")) == (once.start, once.end)
    assert once.next_after(once.end) is None


def test_next_window_is_the_one_under_way_or_the_one_to_come() -> None:
    begin = utc("2026-03-17 07:00")
    weekly = Recurrence(begin, begin + 2 * HOUR, "FREQ=WEEKLY;BYDAY=TU;COUNT=3", OSLO)
    following = utc("2026-03-24 07:00"), utc("2026-03-24 09:00")
    assert weekly.next_after(utc("2026-03-24 08:59")) == following
    assert weekly.next_after(utc("2026-03-17 09:00")) == following
    assert weekly.next_after(utc("2026-03-31 08:00")) is None


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("every tuesday", "is no recurrence rule"),
        ("FREQ=WEEKLY;BYDAY=XX", "invalid 'BYDAY'"),
        ("FREQ=HOURLY", "FREQ is one of DAILY"),
        ("FREQ=MINUTELY;BYDAY=TU", "FREQ is one of DAILY"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL of 0"),
        ("FREQ=DAILY;COUNT=0", "COUNT of 0"),
        ("FREQ=DAILY;UNTIL=20200101", "never comes about"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never comes about"),
        ("FREQ=DAILY;UNTIL=99980101;BYMONTHDAY=99", "never comes about"),
        ("FREQ=DAILY\nDTSTART:20200101T000000", "is no recurrence rule"),
        ("", "is no recurrence rule"),
    ],
)
def test_rule_that_windows_cannot_follow_is_refused(rule: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check_rule(rule, utc("2026-03-17 07:00"), OSLO)


def test_rule_is_stored_as_the_standard_writes_it() -> None:
    written = check_rule(" rrule:freq=yearly;bymonth=2;bymonthday=29 ", utc("2026-03-17"), OSLO)
    assert written == "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"
