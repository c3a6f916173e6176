"""What the page of an incident shows: its story, its evidence, and what was done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tankwatch.core.incident import Evidence, IncidentState
from tankwatch.notify import wording
from tankwatch.notify.advice import check_first
from tankwatch.notify.facts import Fact, ReadingLine, incident_facts, reading_lines
from tankwatch.notify.sentences import what_and_why
from tankwatch.store.incidents import StoredIncident
from tankwatch.web.alarm_page import AlarmLine, alarm_notice

_EVENT_WORDS = {
    "raise": "raised",
    "join": "joined by more evidence",
    "worsen": "got worse",
    "acknowledge": "acknowledged",
    "return": "returned to normal",
    "latch": "returned to normal, latched",
    "reset": "reset",
    "close": "closed",
    "correct": "corrected by late readings",
    "reopen": "goes on after all",
    "withdraw": "withdrawn",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an incident, or one thing that somebody did to it."""

    at: str
    what: str
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident as its page shows it."""

    row: AlarmLine
    sentence: str
    checks: tuple[str, ...]
    facts: tuple[Fact, ...]
    readings: tuple[ReadingLine, ...]
    history: tuple[Change, ...]
    audit: tuple[Change, ...]
    is_closed: bool
    is_shelved: bool
    may_clear: bool
    time_zone: str


def incident(
    stored: StoredIncident,
    row: AlarmLine,
    evidence: Evidence,
    *,
    is_shelved: bool,
    history: Sequence[Mapping[str, Any]],
    audit: Sequence[Mapping[str, Any]],
    time_zone: str,
    now: datetime,
) -> IncidentView:
    """Return what the page of an incident shows at `now`.

    Args:
        stored: the incident.
        row: the incident as the alarm list has it.
        evidence: readings and scores around it.
        is_shelved: whether its mail is kept away by a shelf.
        history: its changes of state, in order.
        audit: what people did to it, in order.
        time_zone: IANA zone in which times are shown.
        now: the present.
    """
    found, zone, notice = stored.incident, wording.zone_of(time_zone), alarm_notice(stored, now)
    units = dict(zip(evidence.channels, evidence.units, strict=True))
    channel = (
        f"{wording.channel_label(found.channel)} ({wording.percent(found.share)} of the evidence)"
    )
    also = (Fact("Channel", channel), Fact("Looks like", wording.NATURE_WORDS[found.nature]))
    return IncidentView(
        row=row,
        sentence=what_and_why(notice, evidence, time_zone=time_zone),
        checks=check_first(found.symptom, units.get(found.channel, "")),
        facts=(*incident_facts(notice, evidence, zone), *also),
        readings=tuple(reading_lines(notice, evidence, zone)),
        history=tuple(_transition(change, zone) for change in history),
        audit=tuple(_audited(done, zone) for done in audit),
        is_closed=found.state is IncidentState.CLOSED,
        is_shelved=is_shelved,
        may_clear=found.ended_at is None and found.state is not IncidentState.CLOSED,
        time_zone=time_zone,
    )


def _transition(change: Mapping[str, Any], zone: ZoneInfo) -> Change:
    event = str(change["event"])
    return Change(
        at=wording.date_time(change["at"], zone),
        what=_EVENT_WORDS.get(event, event.replace("_", " ")),
        who=change["actor"],
        why=change["reason"],
    )


def _audited(done: Mapping[str, Any], zone: ZoneInfo) -> Change:
    way = f"by {done['via']}" if done["via"] else ""
    where = f"{way} from {done['address']}" if done["address"] else way
    return Change(
        at=wording.date_time(done["at"], zone),
        what=str(done["action"]).replace("_", " ").replace("-", " "),
        who=f"{done['actor']} {where}".strip(),
        why=str(done["detail"]).replace("_", " "),
    )
