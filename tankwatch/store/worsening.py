"""Incidents that get worse: their severity is raised while they stand."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from tankwatch.core.incident import IncidentState, MessageKind, Severity
from tankwatch.core.lifecycle import TRANSITIONS, IncidentEvent
from tankwatch.store.corrections import correct_incident
from tankwatch.store.incidents import IncidentRow, apply_event
from tankwatch.store.outbox import MessageState, OutboxRow
from tankwatch.store.outbox_hold import HOLD_GROUPED, URGENT, WORSENED


def raise_severity(
    connection: Connection,
    incident_id: int,
    severity: Severity,
    *,
    at: datetime,
    actor: str,
    reason: str,
) -> bool:
    """Raise the severity of an incident that stands, and return whether that was done.

    What an operator closed, even a moment ago, stays as it is.
    """
    query = select(IncidentRow.state).where(IncidentRow.incident_id == incident_id)
    locked = query.with_for_update(key_share=True)
    state = IncidentState(connection.execute(locked).scalar_one())
    if (state, IncidentEvent.WORSEN) not in TRANSITIONS:
        return False
    apply_event(connection, incident_id, IncidentEvent.WORSEN, at=at, actor=actor, reason=reason)
    correct_incident(connection, incident_id, severity=severity.value)
    return True


def is_to_be_told(connection: Connection, incident_id: int) -> bool:
    """Return whether what got worse needs a message of its own.

    It needs none if the alarm has not left yet, since that tells what is known then, or if it was
    told with its site, which is an alarm already.
    """
    mine = (OutboxRow.incident_id == incident_id, OutboxRow.kind == MessageKind.ALARM.value)
    query = select(OutboxRow.__table__).where(*mine).order_by(OutboxRow.outbox_id.desc()).limit(1)
    # Locked, since a delivery may be judging it by the severity that the incident had.
    last = connection.execute(query.with_for_update()).one_or_none()
    if last is None:
        return True
    if last.state == MessageState.PENDING.value and last.addressed_at is None:
        if last.reason == URGENT:
            change = update(OutboxRow).where(OutboxRow.outbox_id == last.outbox_id)
            connection.execute(change.values(reason=WORSENED))
        return False
    return not (last.state == MessageState.HELD.value and last.reason == HOLD_GROUPED)
