"""Windows that come again by an RFC 5545 rule, in the time of a place, summer time and all."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from tankwatch.errors import UsageError

_PART = re.compile(r"[A-Z]+=[A-Z0-9,+:-]+\Z")
_UNTIL = re.compile(r"UNTIL=(\d{8}T\d{6})Z")
# Nothing is worked on by the minute, and an hour of the clock is not always one.
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
# The rarest date there is, 29 February, comes within this.
_SOON = timedelta(days=366 * 9)
_HINT = 'for instance "FREQ=WEEKLY;BYDAY=TU"'


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A first window, and the rule by which it comes again.

    The rule counts in the local time of `zone`: what begins at 08:00 does so in summer and in
    winter.  A window always takes the time that the first one takes.  One that would begin in the
    hour that is skipped in spring begins as much later; one in the hour that comes twice in autumn
    begins in the first (RFC 5545, section 3.3.5).

    Attributes:
        start: beginning of the first window.
        end: its end.
        rule: the RRULE; empty for a window that comes once.
        zone: IANA name.
    """

    start: datetime
    end: datetime
    rule: str = ""
    zone: str = "UTC"

    @property
    def length(self) -> timedelta:
        """Return how long each window takes."""
        return self.end - self.start

    def windows(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """Return the windows that share any time with `start` to `end`, both included, in order."""
        if not self.rule:
            return [(self.start, self.end)] if self.start <= end and self.end >= start else []
        zone = ZoneInfo(self.zone)
        # A day of play on both sides: the rule counts in local time, which is not UTC.
        first = _local(start - self.length, zone) - timedelta(days=1)
        last = _local(end, zone) + timedelta(days=1)
        rule = _parse(self.rule, _local(self.start, zone), zone)
        moments = (_instant(local, zone) for local in rule.between(first, last, inc=True))
        found = ((moment, moment + self.length) for moment in moments)
        return [one for one in found if one[0] <= end and one[1] >= start]

    def next_after(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """Return the first window that ends after `moment`; None if there is none."""
        if not self.rule:
            return (self.start, self.end) if self.end > moment else None
        zone = ZoneInfo(self.zone)
        rule = _parse(self.rule, _local(self.start, zone), zone)
        local = _local(moment - self.length, zone) - timedelta(days=1)
        for following in rule.xafter(local, inc=True):
            begins = _instant(following, zone)
            if begins + self.length > moment:
                return begins, begins + self.length
        return None


def check_rule(rule: str, start: datetime, zone: str) -> str:
    """Return `rule` as it is stored.

    Raises:
        UsageError: it is no rule of RFC 5545 that windows can follow; the message says why.
    """
    text = rule.strip().upper().removeprefix("RRULE:")
    parts = text.split(";")
    if not all(_PART.match(part) for part in parts):
        message = f"{rule!r} is no recurrence rule: write one of RFC 5545, {_HINT}"
        raise UsageError(message)
    values = dict(part.split("=", 1) for part in parts)
    if values.get("FREQ") not in _FREQUENCIES:
        message = f"{rule!r} does not say how often: FREQ is one of {', '.join(_FREQUENCIES)}"
        raise UsageError(message)
    for name in ("INTERVAL", "COUNT"):
        if values.get(name, "1").strip("0") == "":
            message = f"{rule!r} has an {name} of 0: it is at least 1"
            raise UsageError(message)
    local = _local(start, ZoneInfo(zone))
    # A rule that no date fits would be followed to the year 9999.
    endless = ";".join(part for part in parts if not part.startswith(("COUNT=", "UNTIL=")))
    try:
        soon = _parse(endless, local, ZoneInfo(zone)).replace(until=local + _SOON)
        wanted = _parse(text, local, ZoneInfo(zone))
        is_possible = next(iter(soon), None) is not None and next(iter(wanted), None) is not None
    except (ValueError, TypeError, KeyError) as error:
        message = f"{rule!r} is no recurrence rule ({error}): write one of RFC 5545, {_HINT}"
        raise UsageError(message) from error
    if not is_possible:
        message = f"{rule!r} never comes about: no date from {local:%Y-%m-%d} on fits it"
        raise UsageError(message)
    return text


def _parse(text: str, local: datetime, zone: ZoneInfo) -> rrule:
    """Return the rule in naive local time; an UNTIL in UTC is a local time, too."""

    def localised(found: re.Match[str]) -> str:
        moment = datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        return f"UNTIL={_local(moment, zone):%Y%m%dT%H%M%S}"

    parsed = rrulestr(_UNTIL.sub(localised, text), dtstart=local)
    if not isinstance(parsed, rrule):
        message = "more than one rule"
        raise TypeError(message)
    return parsed


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)
