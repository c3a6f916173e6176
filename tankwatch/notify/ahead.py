"""A limit ahead in words: how much time is left, and how sure that is."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tankwatch.core.incident import Evidence, Incident, Symptom
from tankwatch.core.outlook import Outlook
from tankwatch.core.times import from_ms, human_duration
from tankwatch.notify import findings, wording

SYMPTOMS: Final = frozenset({Symptom.TO_HIGH_LIMIT, Symptom.TO_LOW_LIMIT})


def headline(outlook: Outlook) -> str:
    """Return ``reaches its high limit in 12 to 25 min (94 %)``."""
    sure = wording.percent(outlook.probability)
    return f"reaches its {_side(outlook)} limit in {time_left(outlook)} ({sure})"


def warning(
    incident: Incident, evidence: Evidence, *, clock: Callable[[datetime], str], how_long: str
) -> str:
    """Return what lies ahead as it was seen when it was warned of last, and the latest reading.

    Args:
        incident: with a limit ahead.
        evidence: readings behind it.
        clock: writes a time of day.
        how_long: since when, in words.
    """
    verb, outlook = "heads" if incident.ended_at is None else "headed", incident.outlook
    if outlook is None:
        return f"{verb} for its limit {how_long}"
    seen_at = incident.raised_at if outlook.seen_ms is None else from_ms(outlook.seen_ms)
    unit = dict(zip(evidence.channels, evidence.units, strict=True)).get(incident.channel, "")
    told = (
        f"{verb} for its {_side(outlook)} limit of {wording.quantity(outlook.limit, unit)}: "
        f"{time_left(outlook)} were left at {clock(seen_at)} (nine cases in ten), and "
        f"within its response time of {human_duration(outlook.response_s)} it is reached with a "
        f"probability of {wording.percent(outlook.probability)}"
    )
    latest = findings.latest_finding(evidence, incident.channel)
    if latest is None or latest.value is None or latest.at is None:
        return told
    value = wording.quantity(latest.value, unit, outlook.limit)
    return f"{told}; it read {value} at {clock(latest.at)}"


def time_left(outlook: Outlook) -> str:
    """Return ``12 to 25 min``."""
    return time_span(outlook.earliest_s, outlook.latest_s)


def time_span(earliest_s: float, latest_s: float) -> str:
    """Return ``12 to 25 min``, of seconds."""
    first, last = (human_duration(s) for s in (earliest_s, latest_s))
    if first == last:
        return first
    number, unit = first.split(" ", 1)
    is_short = unit.isalpha() and last.split(" ", 1)[1] == unit
    return f"{number} to {last}" if is_short else f"{first} to {last}"


def _side(outlook: Outlook) -> str:
    return "high" if outlook.above else "low"
