"""What lies around an incident, in words: its channel, its siblings, the last one like it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from tankwatch.core.incident import Evidence, Incident, Notice
from tankwatch.core.surroundings import EarlierIncident, SiblingsNow
from tankwatch.core.times import human_duration
from tankwatch.notify import wording
from tankwatch.notify.facts import Fact
from tankwatch.notify.findings import as_of

MOST_NAMES: Final = 4
_VERDICT_WORDS: Final = {"not_a_fault": "not a fault", "real_fault": "a real fault"}


def around_facts(notice: Notice, evidence: Evidence, zone: ZoneInfo) -> list[Fact]:
    """Return what an operator weighs before acting, with nothing that is not known."""
    incident = notice.incident
    channel = wording.channel_label(incident.channel)
    facts = [Fact("Channel", f"{channel} ({wording.percent(incident.share)} of the evidence)")]
    around = evidence.surroundings
    if around is None:
        return facts
    if around.siblings.tanks:
        facts.append(Fact("Other tanks", siblings_words(around.siblings)))
    day_of = as_of(notice, evidence)
    earlier = "none before" if around.earlier is None else ""
    if around.earlier is not None:
        earlier = earlier_words(around.earlier, incident, zone, day_of=day_of)
    return [*facts, Fact("Last like it", earlier)]


def siblings_words(siblings: SiblingsNow) -> str:
    """Return ``5 of 7 on the site are normal; TK-105 does the same``."""
    if siblings.normal == siblings.tanks:
        return f"all {siblings.tanks} on the site are normal" if siblings.tanks > 1 else "normal"
    told = [f"{siblings.normal} of {siblings.tanks} on the site are normal"]
    if siblings.same:
        verb = "does" if len(siblings.same) == 1 else "do"
        told.append(f"{_names(siblings.same)} {verb} the same")
    if siblings.other:
        has = "has another incident" if len(siblings.other) == 1 else "have other incidents"
        told.append(f"{_names(siblings.other)} {has}")
    return "; ".join(told)


def earlier_words(
    earlier: EarlierIncident, incident: Incident, zone: ZoneInfo, *, day_of: datetime
) -> str:
    """Return when the last one like it was, on which tank, and what became of it."""
    when = wording.clock_time(earlier.started_at, zone, day_of=day_of)
    tank = "" if earlier.tank == incident.tank else f"{wording.clean_name(earlier.tank)}, "
    lasted = ""
    if earlier.ended_at is not None:
        lasted = human_duration((earlier.ended_at - earlier.started_at).total_seconds())
        lasted = f" for {lasted}"
    what = wording.SYMPTOM_WORDS[earlier.symptom]
    return f"{tank}{when}, {what}{lasted}: {_end(earlier)}"


def _end(earlier: EarlierIncident) -> str:
    if earlier.verdict:
        cause = f" ({wording.clean_name(earlier.cause)})" if earlier.cause.strip() else ""
        said = _VERDICT_WORDS.get(earlier.verdict, earlier.verdict)
        return f"{said}{cause}, said {wording.clean_name(earlier.said_by)}"
    if earlier.acknowledged_by:
        seen = wording.clean_name(earlier.acknowledged_by)
        return f"seen by {seen}, who did not say what it was"
    return "nobody said what it was"


def _names(tanks: Sequence[str]) -> str:
    shown = [wording.clean_name(tank) for tank in tanks[:MOST_NAMES]]
    if len(tanks) > MOST_NAMES:
        return f"{', '.join(shown)} and {len(tanks) - MOST_NAMES} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
