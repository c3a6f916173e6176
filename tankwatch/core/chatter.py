"""Alarms that come and go: how often, since when, and when they have settled."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Chatter:
    """How often the same alarm of a tank came, and when the first time was."""

    times: int
    since: datetime


def settles_at(moments: Iterable[datetime], window: timedelta) -> datetime:
    """Return when an alarm that came and went has settled: a window after it did so last.

    One that stands does not come and go either, so it settles a window after it was raised.
    """
    return max(moments) + window
