"""Times as people give them to a command."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tankwatch.errors import UsageError

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|m|min|s)\s*", re.IGNORECASE)
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "min": 60, "s": 1}
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)


def parse_span(text: str) -> timedelta:
    """Return the length of time that `text` says, for instance ``8h``, ``90m`` or ``1d 12h``.

    Raises:
        UsageError: it says none, or one that is not above zero.
    """
    found = list(_PART.finditer(text.strip()))
    if not found or "".join(part[0] for part in found) != text.strip():
        message = f"{text!r} is no length of time: write for instance 8h, 90m or 1d 12h"
        raise UsageError(message)
    seconds = sum(float(part[1]) * _SECONDS[part[2].lower()] for part in found)
    if not 0 < seconds <= 100 * 366 * 86_400:
        message = f"{text!r} is no length of time that can be used: say more than 0 s"
        raise UsageError(message)
    return timedelta(seconds=seconds)


def parse_moment(text: str, zone: str) -> datetime:
    """Return the aware UTC datetime that ISO 8601 `text` means; without a zone it is local time.

    Raises:
        UsageError: it is no time, or one that no row can hold.
    """
    try:
        moment = datetime.fromisoformat(text)
        local = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
        found = local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is not a time: write ISO 8601, for instance 2026-03-02T08:00"
        raise UsageError(message) from error
    if found < _EARLIEST:
        message = f"{text!r} is long past: write a time from 1970 on"
        raise UsageError(message)
    return found
