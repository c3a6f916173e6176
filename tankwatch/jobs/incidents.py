"""From a tank's events to stored incidents and queued messages."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tankwatch.core.episodes import Change, TankEvent
from tankwatch.core.incident import MessageKind, Severity
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.core.nature import nature_of
from tankwatch.core.outlook import Outlook
from tankwatch.core.siblings import kind_of
from tankwatch.core.times import from_ms
from tankwatch.jobs.context import Context
from tankwatch.jobs.memory import TankMemory
from tankwatch.jobs.scoring import Plan
from tankwatch.jobs.siblings import due_at
from tankwatch.settings import Settings
from tankwatch.store.engine import Connection
from tankwatch.store.incidents import (
    Opening,
    apply_event,
    load_uid,
    open_incident,
    raise_peak,
    set_outlook,
)
from tankwatch.store.operators import is_planned
from tankwatch.store.outbox import queue_message
from tankwatch.store.outbox_hold import hurry_alarm
from tankwatch.store.plant import Tank

ACTOR = "tankwatch"
_NO_OUTLOOKS: Mapping[TankEvent, Outlook] = {}


def apply_events(
    connection: Connection,
    context: Context,
    plan: Plan,
    tank: Tank,
    memory: TankMemory,
    events: Sequence[TankEvent],
    *,
    now: datetime,
    outlooks: Mapping[TankEvent, Outlook] = _NO_OUTLOOKS,
) -> list[int]:
    """Store what happened to a tank, and return the ids of the incidents that were raised.

    `outlooks` tells the limit ahead that an event warns of.
    """
    raised = []
    for event in events:
        if event.change is Change.RAISE:
            planned = is_planned(
                connection, tank.tank_id, from_ms(event.start_ms), from_ms(event.at_ms)
            )
            opening = describe(event, plan, tank, context.settings, now=now, planned=planned)
            opening = replace(opening, outlook=outlooks.get(event))
            memory.incident_id = open_incident(connection, opening, reason=_reason(event))
            raised.append(memory.incident_id)
            domain = mail_domain(context.settings)
            queue_message(
                connection,
                memory.incident_id,
                opening.uid,
                kind=MessageKind.ALARM,
                domain=domain,
                at=now,
                due=due_at(event.symptom, opening.raised_at, tank, plan, context.settings, now=now),
            )
        elif memory.incident_id is None:
            continue
        elif event.change is Change.JOIN:
            apply_event(
                connection,
                memory.incident_id,
                IncidentEvent.JOIN,
                at=from_ms(event.at_ms),
                actor=ACTOR,
                reason=_reason(event),
            )
            if event in outlooks:
                set_outlook(connection, memory.incident_id, outlooks[event])
            if kind_of(event.symptom) is None:
                hurry_alarm(connection, memory.incident_id, at=now)
        else:
            _return_to_normal(connection, context, memory.incident_id, event, now=now)
            memory.incident_id = None
    if memory.incident_id is not None:
        raise_peak(connection, memory.incident_id, memory.state.peak)
    return raised


def describe(
    event: TankEvent,
    plan: Plan,
    tank: Tank,
    settings: Settings,
    *,
    now: datetime,
    historical: bool = False,
    planned: bool = False,
) -> Opening:
    """Return the incident that a raised event opens.

    One that was found long after it began is historical: it is filed and pages nobody.  `planned`
    says whether operators have put down work on the tank for that time.
    """
    raised_at = from_ms(event.at_ms)
    is_old = now - raised_at > timedelta(seconds=settings.detect.page_within_s)
    is_model = plan.primary is not None and event.source == settings.detect.detector
    return Opening(
        tank_id=tank.tank_id,
        tank=tank.name,
        detector=event.source,
        model_version_id=plan.primary.model_version_id if plan.primary and is_model else None,
        channel_id=plan.channels[event.channel].channel_id,
        share=event.share,
        symptom=event.symptom,
        severity=Severity.JOURNAL if historical or is_old else Severity.ALARM,
        started_at=from_ms(event.start_ms),
        raised_at=raised_at,
        peak_score=event.peak,
        historical=historical or is_old,
        nature=nature_of(event.symptom, event.source, planned=planned),
    )


def mail_domain(settings: Settings) -> str:
    """Return the domain of the sender, which names our messages."""
    return settings.mail.sender.rpartition("@")[2].strip(" >") or "localhost"


def _return_to_normal(
    connection: Connection, context: Context, incident_id: int, event: TankEvent, *, now: datetime
) -> None:
    apply_event(
        connection,
        incident_id,
        IncidentEvent.RETURN,
        at=from_ms(event.at_ms),
        actor=ACTOR,
        reason="every source has been below its deadband for the off-delay and the merge gap",
        ended_at=from_ms(event.end_ms),
        peak_score=event.peak,
    )
    uid = load_uid(connection, incident_id)
    domain = mail_domain(context.settings)
    queue_message(connection, incident_id, uid, kind=MessageKind.ALL_CLEAR, domain=domain, at=now)


def _reason(event: TankEvent) -> str:
    return f"{event.source}: {event.symptom.value}, score {event.peak:.3g} of threshold 1.0"
