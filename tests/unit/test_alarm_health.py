"""The figures of alarms, counted by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tankwatch.core.alarm_health import (
    AlarmHealth,
    AlarmRecord,
    alarm_health,
    count_floods,
    flooded,
)
from tankwatch.errors import UsageError
from tankwatch.jobs.alarm_report import Month, month_of, parse_month
from tankwatch.notify.health import health_json, render_health

START = datetime(2026, 10, 1, tzinfo=UTC)
END = START + timedelta(days=2)
MINUTE = timedelta(minutes=1)


def record(minute: int, *, name: str = "TK-1: pressure stale", **changes: object) -> AlarmRecord:
    at = START + minute * MINUTE
    plain = AlarmRecord(at, ("kim",), name, at, at + 5 * MINUTE, None, "")
    return replace(plain, **changes)  # type: ignore[arg-type]


def health(*alarms: AlarmRecord) -> AlarmHealth:
    held = {"hold_shelved": 2}
    return alarm_health(alarms, start=START, end=END, held=held, shelved=1)


def test_rates_are_by_ten_minutes_and_recipient() -> None:
    found = health(*(record(minute) for minute in range(12)), record(60, to=("kim", "ada")))
    kim, ada = found.positions
    assert (kim.name, kim.alarms, kim.peak_rate, kim.floods) == ("kim", 13, 10, 0)
    assert kim.mean_rate == pytest.approx(13 / 288)
    assert (ada.alarms, ada.peak_rate, ada.share_above_ten) == (1, 1, 0)


def test_floods_begin_above_ten_and_end_below_five() -> None:
    assert count_floods([0, 10, 0]) == 0
    assert count_floods([11, 5, 7, 12, 4, 11]) == 2
    assert flooded([11, 5, 4, 10]) == [True, True, False, False]
    found = health(*(record(0) for _ in range(11)))
    assert (found.positions[0].floods, found.positions[0].share_above_ten) == (1, 1 / 288)


def test_what_lasts_over_a_day_stands() -> None:
    long = record(-3000, ended_at=None)
    found = health(long, record(5), record(0, ended_at=START + timedelta(hours=25)))
    assert (found.alarms, found.standing, found.most_standing) == (2, 2, 2)
    assert health(record(0, ended_at=START + timedelta(hours=24))).standing == 0


def test_top_ten_chattering_and_labels() -> None:
    often = [record(minute * 30) for minute in range(3)]
    found = health(
        *often, record(1, name="TK-2: x", verdict="not_a_fault"), record(2, verdict="real_fault")
    )
    assert found.top[0] == ("TK-1: pressure stale", 4)
    assert (found.top_share, found.chattering) == (1.0, ("TK-1: pressure stale",))
    assert (found.labelled, found.not_a_fault_share) == (2, 0.5)


def test_time_to_acknowledge() -> None:
    waits = (60, 120, 600)
    found = health(
        *(record(0, acknowledged_at=START + timedelta(seconds=wait)) for wait in waits), record(1)
    )
    assert (found.acknowledge_median_s, found.acknowledge_ninety_s) == (120, 120)
    assert found.acknowledged_share == 0.75


def test_month_without_alarms_says_nothing_it_does_not_know() -> None:
    found = health()
    assert (found.alarms, found.positions, found.top_share) == (0, (), None)
    assert "Alarms of 2026-10" in render_health(found, month="2026-10", plant="x", time_zone="UTC")


def test_each_figure_stands_beside_what_is_recommended() -> None:
    told = health_json(health(*(record(0) for _ in range(11))), month="2026-10")
    shown = {one["label"]: one for one in told["shown"]}
    peak = shown["Most alarms in ten minutes"]
    assert (peak["value"], peak["recommended"], peak["verdict"]) == ("11", "at most 10", "missed")
    assert "ISA-18.2" in peak["source"]
    assert shown["Standing for over a day, most on one day"]["verdict"] == "met"


def test_months() -> None:
    assert str(parse_month("2026-01").before()) == "2025-12"
    assert str(Month(2026, 12).after()) == "2027-01"
    assert month_of(datetime(2026, 9, 30, 23, tzinfo=UTC), ZoneInfo("Europe/Oslo")) == Month(
        2026, 10
    )
    with pytest.raises(UsageError, match="no month"):
        parse_month("October")
