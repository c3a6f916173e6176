"""The figures of a month's alarms."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tankwatch.core.alarm_health import AlarmHealth, alarm_health
from tankwatch.errors import UsageError
from tankwatch.jobs.context import Context
from tankwatch.store.alarm_records import count_held, count_shelves, load_alarms
from tankwatch.store.engine import reading

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])\Z")


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month of the plant's zone."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    def before(self) -> "Month":
        """Return the month before."""
        return Month(self.year - 1, 12) if self.month == 1 else Month(self.year, self.month - 1)

    def after(self) -> "Month":
        """Return the month after."""
        return Month(self.year + 1, 1) if self.month == 12 else Month(self.year, self.month + 1)

    def begins(self, zone: ZoneInfo) -> datetime:
        """Return when it begins."""
        return datetime(self.year, self.month, 1, tzinfo=zone).astimezone(UTC)


def month_of(moment: datetime, zone: ZoneInfo) -> Month:
    """Return the month that `moment` lies in."""
    local = moment.astimezone(zone)
    return Month(local.year, local.month)


def parse_month(text: str) -> Month:
    """Return the month that ``2026-10`` means.

    Raises:
        UsageError: it is no month.
    """
    found = _MONTH.match(text)
    if found is None:
        message = f"{text!r} is no month: write for instance 2026-10"
        raise UsageError(message)
    return Month(int(found[1]), int(found[2]))


def report_on(context: Context, month: Month, *, now: datetime) -> AlarmHealth:
    """Return the figures of a month, up to the present if it is not over.

    Raises:
        UsageError: it has not begun.
    """
    zone = ZoneInfo(context.settings.plant.time_zone)
    start, end = month.begins(zone), min(month.after().begins(zone), now)
    if start >= now:
        message = f"{month} has not begun: say a month up to {month_of(now, zone)}"
        raise UsageError(message)
    with reading(context.engine) as connection:
        return alarm_health(
            load_alarms(connection, start=start, end=end),
            start=start,
            end=end,
            held=count_held(connection, start=start, end=end),
            shelved=count_shelves(connection, start=start, end=end),
        )
