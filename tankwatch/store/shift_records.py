"""What a shift hands over: what stands, what ended, and what was held."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, or_, select

from tankwatch.core.incident import LATCHED, IncidentState, MessageKind, Severity
from tankwatch.store.incidents import IncidentRow, StoredIncident, load_incidents
from tankwatch.store.outbox import MessageState, OutboxRow


def load_standing(connection: Connection) -> list[StoredIncident]:
    """Return alarms that stand, the newest first."""
    query = select(IncidentRow.incident_id).where(
        IncidentRow.ended_at.is_(None),
        IncidentRow.state != IncidentState.CLOSED.value,
        IncidentRow.severity == Severity.ALARM.value,
        IncidentRow.historical.is_(False),
        IncidentRow.withdrawn_at.is_(None),
    )
    return _load(connection, connection.execute(query).scalars().all())


def load_latched(connection: Connection) -> list[StoredIncident]:
    """Return incidents that are over and wait for their reset, the newest first."""
    states = [state.value for state in LATCHED]
    query = select(IncidentRow.incident_id).where(IncidentRow.state.in_(states))
    return _load(connection, connection.execute(query).scalars().all())


def load_ended(connection: Connection, *, since: datetime, until: datetime) -> list[StoredIncident]:
    """Return alarms that were over, or were closed, from `since` to `until`, the newest first."""
    query = select(IncidentRow.incident_id).where(
        or_(
            IncidentRow.ended_at.between(since, until),
            IncidentRow.closed_at.between(since, until),
        ),
        IncidentRow.severity == Severity.ALARM.value,
        IncidentRow.historical.is_(False),
    )
    return _load(connection, connection.execute(query).scalars().all())


def load_held(
    connection: Connection, *, since: datetime, until: datetime
) -> list[tuple[StoredIncident, str]]:
    """Return alarms that nobody was sent from `since` to `until`, each with the reason."""
    query = select(OutboxRow.incident_id, OutboxRow.reason).where(
        OutboxRow.kind == MessageKind.ALARM.value,
        OutboxRow.state == MessageState.HELD.value,
        OutboxRow.queued_at.between(since, until),
    )
    reasons = {row.incident_id: row.reason for row in connection.execute(query)}
    found = _load(connection, list(reasons))
    return [(one, reasons[one.incident_id]) for one in found]


def _load(connection: Connection, ids: Sequence[int]) -> list[StoredIncident]:
    return load_incidents(connection, ids=ids) if ids else []
