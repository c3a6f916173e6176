"""From what steps show to stored incidents: opened, joined, returned, corrected, withdrawn."""

from dataclasses import replace
from datetime import datetime, timedelta
from math import isclose
from typing import Any

from tankwatch.core.episodes import TIME_TO_LIMIT, TankEvent
from tankwatch.core.incident import IncidentState, MessageKind
from tankwatch.core.lifecycle import IncidentEvent, is_latching
from tankwatch.core.settling import Found, Known, found_in, pair
from tankwatch.core.siblings import kind_of
from tankwatch.core.times import from_ms, iso, to_ms
from tankwatch.jobs.desk import Desk, Window
from tankwatch.jobs.incidents import ACTOR, describe, mail_domain, reason_of
from tankwatch.jobs.siblings import due_at
from tankwatch.jobs.symptoms import sharper, worded
from tankwatch.jobs.worsening import severity_of, worsen
from tankwatch.store.corrections import correct_incident, is_uid_taken, load_join_moments
from tankwatch.store.incidents import (
    Opening,
    StoredIncident,
    apply_event,
    open_incident,
    set_outlook,
)
from tankwatch.store.maintenance import is_planned
from tankwatch.store.outbox import count_of_kind, queue_message
from tankwatch.store.outbox_hold import hurry_alarm
from tankwatch.store.plant import Tank
from tankwatch.store.runs import write_audit

_LATCHING = "late readings show another rule"
_RETURNED = "every source has been below its deadband for the off-delay and the merge gap"


def settle(desk: Desk, window: Window, *, under_way_ms: int) -> int | None:
    """Store what a stretch shows; return the incident that was under way at `under_way_ms`."""
    found = found_in(window.events, is_carried=window.carried_id is not None, peak=window.peak)
    known = [_known(one) for one in window.stored.values()]
    which, left_over = pair(found, known, window.carried_id)
    for incident_id in left_over:
        _take_away(desk, window, window.stored[incident_id])
    under_way = None
    for one, known_id in zip(found, which, strict=True):
        stored = window.stored.get(known_id) if known_id is not None else None
        if one.raised is not None and stored is None:
            incident_id = _open(desk, window, one)
        elif stored is not None:
            incident_id = stored.incident_id
            _bring_up_to_date(desk, window, one, stored)
        else:
            continue  # it was under way and is gone from the store
        if one.is_under_way(under_way_ms):
            under_way = incident_id
    return under_way


def _known(stored: StoredIncident) -> Known:
    incident = stored.incident
    end_ms = None if incident.ended_at is None else to_ms(incident.ended_at)
    return Known(stored.incident_id, incident.detector, to_ms(incident.started_at), end_ms)


def _open(desk: Desk, window: Window, one: Found) -> int:
    """Store a new incident, with what joined it and, if it is over, its end."""
    assert one.raised is not None  # noqa: S101 - callers have looked
    is_late = one.raised.at_ms <= window.scored_ms
    # What still stands is no history, however late its readings came.
    historical = is_late and one.returned is not None
    opening = _described(desk, window.tank, worded(one), historical=historical)
    opening = replace(
        opening, outlook=window.ahead.get(one.raised), latching=_is_latching(desk, one)
    )
    if not opening.historical:
        opening = replace(opening, severity=severity_of(desk, window, one, opening))
    while is_uid_taken(desk.connection, opening.uid):
        opening = replace(opening, again=opening.again + 1)
    reason = reason_of(one.raised)
    if is_late:
        reason = f"{reason}; seen in {window.why or _SIBLINGS}"
    key = open_incident(desk.connection, opening, reason=reason)
    settings, symptom = desk.context.settings, one.raised.symptom
    due = due_at(symptom, opening.raised_at, window.tank, desk.plan, settings, now=desk.now)
    _queue(desk, key, opening.uid, MessageKind.ALARM, due=due)
    desk.result.raised.append(key)
    if historical:
        desk.result.historical += 1
        _audit(desk, "historical", key, window.tank, reason)
    for event in one.joins:
        _join(desk, window, key, event)
    if one.returned is not None:
        _return(desk, key, opening.uid, one.returned)
    elif one.peak > opening.peak_score:
        correct_incident(desk.connection, key, peak_score=one.peak)
    return key


def _described(desk: Desk, tank: Tank, event: TankEvent, *, historical: bool = False) -> Opening:
    """Return the incident that an event opens, beside what operators have put down."""
    return describe(
        event,
        desk.plan,
        tank,
        desk.context.settings,
        now=desk.now,
        historical=historical,
        planned=is_planned(
            desk.connection, tank.tank_id, from_ms(event.start_ms), from_ms(event.at_ms)
        ),
    )


def _bring_up_to_date(desk: Desk, window: Window, one: Found, stored: StoredIncident) -> None:
    """Make a stored incident what the steps show, and tell in its history what was changed."""
    key, incident = stored.incident_id, stored.incident
    if one.returned is None and incident.ended_at is not None:
        reason = f"goes on after all; seen in {window.why or _SIBLINGS}"
        _tell(desk, key, window.tank, IncidentEvent.REOPEN, reason)
        # What still stands is no history any more.
        within = timedelta(seconds=desk.context.settings.detect.page_within_s)
        if incident.historical and desk.now - incident.raised_at <= within:
            severity = severity_of(desk, window, one, incident).value
            correct_incident(desk.connection, key, historical=False, severity=severity)
        _queue(desk, key, incident.uid, MessageKind.ALARM)
    values = _differences(desk, window, one, stored)
    if one.raised is None and (better := sharper(one, stored, desk.plan)):
        correct_incident(desk.connection, key, **better)
    told = [f"{name} {_said(values[name])}" for name in _TOLD if name in values]
    if values:
        correct_incident(desk.connection, key, **values)
    if "latching" in values and one.returned is not None and incident.ended_at is not None:
        _latch_or_not(desk, stored)
    if told:
        reason = f"{', '.join(told)}; seen in {window.why or _SIBLINGS}"
        _tell(desk, key, window.tank, IncidentEvent.CORRECT, reason)
    joined = load_join_moments(desk.connection, key) if one.joins else set()
    for event in one.joins:
        if from_ms(event.at_ms) not in joined:
            _join(desk, window, key, event)
    worsen(desk, window, one, stored)
    if one.returned is not None and incident.ended_at is None:
        _return(desk, key, incident.uid, one.returned)


def _differences(desk: Desk, window: Window, one: Found, stored: StoredIncident) -> dict[str, Any]:
    """Return what is stored otherwise than the steps show, by column."""
    incident, values = stored.incident, {}
    # A warning was given when it was given, whatever its readings turn out to be.
    if one.raised is not None and incident.detector != TIME_TO_LIMIT:
        shown = _described(desk, window.tank, worded(one))
        names = {channel.channel_id: channel.name for channel in desk.plan.channels}
        values = {
            name: getattr(shown, name)
            for name in ("started_at", "raised_at", "detector", "symptom", "nature")
            if getattr(shown, name) != getattr(incident, name)
        }
        if names[shown.channel_id] != incident.channel:
            values["channel_id"] = shown.channel_id
        if not isclose(shown.share, incident.share, rel_tol=_ALIKE):
            values["share"] = shown.share
        if _is_latching(desk, one) != incident.latching:
            values["latching"] = not incident.latching
    elif _is_latching(desk, one) and not incident.latching:
        values["latching"] = True
    if one.returned is not None and incident.ended_at is not None:
        ended_at = from_ms(one.returned.end_ms)
        values |= {"ended_at": ended_at} if ended_at != incident.ended_at else {}
    if not isclose(one.peak, incident.peak_score, rel_tol=_ALIKE):
        values["peak_score"] = one.peak
    return values


def _is_latching(desk: Desk, one: Found) -> bool:
    events = [*one.joins] if one.raised is None else [one.raised, *one.joins]
    return is_latching([event.source for event in events], desk.context.settings.alarms.latching)


def _latch_or_not(desk: Desk, stored: StoredIncident) -> None:
    """Let an incident that is over latch after all, or not; what is closed stays closed."""
    state = stored.incident.state
    if state.is_latched or state is IncidentState.RETURNED_UNACKNOWLEDGED:
        key, event = stored.incident_id, IncidentEvent.RETURN
        apply_event(desk.connection, key, event, at=desk.now, actor=ACTOR, reason=_LATCHING)


def _said(value: Any) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)


def _take_away(desk: Desk, window: Window, stored: StoredIncident) -> None:
    """Withdraw an incident that the readings, now that they are here, do not show.

    A warning of a limit ahead is not repeated for the past, so nothing shows it: it ends.
    """
    if stored.incident.detector == TIME_TO_LIMIT:
        if stored.incident.ended_at is None:
            at_ms, peak = to_ms(stored.incident.raised_at), stored.incident.peak_score
            uid = stored.incident.uid
            _end(desk, stored.incident_id, uid, at_ms=at_ms, end_ms=at_ms, peak=peak)
        return
    reason = f"what is known now does not show it; seen in {window.why or _SIBLINGS}"
    _tell(desk, stored.incident_id, window.tank, IncidentEvent.WITHDRAW, reason)
    if stored.incident.ended_at is None:
        correct_incident(desk.connection, stored.incident_id, ended_at=stored.incident.raised_at)
    # Whether anybody was told, and needs to be told this, is seen when it is delivered.
    _queue(desk, stored.incident_id, stored.incident.uid, MessageKind.WITHDRAWAL)


def _join(desk: Desk, window: Window, key: int, event: TankEvent) -> None:
    at, reason = from_ms(event.at_ms), reason_of(event)
    apply_event(desk.connection, key, IncidentEvent.JOIN, at=at, actor=ACTOR, reason=reason)
    if event in window.ahead:
        set_outlook(desk.connection, key, window.ahead[event])
    if kind_of(event.symptom) is None:
        hurry_alarm(desk.connection, key, at=desk.now)


def _return(desk: Desk, key: int, uid: str, event: TankEvent) -> None:
    _end(desk, key, uid, at_ms=event.at_ms, end_ms=event.end_ms, peak=event.peak)


def _end(desk: Desk, key: int, uid: str, *, at_ms: int, end_ms: int, peak: float) -> None:
    apply_event(
        desk.connection,
        key,
        IncidentEvent.RETURN,
        at=from_ms(at_ms),
        actor=ACTOR,
        reason=_RETURNED,
        ended_at=from_ms(end_ms),
        peak_score=peak,
    )
    _queue(desk, key, uid, MessageKind.ALL_CLEAR)
    desk.result.returned += 1


def _queue(
    desk: Desk, key: int, uid: str, kind: MessageKind, *, due: datetime | None = None
) -> None:
    queue_message(
        desk.connection,
        key,
        uid,
        kind=kind,
        domain=mail_domain(desk.context.settings),
        at=desk.now,
        due=due,
        number=count_of_kind(desk.connection, key, kind) + 1,
    )


def _tell(desk: Desk, key: int, tank: Tank, event: IncidentEvent, reason: str) -> None:
    """Put a change that late readings made into the incident's history and the audit trail."""
    apply_event(desk.connection, key, event, at=desk.now, actor=ACTOR, reason=reason)
    _audit(desk, event.value, key, tank, reason)
    if event is IncidentEvent.WITHDRAW:
        desk.result.withdrawn += 1
    else:
        desk.result.corrected += 1


def _audit(desk: Desk, action: str, key: int, tank: Tank, reason: str) -> None:
    subject = f"incident {key} of {tank.name}"
    write_audit(
        desk.connection, at=desk.now, actor=ACTOR, action=action, subject=subject, detail=reason
    )


# Otherwise it is the last bits of a score, which nobody needs to be told.
_ALIKE = 1e-6
_TOLD = ("started_at", "ended_at", "detector", "symptom", "channel_id")
_SIBLINGS = "readings of its siblings that came after it was scored"
