"""What lies around an incident: what its siblings do, and how the last one like it ended."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from tankwatch.core.incident import Symptom
from tankwatch.core.siblings import kind_of, symptoms_of
from tankwatch.core.surroundings import EarlierIncident, SiblingsNow, Surroundings
from tankwatch.store.incidents import IncidentRow, StoredIncident
from tankwatch.store.operators import LabelRow
from tankwatch.store.plant import ChannelRow, TankRow


def load_surroundings(
    connection: Connection, stored: StoredIncident, *, at: datetime
) -> Surroundings:
    """Return what lay around an incident at `at`; the earlier one of its tank, else of its site."""
    site = select(TankRow.site_id).where(TankRow.tank_id == stored.tank_id).scalar_subquery()
    siblings = (TankRow.site_id == site, TankRow.tank_id != stored.tank_id)
    own = _earlier(connection, stored, IncidentRow.tank_id == stored.tank_id)
    return Surroundings(
        siblings=_siblings(connection, stored, siblings, at=at),
        earlier=own or _earlier(connection, stored, *siblings),
    )


def _alike(stored: StoredIncident) -> tuple[Symptom, ...]:
    """Return the symptoms that count as the same as an incident's."""
    kind = kind_of(stored.incident.symptom)
    return symptoms_of(kind) if kind is not None else (stored.incident.symptom,)


def _siblings(
    connection: Connection,
    stored: StoredIncident,
    siblings: tuple[ColumnElement[bool], ...],
    *,
    at: datetime,
) -> SiblingsNow:
    tanks = connection.execute(select(func.count()).select_from(TankRow).where(*siblings))
    query = (
        select(TankRow.name, ChannelRow.name.label("channel"), IncidentRow.symptom)
        .join(IncidentRow, IncidentRow.tank_id == TankRow.tank_id)
        .join(ChannelRow, ChannelRow.channel_id == IncidentRow.channel_id)
        .where(
            *siblings,
            IncidentRow.raised_at <= at,
            IncidentRow.ended_at.is_(None) | (IncidentRow.ended_at > at),
            IncidentRow.withdrawn_at.is_(None),
        )
        .order_by(TankRow.name)
    )
    alike = {symptom.value for symptom in _alike(stored)}
    same: list[str] = []
    other: list[str] = []
    for name, channel, symptom in connection.execute(query):
        is_same = channel == stored.incident.channel and symptom in alike
        (same if is_same else other).append(name)
    return SiblingsNow(
        tanks=tanks.scalar_one(),
        same=tuple(dict.fromkeys(same)),
        other=tuple(name for name in dict.fromkeys(other) if name not in same),
    )


def _earlier(
    connection: Connection, stored: StoredIncident, *where: ColumnElement[bool]
) -> EarlierIncident | None:
    incident = stored.incident
    query = (
        select(
            IncidentRow.incident_id,
            TankRow.name.label("tank"),
            IncidentRow.symptom,
            IncidentRow.started_at,
            IncidentRow.ended_at,
            IncidentRow.acknowledged_by,
        )
        .join(TankRow, TankRow.tank_id == IncidentRow.tank_id)
        .join(ChannelRow, ChannelRow.channel_id == IncidentRow.channel_id)
        .where(
            *where,
            ChannelRow.name == incident.channel,
            IncidentRow.symptom.in_([symptom.value for symptom in _alike(stored)]),
            # Those of now are siblings; what one can learn from is over.
            IncidentRow.ended_at < incident.started_at,
            IncidentRow.withdrawn_at.is_(None),
        )
        .order_by(IncidentRow.started_at.desc(), IncidentRow.incident_id.desc())
    )
    row = connection.execute(query.limit(1)).one_or_none()
    if row is None:
        return None
    said: Any = connection.execute(
        select(LabelRow.verdict, LabelRow.cause, LabelRow.labelled_by)
        .where(LabelRow.incident_id == row.incident_id)
        .order_by(LabelRow.label_id.desc())
        .limit(1)
    ).one_or_none()
    return EarlierIncident(
        tank=row.tank,
        symptom=Symptom(row.symptom),
        started_at=row.started_at,
        ended_at=row.ended_at,
        verdict=said.verdict if said else "",
        cause=said.cause if said else "",
        said_by=said.labelled_by if said else "",
        acknowledged_by=row.acknowledged_by or "",
    )
