"""What operators say that incidents were: labels."""

from datetime import datetime

from sqlalchemy import Connection, ForeignKey, String, Text, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.feedback import LabelledAlarm
from tankwatch.errors import UsageError
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.incidents import IncidentRow, load_incidents

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
