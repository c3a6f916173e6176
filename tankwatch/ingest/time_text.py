"""A single time as text: ISO 8601, year/month/day, day.month.year, or a number since 1970."""

import math
import re
from datetime import datetime

import numpy as np

from tankwatch.core.times import EPOCH, to_ms
from tankwatch.ingest.epochs import epoch_ms
from tankwatch.ingest.options import FileOptions

NO_TIME = "the row has no time"
UNCLEAR_EPOCH = "the number is no clear epoch time: write ISO 8601, or state the epoch unit"
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?=\D|$)")
_SLASHED = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})(?=\D|$)")
_SHORT_HOUR = re.compile(r"(?<=[ T])(?=\d:)")
_ZONE_WORD = re.compile(r"\s*(?:UTC|GMT|Z)$")
_SPACED_OFFSET = re.compile(r"\s+(?=[+-]\d\d(?::?\d\d)?$)")


def read_text(text: str, options: FileOptions) -> tuple[int, bool]:
    """Return epoch milliseconds, rounded down, and whether they still lack a zone.

    Raises:
        ValueError: `text` is no clear time; the message says why.
    """
    if not text:
        raise ValueError(NO_TIME)
    number = _number(text)
    if number is not None and math.isnan(number):
        raise ValueError(NO_TIME)
    if number is not None:
        ms, sound = epoch_ms(np.array([number]), options.epoch_unit)
        if not sound[0]:
            raise ValueError(UNCLEAR_EPOCH)
        return int(ms[0]), False
    moment = _calendar(text)
    if moment.tzinfo is None:
        return to_ms(moment.replace(tzinfo=EPOCH.tzinfo)), True
    return to_ms(moment), False


def _number(text: str) -> int | float | None:
    try:
        number = int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None
    return number if abs(number) < 2**63 else float(number)


def _calendar(text: str) -> datetime:
    """Return the time that `text` means: ISO 8601, year/month/day or day.month.year."""
    iso = _SLASHED.sub(lambda m: f"{m[1]}-{int(m[2]):02}-{int(m[3]):02}", text, count=1)
    iso = _DOTTED.sub(lambda m: f"{m[3]}-{int(m[2]):02}-{int(m[1]):02}", iso, count=1)
    iso = _SPACED_OFFSET.sub("", _ZONE_WORD.sub("Z", _SHORT_HOUR.sub("0", iso.upper())))
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        message = f"{text[:60]!r} is not a time: write ISO 8601, such as 2026-03-02T06:30:00Z"
        raise ValueError(message) from None
