"""How names, numbers, units and times are written for people."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tankwatch.core.incident import Nature, Severity, Symptom
from tankwatch.core.times import human_duration
from tankwatch.errors import UsageError

SYMPTOM_WORDS: Final = {
    Symptom.ABOVE_EXPECTED: "above expected",
    Symptom.BELOW_EXPECTED: "below expected",
    Symptom.UNUSUAL_PATTERN: "unusual pattern",
    Symptom.UNUSUAL_STAY: "standing at an unusual level",
    Symptom.DECOUPLED: "parted from its other channels",
    Symptom.SPIKE: "spikes",
    Symptom.STEP: "jumped",
    Symptom.DRIFT_UP: "drifting upwards",
    Symptom.DRIFT_DOWN: "drifting downwards",
    Symptom.NOISE: "unusually noisy",
    Symptom.QUIET: "unusually quiet",
    Symptom.OSCILLATION: "swinging to and fro",
    Symptom.CHATTERING: "flipping to and fro",
    Symptom.ABOVE_LIMIT: "above high limit",
    Symptom.BELOW_LIMIT: "below low limit",
    Symptom.TO_HIGH_LIMIT: "heading for its high limit",
    Symptom.TO_LOW_LIMIT: "heading for its low limit",
    Symptom.OUT_OF_RANGE: "beyond its instrument's range",
    Symptom.FLAT_LINE: "flat line",
    Symptom.STALE: "no readings",
}
RULE_WORDS: Final = {
    "limit": "limit rule",
    "flat_line": "flat-line rule",
    "stuck": "stuck-sensor rule",
    "stale": "no-readings rule",
    "time_to_limit": "look ahead to the limits",
    "newcomer": "first hours of a new tank, beside the fleet's",
    "out_of_range": "instrument-range rule",
    "rate": "impossible-rate rule",
    "noise_burst": "noise rule",
    "noise_collapse": "noise rule",
    "chattering": "chattering rule",
    "limit_chatter": "chattering rule",
}
NATURE_WORDS: Final = {
    Nature.SENSOR: "sensor: suspect the instrument before the tank",
    Nature.PROCESS: "process: something at the tank",
    Nature.OPERATION: "operation: work is planned on this tank for that time",
}
URGENCY_WORDS: Final = {
    Severity.ALARM: "ALARM",
    Severity.ALERT: "ALERT",
    Severity.JOURNAL: "NOTE",
}
_TIED: Final = re.compile(r"(?<=\d) (?=(?:%|kPa|°C|s|min|h|d)(?!\w))")
_MOST_DECIMALS = 4
_LONGEST_NAME = 60


def clean_name(text: str) -> str:
    """Return `text` as one line that is safe in a mail's header.

    Control characters, line ends and marks that change the writing direction become spaces; a very
    long name is cut.
    """
    kept = (
        " " if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} else char for char in text
    )
    visible = (char for char in kept if unicodedata.category(char) != "Cf")
    line = " ".join("".join(visible).split()) or "?"
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"


def channel_label(channel: str) -> str:
    """Return a channel's name in running text: ``vapour pressure`` for vapour_pressure."""
    return clean_name(channel.replace("_", " "))


def unit_label(unit: str) -> str:
    """Return `unit` as people write it: ``°C`` for degC."""
    return {"degC": "°C"}.get(unit, unit)


def number(value: float, decimals: int) -> str:
    """Return `value` with `decimals` places and never as minus zero."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def decimals_for(*values: float) -> int:
    """Return how many places show `values` side by side: about three figures, yet apart.

    Places that are zero in all of them are left out, and places are added until values that
    differ look different.
    """
    largest = max((abs(value) for value in values), default=0.0)
    usual = 0 if largest >= 100 else 1 if largest >= 10 else 2
    places = usual
    distinct = len(set(values))
    while places < _MOST_DECIMALS and len({number(value, places) for value in values}) < distinct:
        places += 1
    while places and all(number(value, places).endswith("0") for value in values):
        places -= 1
    return places


def quantity(value: float, unit: str, *beside: float) -> str:
    """Return `value` with its unit, precise enough to tell it from the values `beside` it."""
    return f"{number(value, decimals_for(value, *beside))} {unit_label(unit)}".strip()


def span(low: float, high: float, unit: str, *beside: float) -> str:
    """Return ``1.55 to 1.75 kPa``."""
    places = decimals_for(low, high, *beside)
    return f"{number(low, places)} to {number(high, places)} {unit_label(unit)}".strip()


def found_by(source: str) -> str:
    """Return a detector or rule as people call it: ``limit rule``."""
    return RULE_WORDS.get(source, f"{channel_label(source)} detector")


def percent(share: float) -> str:
    """Return a share of 0 to 1 as ``87 %``."""
    return f"{round(100 * share)} %"


def tied(text: str) -> str:
    """Return `text` with each unit on the line of its number, for what breaks lines by itself."""
    return _TIED.sub("\N{NO-BREAK SPACE}", text)


def score_text(score: float) -> str:
    """Return a score as ``4.1``, ``35`` or, close to the threshold, ``1.04``."""
    if score >= 10:
        return f"{score:.0f}"
    return f"{score:.2f}" if 0 < abs(score - 1.0) < 0.05 else f"{score:.1f}"


def zone_of(time_zone: str) -> ZoneInfo:
    """Return the IANA zone called `time_zone`.

    Raises:
        UsageError: there is no such zone.
    """
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = (
            f"{time_zone!r} is not a known time zone: write an IANA name in plant.time_zone, "
            f"for instance Europe/Oslo"
        )
        raise UsageError(message) from error


def zone_label(moment: datetime, zone: ZoneInfo) -> str:
    """Return the zone's abbreviation at `moment`: ``CET``, or ``UTC+04`` where it has none."""
    name = moment.astimezone(zone).tzname() or str(zone)
    return f"UTC{name}" if name[:1] in "+-" else name


def date_time(moment: datetime, zone: ZoneInfo) -> str:
    """Return ``2026-03-02 06:12 CET``."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M} {zone_label(moment, zone)}"


def clock_time(moment: datetime, zone: ZoneInfo, *, day_of: datetime) -> str:
    """Return ``06:12 CET``, with the date before it unless that is the local day of `day_of`."""
    if moment.astimezone(zone).date() == day_of.astimezone(zone).date():
        return f"{moment.astimezone(zone):%H:%M} {zone_label(moment, zone)}"
    return date_time(moment, zone)


def told_before(people: Sequence[tuple[str, datetime]], *, after_s: int, time_zone: str) -> str:
    """Return what an escalated alarm says of those who were told before, each with the time."""
    waited = human_duration(after_s)
    if not people:
        return f"Nobody has acknowledged this within {waited}."
    names = named_before(people, zone_of(time_zone))
    return f"Nobody has acknowledged this within {waited}. It was sent before to {names}."


def named_before(people: Sequence[tuple[str, datetime]], zone: ZoneInfo) -> str:
    """Return who was told before and when: ``Kim Lee (06:12 CET), Ada Roe (06:14 CET)``."""
    day = max(at for _, at in people)
    return ", ".join(
        f"{clean_name(name)} ({clock_time(at, zone, day_of=day)})" for name, at in people
    )
