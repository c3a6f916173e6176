"""Who is told of what: routes by site, severity, day and time of day."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from tankwatch.core.incident import Severity
from tankwatch.errors import UsageError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\Z")


class Fit(StrEnum):
    """Whether a route leads to somebody, or why not."""

    FITS = "fits"
    OTHER_SITE = "other_site"
    LESS_SEVERE = "less_severe"
    OTHER_TIME = "other_time"


class ChosenBy(StrEnum):
    """Why just this recipient is told."""

    ROUTE = "route"
    ESCALATION = "escalation"
    WAS_TOLD = "was_told"
    NO_ROUTES = "no_routes"
    NO_ROUTE_FITS = "no_route_fits"

    @property
    def is_gathered(self) -> bool:
        """Return whether the recipient's mails keep their distance.

        Where there are no routes, the addresses of the settings get one mail a message, as ever.
        """
        return self is not ChosenBy.NO_ROUTES


@dataclass(frozen=True, slots=True)
class Hours:
    """Days of the week and a time of day, both local; `end` not after `start` ends the next day.

    Attributes:
        days: 1 for Monday to 7 for Sunday, the day on which the time begins.
        start: beginning, part of it.
        end: end, no part of it; equal to `start` for the whole day.
    """

    days: frozenset[int]
    start: time
    end: time

    def cover(self, local: datetime) -> bool:
        """Return whether a local time lies in these hours."""
        moment = local.time().replace(tzinfo=None)
        today, yesterday = local.isoweekday(), (local - timedelta(days=1)).isoweekday()
        if self.start < self.end:
            return today in self.days and self.start <= moment < self.end
        begun_today = today in self.days and moment >= self.start
        return begun_today or (yesterday in self.days and moment < self.end)


@dataclass(frozen=True, slots=True)
class Route:
    """Who is told of what, and when.

    Attributes:
        site: None for every site.
        severity: least severity.
        operator: login; None where a group is told.
        group: name of the group; None where one operator is told.
        after_s: 0 for at once; else told only if nobody has acknowledged by then.
        digest: whether they also get the digest at the change of shift.
    """

    route_id: int
    site: str | None
    severity: Severity
    hours: Hours
    operator: str | None
    group: str | None
    after_s: int
    digest: bool

    def fit(self, site: str, severity: Severity, local: datetime) -> Fit:
        """Return whether it leads to somebody at a local time, or why not."""
        if self.site is not None and self.site != site:
            return Fit.OTHER_SITE
        if severity.rank < self.severity.rank:
            return Fit.LESS_SEVERE
        return Fit.FITS if self.hours.cover(local) else Fit.OTHER_TIME

    def leads_to(self, name: str, groups: Sequence[str]) -> bool:
        """Return whether it leads to the operator `name`, a member of `groups`."""
        return self.operator == name if self.group is None else self.group in groups


def parse_days(text: str) -> frozenset[int]:
    """Return the days that ``mon-fri``, ``sat,sun`` or an empty text (every day) mean.

    Raises:
        UsageError: it names a day that there is not.
    """
    found: set[int] = set()
    for part in filter(None, re.split(r"[,\s]+", text.strip().lower())):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            message = f"{part!r} names no days: write for instance mon-fri or sat,sun"
            raise UsageError(message)
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {(begin + step) % 7 + 1 for step in range((end - begin) % 7 + 1)}
    return frozenset(found or range(1, 8))


def parse_span(text: str) -> tuple[time, time]:
    """Return the times of ``06:00-14:00``; an empty text is the whole day.

    Raises:
        UsageError: it is no span of time.
    """
    if not text.strip():
        return time(), time()
    first, _, last = text.replace(" ", "").partition("-")
    found = [_CLOCK.match(part) for part in (first, last)]
    if found[0] is None or found[1] is None:
        message = f"{text!r} is no time of day: write for instance 06:00-14:00 or 22:00-06:00"
        raise UsageError(message)
    begin, end = (time(int(match[1]), int(match[2])) for match in found if match)
    return begin, end


def hours_text(hours: Hours) -> str:
    """Return hours as people write them: ``mon,tue 06:00-14:00``; ``always`` for all of them."""
    is_daily, is_all_day = len(hours.days) == len(DAYS), hours.start == hours.end
    days = "daily" if is_daily else ",".join(DAYS[day - 1] for day in sorted(hours.days))
    if is_all_day and not hours.start.hour and not hours.start.minute:
        return "always" if is_daily else days
    return f"{days} {hours.start:%H:%M}-{hours.end:%H:%M}"


def route_text(route: Route) -> str:
    """Return a route in words: ``north, from alarm on, mon-fri 06:00-14:00, after 15 min``."""
    place = f"site {route.site}" if route.site is not None else "every site"
    later = f", if not acknowledged after {route.after_s / 60:g} min" if route.after_s else ""
    return f"{place}, from {route.severity.value} on, {hours_text(route.hours)}{later}"


def parse_severity(text: str) -> Severity:
    """Return the severity called `text`.

    Raises:
        UsageError: there is none of that name.
    """
    try:
        return Severity(text)
    except ValueError:
        message = f"{text!r} is no severity: say {', '.join(one.value for one in Severity)}"
        raise UsageError(message) from None
