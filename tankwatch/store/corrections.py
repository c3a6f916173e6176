"""Incidents that late readings change: what is stored of them, and setting it right."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select, update

from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.store.incidents import IncidentRow, StoredIncident, load_incidents
from tankwatch.store.transitions import TransitionRow


def load_unsettled(
    connection: Connection, tank_ids: Sequence[int], *, after: datetime, ids: Sequence[int]
) -> list[StoredIncident]:
    """Return the incidents of tanks that were raised after `after`, and those of `ids`.

    What was withdrawn stays withdrawn and is left out.
    """
    raised_since = IncidentRow.tank_id.in_(list(tank_ids)) & (IncidentRow.raised_at > after)
    chosen = or_(raised_since, IncidentRow.incident_id.in_(list(ids)))
    query = select(IncidentRow.incident_id).where(chosen, IncidentRow.withdrawn_at.is_(None))
    keys = connection.execute(query).scalars().all()
    return load_incidents(connection, ids=keys) if keys else []


def correct_incident(connection: Connection, incident_id: int, **values: Any) -> None:
    """Store what late readings make of an incident, by the names of its columns."""
    change = update(IncidentRow).where(IncidentRow.incident_id == incident_id)
    connection.execute(change.values(**values))


def is_uid_taken(connection: Connection, uid: str) -> bool:
    """Return whether an incident has this stable name."""
    query = select(IncidentRow.incident_id).where(IncidentRow.uid == uid)
    return connection.execute(query).first() is not None


def load_join_moments(connection: Connection, incident_id: int) -> set[datetime]:
    """Return when further sources joined an incident."""
    query = select(TransitionRow.at).where(
        TransitionRow.incident_id == incident_id, TransitionRow.event == IncidentEvent.JOIN.value
    )
    return set(connection.execute(query).scalars())
