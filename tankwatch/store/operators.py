"""What operators decide: labels, shelving, maintenance."""

from datetime import datetime

from sqlalchemy import Connection, ForeignKey, String, Text, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.feedback import LabelledAlarm
from tankwatch.core.incident import IncidentState
from tankwatch.core.stretches import Stretch, Why
from tankwatch.errors import UsageError
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.incidents import IncidentRow, load_incidents
from tankwatch.store.plant import TankRow

NOT_A_FAULT = "not_a_fault"
REAL_FAULT = "real_fault"


class LabelRow(Base):
    """What an operator said an incident, or a stretch of a tank, really was."""

    __tablename__ = "label"

    label_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    tank_id: Mapped[int] = mapped_column(ForeignKey("tank.tank_id"), index=True)
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incident.incident_id"), index=True)
    started_at: Mapped[datetime] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    verdict: Mapped[str] = mapped_column(String(24))
    cause: Mapped[str] = mapped_column(Text)
    labelled_by: Mapped[str] = mapped_column(String(120))
    labelled_at: Mapped[datetime] = mapped_column(UtcTime)


class ShelfRow(Base):
    """A stretch in which a tank's alarms are kept from operators: shelved or out of service."""

    __tablename__ = "shelf"

    shelf_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    tank_id: Mapped[int] = mapped_column(ForeignKey("tank.tank_id"), index=True)
    kind: Mapped[str] = mapped_column(String(24))
    from_at: Mapped[datetime] = mapped_column(UtcTime)
    until_at: Mapped[datetime | None] = mapped_column(UtcTime)
    shelved_by: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text)


class MaintenanceRow(Base):
    """A stretch in which a site or a tank is worked on."""

    __tablename__ = "maintenance"

    maintenance_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.site_id"), index=True)
    tank_id: Mapped[int | None] = mapped_column(ForeignKey("tank.tank_id"), index=True)
    from_at: Mapped[datetime] = mapped_column(UtcTime)
    until_at: Mapped[datetime] = mapped_column(UtcTime)
    reason: Mapped[str] = mapped_column(Text)


def store_label(
    connection: Connection, incident_id: int, *, verdict: str, cause: str, by: str, at: datetime
) -> None:
    """Store what an operator says an incident was."""
    found = load_incidents(connection, ids=[incident_id])
    if not found:
        message = f"there is no incident {incident_id}: see `tankwatch incidents`"
        raise UsageError(message)
    incident = found[0].incident
    row = {
        "tank_id": found[0].tank_id,
        "incident_id": incident_id,
        "started_at": incident.started_at,
        "ended_at": incident.ended_at,
        "verdict": verdict,
        "cause": cause,
        "labelled_by": by,
        "labelled_at": at,
    }
    connection.execute(insert(LabelRow).values(row))


def load_stretches(connection: Connection) -> list[Stretch]:
    """Return what operators know of the past of each tank.

    Incidents that are not closed and those that were confirmed; those that were no fault, whatever
    their state; and maintenance of a tank or of its whole site.  Of several labels the last counts.
    """
    query = select(LabelRow.incident_id, LabelRow.verdict).order_by(LabelRow.label_id)
    labelled = {row.incident_id: row.verdict for row in connection.execute(query)}
    columns = (IncidentRow.incident_id, IncidentRow.tank_id, IncidentRow.state)
    found = []
    for row in connection.execute(select(*columns, IncidentRow.started_at, IncidentRow.ended_at)):
        why = _BY_VERDICT.get(labelled.get(row.incident_id, ""))
        if why is None and row.state != IncidentState.CLOSED.value:
            why = Why.OPEN_INCIDENT
        if why is not None:
            found.append(Stretch(row.tank_id, row.started_at, row.ended_at, why))
    in_site = (MaintenanceRow.tank_id == TankRow.tank_id) | (
        MaintenanceRow.tank_id.is_(None) & (MaintenanceRow.site_id == TankRow.site_id)
    )
    worked_on = select(TankRow.tank_id, MaintenanceRow.from_at, MaintenanceRow.until_at)
    maintained = connection.execute(worked_on.join(MaintenanceRow, in_site))
    return found + [Stretch(tank, start, end, Why.MAINTENANCE) for tank, start, end in maintained]


def is_planned(connection: Connection, tank_id: int, start: datetime, end: datetime) -> bool:
    """Return whether work on a tank or on its site is put down for some of `start` to `end`."""
    its_site = select(TankRow.site_id).where(TankRow.tank_id == tank_id).scalar_subquery()
    query = select(MaintenanceRow.maintenance_id).where(
        (MaintenanceRow.tank_id == tank_id)
        | (MaintenanceRow.tank_id.is_(None) & (MaintenanceRow.site_id == its_site)),
        MaintenanceRow.from_at <= end,
        MaintenanceRow.until_at >= start,
    )
    return connection.execute(query.limit(1)).first() is not None


def load_labelled_alarms(connection: Connection) -> list[LabelledAlarm]:
    """Return what operators said of alarms that a model raised; of several labels the last."""
    query = (
        select(
            LabelRow.incident_id,
            LabelRow.tank_id,
            LabelRow.verdict,
            LabelRow.labelled_at,
            IncidentRow.peak_score,
        )
        .join(IncidentRow, IncidentRow.incident_id == LabelRow.incident_id)
        .where(IncidentRow.model_version_id.is_not(None))
        .order_by(LabelRow.label_id)
    )
    last = {row.incident_id: row for row in connection.execute(query)}
    return [
        LabelledAlarm(row.tank_id, row.verdict == REAL_FAULT, row.peak_score, row.labelled_at)
        for row in last.values()
    ]


_BY_VERDICT = {REAL_FAULT: Why.REAL_FAULT, NOT_A_FAULT: Why.NOT_A_FAULT}
