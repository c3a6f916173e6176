"""What the alarm list shows of an incident: its state by word and shape, what it is, since when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlencode

from tankwatch.core.incident import (
    LATCHED,
    UNSEEN,
    IncidentState,
    MessageKind,
    Notice,
    Severity,
)
from tankwatch.core.muting import Mute, MuteReason
from tankwatch.core.times import human_duration
from tankwatch.notify import wording
from tankwatch.notify.sentences import headline
from tankwatch.notify.site import together as what_together
from tankwatch.store.alarm_list import Wanted
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.siblings import SiteIncident

# Word and shape say it; a colour only repeats them.
STATE_WORDS = {
    IncidentState.UNACKNOWLEDGED: ("●", "unacknowledged"),
    IncidentState.RETURNED_UNACKNOWLEDGED: ("◐", "returned, unacknowledged"),
    IncidentState.LATCHED_UNACKNOWLEDGED: ("◪", "latched, unacknowledged"),
    IncidentState.ACKNOWLEDGED: ("○", "acknowledged"),
    IncidentState.LATCHED_ACKNOWLEDGED: ("□", "latched, acknowledged"),
    IncidentState.CLOSED: ("✓", "closed"),
}
SEVERITY_WORDS = {
    Severity.ALARM: ("▲", "alarm"),
    Severity.ALERT: ("◆", "alert"),
    Severity.JOURNAL: ("▪", "journal"),
}
VERDICT_WORDS = {"not_a_fault": "not a fault", "real_fault": "real fault"}


_MUTE_WORDS = {
    MuteReason.OUT_OF_SERVICE: "out of service",
    MuteReason.ONE_SHOT: "shelved until it clears",
    MuteReason.SHELVED: "shelved",
    MuteReason.MAINTENANCE: "under maintenance",
    MuteReason.SUPPRESSED_MAINTENANCE: "suppressed: maintenance",
    MuteReason.SUPPRESSED_TRANSFER: "suppressed: a transfer runs",
    MuteReason.SUPPRESSED_BAD_SENSOR: "suppressed: bad sensor",
}
# What an operator can take back.
SHELVED = (MuteReason.ONE_SHOT, MuteReason.SHELVED)


class Shown(StrEnum):
    """Which incidents the list shows, by their state."""

    OPEN = "open"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    LATCHED = "latched"
    CLOSED = "closed"


STATES = {
    Shown.OPEN: tuple(state for state in IncidentState if state is not IncidentState.CLOSED),
    Shown.UNACKNOWLEDGED: UNSEEN,
    Shown.ACKNOWLEDGED: (IncidentState.ACKNOWLEDGED, IncidentState.LATCHED_ACKNOWLEDGED),
    Shown.RETURNED: (IncidentState.RETURNED_UNACKNOWLEDGED,),
    Shown.LATCHED: LATCHED,
    Shown.CLOSED: (IncidentState.CLOSED,),
}


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """An incident as a row shows it.

    `mute` says why its mail is kept away, empty if it is not; `verdict` what operators said it was;
    `together` is the name of its site's incident, if it belongs to one.
    """

    uid: str
    tank: str
    site: str
    what: str
    state: str
    mark: str
    state_words: str
    severity: str
    severity_mark: str
    since: str
    ago: str
    score: str
    nature: str
    by: str
    mute: str
    verdict: str
    together: str
    is_past: bool
    may_acknowledge: bool
    may_reset: bool


@dataclass(frozen=True, slots=True)
class SiteLine:
    """An incident of a site as the alarm list has it above its rows.

    `told` says how many of its incidents nobody has seen, which are `unseen`.
    """

    uid: str
    site: str
    what: str
    since: str
    ago: str
    told: str
    unseen: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class AlarmsView:
    """The alarm list, and what it was asked for; `here` is its address.

    Of `of_sites` incidents of sites and `total` of tanks, the first are shown.
    """

    together: tuple[SiteLine, ...]
    of_sites: int
    lines: tuple[AlarmLine, ...]
    total: int
    shown: Shown
    site: str
    severity: str
    sites: tuple[str, ...]
    here: str
    time_zone: str

    @property
    def is_filtered(self) -> bool:
        """Return whether some incidents are left out by a filter."""
        return bool(self.site or self.severity or self.shown is not Shown.OPEN)


def wanted(shown: Shown, site: str, severity: str) -> Wanted:
    """Return which incidents a filter asks for; an unknown severity is none."""
    known = severity in {grade.value for grade in Severity}
    return Wanted(STATES[shown], site or None, Severity(severity) if known else None)


def address(shown: Shown, site: str, severity: str) -> str:
    """Return the address of the list with a filter."""
    given = {"state": "" if shown is Shown.OPEN else shown.value, "site": site}
    asked = {name: text for name, text in (given | {"severity": severity}).items() if text}
    return f"/alarms?{urlencode(asked)}" if asked else "/alarms"


def lines(
    found: Sequence[StoredIncident],
    verdicts: Mapping[int, str],
    mutes: Mapping[int, str],
    together: Mapping[int, str],
    *,
    time_zone: str,
    now: datetime,
) -> tuple[AlarmLine, ...]:
    """Return the rows of incidents at `now`; verdicts, mutes and sites' incidents are by theirs."""
    return tuple(
        line(
            stored,
            verdict=verdicts.get(stored.incident_id, ""),
            mute=mutes.get(stored.incident_id, ""),
            together=together.get(stored.incident_id, ""),
            time_zone=time_zone,
            now=now,
        )
        for stored in found
    )


def line(
    stored: StoredIncident,
    *,
    verdict: str,
    mute: str,
    together: str,
    time_zone: str,
    now: datetime,
) -> AlarmLine:
    """Return the row of an incident at `now`."""
    incident, zone = stored.incident, wording.zone_of(time_zone)
    mark, state_words = STATE_WORDS[incident.state]
    severity_mark, severity = SEVERITY_WORDS[incident.severity]
    passed = max(0.0, (now - incident.started_at).total_seconds())
    return AlarmLine(
        uid=incident.uid,
        tank=incident.tank,
        site=incident.site,
        what=headline(alarm_notice(stored, now)),
        state=incident.state.value,
        mark=mark,
        state_words=state_words,
        severity=severity,
        severity_mark=severity_mark,
        since=wording.date_time(incident.started_at, zone),
        ago=f"{human_duration(passed)} ago",
        score=wording.score_text(incident.peak_score),
        nature=incident.nature.value,
        by="" if incident.state.is_unseen else stored.acknowledged_by or "",
        mute=mute,
        verdict=VERDICT_WORDS.get(verdict, verdict),
        together=together,
        is_past=incident.historical,
        may_acknowledge=incident.state.is_unseen,
        may_reset=incident.state.is_latched,
    )


def site_line(one: SiteIncident, *, unseen: int, time_zone: str, now: datetime) -> SiteLine:
    """Return an incident of a site in a line at `now`; `unseen` of its own nobody has seen."""
    total = len(one.incident_ids)
    passed = max(0.0, (now - one.started_at).total_seconds())
    return SiteLine(
        uid=one.uid,
        site=one.site,
        what=f"{one.tanks} of {one.site_tanks} tanks: {what_together(one.channel, one.kind)}",
        since=wording.date_time(one.started_at, wording.zone_of(time_zone)),
        ago=f"{human_duration(passed)} ago",
        told=f"{unseen} of {total} unacknowledged" if unseen else "all acknowledged",
        unseen=unseen,
        is_over=one.ended_at is not None,
    )


def mute_words(mute: Mute | None, *, time_zone: str) -> str:
    """Return why mail is kept away and until when; empty if it is not."""
    if mute is None:
        return ""
    until = wording.date_time(mute.until, wording.zone_of(time_zone)) if mute.until else ""
    words = _MUTE_WORDS[mute.reason]
    if until:
        words += f", at most until {until}" if "until" in words else f" until {until}"
    return f"{words} ({mute.detail})" if mute.detail else words


def alarm_notice(stored: StoredIncident, now: datetime) -> Notice:
    """Return the incident as its mail would tell it at `now`; of a mail it has nothing."""
    return Notice(
        incident=stored.incident,
        kind=MessageKind.ALARM,
        message_id="",
        thread_id="",
        queued_at=now,
    )
