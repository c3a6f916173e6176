"""Hours of routes, and whom routes choose."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tankwatch.core.actor import Role
from tankwatch.core.incident import Severity
from tankwatch.core.routing import (
    ChosenBy,
    Fit,
    Hours,
    Route,
    hours_text,
    parse_days,
    parse_severity,
    parse_span,
    route_text,
)
from tankwatch.errors import UsageError
from tankwatch.jobs.addressing import choose
from tankwatch.store.people import Operator

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
OSLO = ZoneInfo("Europe/Oslo")
ALWAYS = Hours(frozenset(range(1, 8)), time(), time())


def hours(days: str, span: str) -> Hours:
    return Hours(parse_days(days), *parse_span(span))


def route(
    number: int, *, operator: str | None = "kim", after_s: int = 0, **changes: object
) -> Route:
    plain = {"site": None, "severity": Severity.ALARM, "hours": ALWAYS, "group": None}
    return Route(
        route_id=number,
        operator=operator,
        after_s=after_s,
        digest=False,
        **{**plain, **changes},  # type: ignore[arg-type]
    )


def operator(key: int, name: str, *groups: str, email: str = "x@x.example") -> Operator:
    return Operator(key, name, name, email, Role.OPERATOR, True, False, 1, groups)  # noqa: FBT003


@pytest.mark.parametrize(
    ("days", "span", "moment", "covered"),
    [
        ("mon-fri", "06:00-14:00", MONDAY.replace(hour=6), True),
        ("mon-fri", "06:00-14:00", MONDAY.replace(hour=14), False),
        ("sat,sun", "06:00-14:00", MONDAY.replace(hour=7), False),
        ("mon", "22:00-06:00", MONDAY.replace(hour=23), True),
        ("mon", "22:00-06:00", MONDAY.replace(hour=5), False),
        ("mon", "22:00-06:00", MONDAY + timedelta(days=1, hours=5), True),
        ("sun", "22:00-06:00", MONDAY.replace(hour=5), True),
        ("", "", MONDAY.replace(hour=23, minute=59), True),
        ("fri-mon", "", MONDAY, True),
        ("fri-mon", "", MONDAY + timedelta(days=1), False),
    ],
)
def test_hours_cover_local_time(*, days: str, span: str, moment: datetime, covered: bool) -> None:
    assert hours(days, span).cover(moment) is covered


def test_hours_are_written_as_people_do() -> None:
    assert hours_text(ALWAYS) == "always"
    assert hours_text(hours("mon,tue", "22:00-06:00")) == "mon,tue 22:00-06:00"
    assert hours_text(hours("", "06:00-14:00")) == "daily 06:00-14:00"
    told = route_text(route(1, site="north", after_s=900))
    assert told == "site north, from alarm on, always, if not acknowledged after 15 min"


@pytest.mark.parametrize("text", ["monday", "mon-x", "1"])
def test_days_that_there_are_not_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no days"):
        parse_days(text)


@pytest.mark.parametrize("text", ["6-14", "06:00", "24:00-06:00"])
def test_span_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no time of day"):
        parse_span(text)


def test_severity_that_there_is_not_is_refused() -> None:
    assert parse_severity("alert") is Severity.ALERT
    with pytest.raises(UsageError, match="journal, alert, alarm"):
        parse_severity("high")


def test_a_route_says_why_it_does_not_fit() -> None:
    one = route(1, site="north", hours=hours("mon", "06:00-14:00"))
    at = MONDAY.replace(hour=7)
    assert one.fit("north", Severity.ALARM, at) is Fit.FITS
    assert one.fit("south", Severity.ALARM, at) is Fit.OTHER_SITE
    assert one.fit("north", Severity.ALERT, at) is Fit.LESS_SEVERE
    assert one.fit("north", Severity.ALARM, MONDAY) is Fit.OTHER_TIME


def chosen(
    *routes: Route, severity: Severity = Severity.ALARM, now: datetime = MONDAY
) -> list[tuple[int | None, ChosenBy, float]]:
    operators = [
        operator(1, "kim", "shift"),
        operator(2, "ada", "shift"),
        operator(3, "lee", email=""),
    ]
    found = choose(routes, operators, site="north", severity=severity, now=now, zone=OSLO)
    return [
        (one.operator_id, one.chosen_by, (at - now).total_seconds()) for one, at in found.items()
    ]


def test_without_routes_the_settings_are_told() -> None:
    assert chosen() == [(None, ChosenBy.NO_ROUTES, 0)]


def test_a_group_is_its_members_and_the_soonest_route_counts() -> None:
    group = route(2, operator=None, group="shift")
    late = route(1, after_s=600)
    assert chosen(late, group) == [(1, ChosenBy.ROUTE, 0), (2, ChosenBy.ROUTE, 0)]
    assert chosen(late, route(3, operator="ada")) == [
        (2, ChosenBy.ROUTE, 0),
        (1, ChosenBy.ESCALATION, 600),
    ]


def test_nobody_who_can_be_reached_at_once_means_the_settings_too() -> None:
    fallback = (None, ChosenBy.NO_ROUTE_FITS, 0)
    assert chosen(route(1, operator="lee")) == [fallback]
    assert chosen(route(1), severity=Severity.ALERT) == [fallback]
    assert chosen(route(1, after_s=60)) == [fallback, (1, ChosenBy.ESCALATION, 60)]


def test_a_route_that_waits_is_looked_at_as_of_then_in_local_time() -> None:
    day = route(1, hours=hours("", "06:00-14:00"), after_s=1800)
    # 05:45 in Oslo: the day shift has come when the half hour is over.
    now = MONDAY.replace(hour=4, minute=45)
    assert (1, ChosenBy.ESCALATION, 1800) in chosen(day, now=now)
    assert chosen(day, now=now - timedelta(hours=1)) == [(None, ChosenBy.NO_ROUTE_FITS, 0)]
