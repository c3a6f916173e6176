"""The history of incidents: each change of state, by whom and why."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, ForeignKey, String, Text, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.incident import IncidentState
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.store.base import Base, RowId, UtcTime


class TransitionRow(Base):
    """One change of an incident: when, from what, to what, by whom and why."""

    __tablename__ = "transition"

    transition_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incident.incident_id"), index=True)
    at: Mapped[datetime] = mapped_column(UtcTime)
    event: Mapped[str] = mapped_column(String(24))
    from_state: Mapped[str | None] = mapped_column(String(32))
    to_state: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text)


def load_transitions(connection: Connection, incident_id: int) -> list[dict[str, Any]]:
    """Return the changes of an incident in order, each with when, what, who and why."""
    columns = TransitionRow.__table__.columns
    chosen = [
        columns[name] for name in ("at", "event", "from_state", "to_state", "actor", "reason")
    ]
    query = select(*chosen).where(TransitionRow.incident_id == incident_id)
    ordered = query.order_by(TransitionRow.transition_id)
    return [dict(row._mapping) for row in connection.execute(ordered)]


def load_last_reason(connection: Connection, incident_id: int, event: IncidentEvent) -> str:
    """Return why something happened to an incident the last time it did; empty if it never did."""
    query = (
        select(TransitionRow.reason)
        .where(TransitionRow.incident_id == incident_id, TransitionRow.event == event.value)
        .order_by(TransitionRow.transition_id.desc())
    )
    return connection.execute(query.limit(1)).scalar_one_or_none() or ""


def add_transition(
    connection: Connection,
    incident_id: int,
    event: IncidentEvent,
    *,
    states: tuple[IncidentState | None, IncidentState],
    at: datetime,
    actor: str,
    reason: str,
) -> None:
    """Store one change of an incident; `states` are the state before and the state after."""
    before, after = states
    row = {
        "incident_id": incident_id,
        "at": at,
        "event": event.value,
        "from_state": before.value if before else None,
        "to_state": after.value,
        "actor": actor,
        "reason": reason,
    }
    connection.execute(insert(TransitionRow).values(row))
