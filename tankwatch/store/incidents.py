"""Incidents and each change of their state."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Float,
    ForeignKey,
    Index,
    String,
    Text,
    false,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.incident import Incident, IncidentState, Nature, Severity, Symptom
from tankwatch.core.lifecycle import IncidentEvent, next_state
from tankwatch.core.outlook import Outlook
from tankwatch.errors import UsageError
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.plant import ChannelRow, SiteRow, TankRow
from tankwatch.store.transitions import add_transition


class IncidentRow(Base):
    """One stretch of time in which a tank did not behave."""

    __tablename__ = "incident"
    __table_args__ = (
        Index("ix_incident_tank_id_started_at", "tank_id", "started_at"),
        Index("ix_incident_tank_id_raised_at", "tank_id", "raised_at"),
        Index("ix_incident_severity_raised_at", "severity", "raised_at"),
        Index(
            "ix_incident_tank_id",
            "tank_id",
            sqlite_where=text("state <> 'closed'"),
            postgresql_where=text("state <> 'closed'"),
        ),
    )

    incident_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    tank_id: Mapped[int] = mapped_column(ForeignKey("tank.tank_id"))
    state: Mapped[str] = mapped_column(String(32), index=True)
    severity: Mapped[str] = mapped_column(String(12))
    detector: Mapped[str] = mapped_column(String(40))
    model_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("model_version.model_version_id")
    )
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.channel_id"))
    share: Mapped[float] = mapped_column(Float(53))
    symptom: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    raised_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(120))
    closed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    peak_score: Mapped[float] = mapped_column(Float(53))
    historical: Mapped[bool] = mapped_column(Boolean)
    nature: Mapped[str] = mapped_column(String(12), server_default=Nature.PROCESS.value)
    outlook: Mapped[str | None] = mapped_column(Text)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcTime)
    latching: Mapped[bool] = mapped_column(Boolean, server_default=false())


@dataclass(frozen=True, slots=True)
class Opening:
    """What is stored when an incident is raised."""

    tank_id: int
    tank: str
    detector: str
    model_version_id: int | None
    channel_id: int
    share: float
    symptom: Symptom
    severity: Severity
    started_at: datetime
    raised_at: datetime
    peak_score: float
    historical: bool
    nature: Nature = Nature.PROCESS
    outlook: Outlook | None = None
    latching: bool = False
    again: int = 0

    @property
    def uid(self) -> str:
        """Return the incident's stable name: the same readings always give the same.

        `again` counts the incidents of that name before it, which were withdrawn or moved.
        """
        text = f"{self.tank}|{self.detector}|{self.started_at.isoformat()}|{self.historical}"
        if self.again:
            text += f"|{self.again}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class StoredIncident:
    """An incident with its database keys."""

    incident_id: int
    tank_id: int
    model_version_id: int | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    incident: Incident


def open_incident(connection: Connection, opening: Opening, *, reason: str) -> int:
    """Store a raised incident with its first transition, and return its id."""
    state = next_state(None, IncidentEvent.RAISE)
    row: dict[str, Any] = {
        "uid": opening.uid,
        "tank_id": opening.tank_id,
        "state": state.value,
        "severity": opening.severity.value,
        "detector": opening.detector,
        "model_version_id": opening.model_version_id,
        "channel_id": opening.channel_id,
        "share": opening.share,
        "symptom": opening.symptom.value,
        "started_at": opening.started_at,
        "raised_at": opening.raised_at,
        "peak_score": opening.peak_score,
        "historical": opening.historical,
        "nature": opening.nature.value,
        "outlook": _dump(opening.outlook),
        "latching": opening.latching,
    }
    made = insert(IncidentRow).values(row).returning(IncidentRow.incident_id)
    key = connection.execute(made).scalar_one()
    add_transition(
        connection,
        key,
        IncidentEvent.RAISE,
        states=(None, state),
        at=opening.raised_at,
        actor="tankwatch",
        reason=reason,
    )
    return key


def apply_event(
    connection: Connection,
    incident_id: int,
    event: IncidentEvent,
    *,
    at: datetime,
    actor: str,
    reason: str = "",
    ended_at: datetime | None = None,
    peak_score: float | None = None,
) -> IncidentState:
    """Move an incident along its transition table and return its new state.

    One that is latching latches where another one returns.

    Raises:
        UsageError: there is no such incident, or the event cannot happen in its state.
    """
    query = select(IncidentRow.state, IncidentRow.latching).where(
        IncidentRow.incident_id == incident_id
    )
    # A row that names the incident, such as a label, locks its key for others: two who have written
    # one each would wait for each other for ever if this asked for the key as well.
    stored = connection.execute(query.with_for_update(key_share=True)).one_or_none()
    if stored is None:
        message = f"there is no incident {incident_id}: see `tankwatch incidents`"
        raise UsageError(message)
    if event is IncidentEvent.RETURN and stored.latching:
        event = IncidentEvent.LATCH
    before = IncidentState(stored.state)
    after = next_state(before, event)
    values: dict[str, Any] = {"state": after.value}
    if event is IncidentEvent.ACKNOWLEDGE:
        values |= {"acknowledged_at": at, "acknowledged_by": actor}
    if after is IncidentState.CLOSED and before is not IncidentState.CLOSED:
        values["closed_at"] = at
    if event is IncidentEvent.WITHDRAW:
        values["withdrawn_at"] = at
    if event is IncidentEvent.REOPEN:
        values |= {"ended_at": None, "closed_at": None}
    if ended_at is not None:
        values["ended_at"] = ended_at
    if peak_score is not None:
        values["peak_score"] = peak_score
    change = update(IncidentRow).where(IncidentRow.incident_id == incident_id)
    connection.execute(change.values(values))
    add_transition(
        connection,
        incident_id,
        event,
        states=(before, after),
        at=at,
        actor=actor,
        reason=reason,
    )
    return after


def set_outlook(connection: Connection, incident_id: int, outlook: Outlook) -> None:
    """Store the limit ahead that an incident that goes on warned of last."""
    change = update(IncidentRow).where(IncidentRow.incident_id == incident_id)
    connection.execute(change.values(outlook=_dump(outlook)))


def load_uid(connection: Connection, incident_id: int) -> str:
    """Return the stable name of an incident."""
    query = select(IncidentRow.uid).where(IncidentRow.incident_id == incident_id)
    return connection.execute(query).scalar_one()


def load_incidents(
    connection: Connection,
    *,
    ids: Sequence[int] | None = None,
    tank: str | None = None,
    only_open: bool = False,
    limit: int | None = None,
) -> list[StoredIncident]:
    """Return incidents, the newest start first."""
    query = (
        select(
            *IncidentRow.__table__.columns,
            TankRow.name.label("tank"),
            SiteRow.name.label("site"),
            ChannelRow.name.label("channel"),
        )
        .join(TankRow, TankRow.tank_id == IncidentRow.tank_id)
        .join(SiteRow, SiteRow.site_id == TankRow.site_id)
        .join(ChannelRow, ChannelRow.channel_id == IncidentRow.channel_id)
        .order_by(IncidentRow.started_at.desc(), IncidentRow.incident_id.desc())
    )
    if ids is not None:
        query = query.where(IncidentRow.incident_id.in_(ids))
    if tank is not None:
        query = query.where(TankRow.name == tank)
    if only_open:
        query = query.where(IncidentRow.state != IncidentState.CLOSED.value)
    if limit is not None:
        query = query.limit(limit)
    return [_stored(row) for row in connection.execute(query)]


def _dump(outlook: Outlook | None) -> str | None:
    return None if outlook is None else json.dumps(outlook.to_json())


def _stored(row: Any) -> StoredIncident:
    incident = Incident(
        uid=row.uid,
        site=row.site,
        tank=row.tank,
        state=IncidentState(row.state),
        severity=Severity(row.severity),
        detector=row.detector,
        channel=row.channel,
        share=row.share,
        symptom=Symptom(row.symptom),
        started_at=row.started_at,
        raised_at=row.raised_at,
        ended_at=row.ended_at,
        peak_score=row.peak_score,
        historical=row.historical,
        nature=Nature(row.nature),
        outlook=Outlook.from_json(json.loads(row.outlook)) if row.outlook else None,
        latching=row.latching,
    )
    return StoredIncident(
        incident_id=row.incident_id,
        tank_id=row.tank_id,
        model_version_id=row.model_version_id,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        closed_at=row.closed_at,
        incident=incident,
    )
