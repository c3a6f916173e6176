"""Incidents of a whole site, and the incidents of tanks that belong to each."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    ForeignKey,
    String,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.incident import UNSEEN, IncidentState, Symptom
from tankwatch.core.siblings import Kind, Raised
from tankwatch.core.times import to_ms
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.plant import ChannelRow, SiteRow, TankRow


class SiteIncidentRow(Base):
    """What many tanks of a site did together."""

    __tablename__ = "site_incident"

    site_incident_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.site_id"), index=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.channel_id"))
    kind: Mapped[str] = mapped_column(String(16))
    started_at: Mapped[datetime] = mapped_column(UtcTime)
    raised_at: Mapped[datetime] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)


class SiteMemberRow(Base):
    """An incident of a tank that belongs to one of its site; it pages nobody by itself."""

    __tablename__ = "site_member"

    incident_id: Mapped[int] = mapped_column(
        ForeignKey("incident.incident_id"), primary_key=True, autoincrement=False
    )
    site_incident_id: Mapped[int] = mapped_column(
        ForeignKey("site_incident.site_incident_id"), index=True
    )


@dataclass(frozen=True, slots=True)
class SiteIncident:
    """An incident of a site as the rest of the program knows it, with those that belong to it.

    `site_tanks` are the tanks of the site, `tanks` those of its incidents.
    """

    site_incident_id: int
    uid: str
    site: str
    channel: str
    kind: Kind
    started_at: datetime
    raised_at: datetime
    ended_at: datetime | None
    site_tanks: int
    tanks: int
    incident_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sameness:
    """What incidents must share to belong together."""

    site_id: int
    channel_id: int
    symptoms: tuple[Symptom, ...]


def sites_of(
    connection: Connection, incident_ids: Sequence[int]
) -> list[tuple[int, int, Symptom, datetime]]:
    """Return (site id, channel id, symptom, raised at) of the incidents that may still page."""
    query = (
        select(TankRow.site_id, IncidentRow.channel_id, IncidentRow.symptom, IncidentRow.raised_at)
        .select_from(IncidentRow)
        .join(TankRow, TankRow.tank_id == IncidentRow.tank_id)
        .where(IncidentRow.incident_id.in_(incident_ids), IncidentRow.historical.is_(False))
    )
    rows = connection.execute(query)
    return [(site, channel, Symptom(symptom), at) for site, channel, symptom, at in rows]


def lock_sites(connection: Connection, site_ids: Sequence[int]) -> dict[int, int]:
    """Hold sites until the commit, so that two shards do not each miss the other; count tanks."""
    mine = select(SiteRow.site_id).where(SiteRow.site_id.in_(site_ids)).order_by(SiteRow.site_id)
    connection.execute(mine.with_for_update(key_share=True)).all()
    counted = select(TankRow.site_id, func.count()).where(TankRow.site_id.in_(site_ids))
    rows = connection.execute(counted.group_by(TankRow.site_id))
    return {site: int(tanks) for site, tanks in rows}


def load_raised(
    connection: Connection, same: Sameness, *, start: datetime, end: datetime
) -> list[Raised]:
    """Return the incidents that were raised in some time and may belong together."""
    query = (
        select(IncidentRow.incident_id, IncidentRow.tank_id, IncidentRow.raised_at)
        .join(TankRow, TankRow.tank_id == IncidentRow.tank_id)
        .where(
            TankRow.site_id == same.site_id,
            IncidentRow.channel_id == same.channel_id,
            IncidentRow.symptom.in_([symptom.value for symptom in same.symptoms]),
            IncidentRow.historical.is_(False),
            IncidentRow.withdrawn_at.is_(None),
            IncidentRow.raised_at >= start,
            IncidentRow.raised_at <= end,
        )
    )
    return [Raised(key, tank, to_ms(at)) for key, tank, at in connection.execute(query)]


def load_memberships(connection: Connection, incident_ids: Sequence[int]) -> dict[int, int]:
    """Return the site incident of each incident that has one."""
    query = select(SiteMemberRow.incident_id, SiteMemberRow.site_incident_id)
    mine = query.where(SiteMemberRow.incident_id.in_(incident_ids))
    rows = connection.execute(mine)
    return {row.incident_id: row.site_incident_id for row in rows}


def open_site_incident(
    connection: Connection, same: Sameness, kind: Kind, *, lead: int, raised_at: datetime
) -> int:
    """Store an incident of a site and return its id; `lead` is the incident that began it."""
    query = select(IncidentRow.uid, IncidentRow.started_at)
    uid, started_at = connection.execute(query.where(IncidentRow.incident_id == lead)).one()
    row = {
        "uid": hashlib.sha256(f"{same.site_id}|{kind}|{uid}".encode()).hexdigest()[:16],
        "site_id": same.site_id,
        "channel_id": same.channel_id,
        "kind": kind.value,
        "started_at": started_at,
        "raised_at": raised_at,
    }
    made = insert(SiteIncidentRow).values(row).returning(SiteIncidentRow.site_incident_id)
    return connection.execute(made).scalar_one()


def add_members(connection: Connection, site_incident_id: int, incident_ids: Sequence[int]) -> None:
    """Note that incidents belong to one of their site, which goes on if one of them does."""
    rows = [{"incident_id": key, "site_incident_id": site_incident_id} for key in incident_ids]
    connection.execute(insert(SiteMemberRow), rows)
    change = update(SiteIncidentRow).where(SiteIncidentRow.site_incident_id == site_incident_id)
    connection.execute(change.values(ended_at=None))


def end_site_incidents(connection: Connection) -> list[int]:
    """End each incident of a site of which every member has ended, and return their ids."""
    over = IncidentRow.ended_at.is_not(None) | (IncidentRow.state == IncidentState.CLOSED.value)
    query = (
        select(
            SiteIncidentRow.site_incident_id,
            func.max(func.coalesce(IncidentRow.ended_at, IncidentRow.closed_at)),
        )
        .join(SiteMemberRow, SiteMemberRow.site_incident_id == SiteIncidentRow.site_incident_id)
        .join(IncidentRow, IncidentRow.incident_id == SiteMemberRow.incident_id)
        .where(SiteIncidentRow.ended_at.is_(None))
        .group_by(SiteIncidentRow.site_incident_id)
        .having(func.count() == func.count().filter(over))
    )
    ended = connection.execute(query).all()
    found = []
    for key, at in ended:
        mine = (SiteIncidentRow.site_incident_id == key, SiteIncidentRow.ended_at.is_(None))
        change = update(SiteIncidentRow).where(*mine)
        if connection.execute(change.values(ended_at=at)).rowcount:
            found.append(key)
    return found


def load_site_incidents(
    connection: Connection, *, ids: Sequence[int] | None = None, only_open: bool = False
) -> list[SiteIncident]:
    """Return incidents of sites, the newest first."""
    query = (
        select(
            *SiteIncidentRow.__table__.columns,
            SiteRow.name.label("site"),
            ChannelRow.name.label("channel"),
        )
        .join(SiteRow, SiteRow.site_id == SiteIncidentRow.site_id)
        .join(ChannelRow, ChannelRow.channel_id == SiteIncidentRow.channel_id)
        .order_by(SiteIncidentRow.site_incident_id.desc())
    )
    if ids is not None:
        query = query.where(SiteIncidentRow.site_incident_id.in_(ids))
    if only_open:
        query = query.where(SiteIncidentRow.ended_at.is_(None))
    return [_stored(connection, row) for row in connection.execute(query).all()]


def find_site_incident(connection: Connection, uid: str) -> SiteIncident | None:
    """Return the incident of a site by its stable name, None if there is none."""
    if not uid.isprintable():  # PostgreSQL takes no NUL
        return None
    query = select(SiteIncidentRow.site_incident_id).where(SiteIncidentRow.uid == uid)
    key = connection.execute(query).scalar_one_or_none()
    return None if key is None else load_site_incidents(connection, ids=[key])[0]


def load_site_alarms(
    connection: Connection, *, site: str = "", only_unseen: bool = False, limit: int = 20
) -> tuple[list[tuple[SiteIncident, int]], int]:
    """Return incidents of sites that go on or that somebody has yet to see.

    Args:
        connection: to the database.
        site: of which site; empty for any.
        only_unseen: leave out those of which all incidents are acknowledged.
        limit: how many at most: those not seen first, the newest of them first.

    Returns:
        each with the number of its incidents that nobody has acknowledged; how many there are.
    """
    unseen = IncidentRow.state.in_([state.value for state in UNSEEN])
    counted = (
        select(SiteMemberRow.site_incident_id, func.count())
        .join(IncidentRow, IncidentRow.incident_id == SiteMemberRow.incident_id)
        .join(SiteIncidentRow, SiteIncidentRow.site_incident_id == SiteMemberRow.site_incident_id)
        .where(unseen)
        .group_by(SiteMemberRow.site_incident_id)
    )
    going_on = select(SiteIncidentRow.site_incident_id).where(SiteIncidentRow.ended_at.is_(None))
    if site:
        there = select(SiteRow.site_id).where(SiteRow.name == site)
        counted = counted.where(SiteIncidentRow.site_id.in_(there))
        going_on = going_on.where(SiteIncidentRow.site_id.in_(there))
    left = {key: int(count) for key, count in connection.execute(counted)}
    seen = set() if only_unseen else {*connection.execute(going_on).scalars()} - left.keys()
    ids = [*sorted(left, reverse=True), *sorted(seen, reverse=True)]
    found = load_site_incidents(connection, ids=ids[:limit])
    listed = [(one, left.get(one.site_incident_id, 0)) for one in found]
    return sorted(listed, key=lambda each: each[1] == 0), len(ids)


def _stored(connection: Connection, row: Any) -> SiteIncident:
    mine = SiteMemberRow.site_incident_id == row.site_incident_id
    members = (
        select(SiteMemberRow.incident_id, IncidentRow.tank_id)
        .join(IncidentRow, IncidentRow.incident_id == SiteMemberRow.incident_id)
        .where(mine)
        .order_by(SiteMemberRow.incident_id)
    )
    belong = connection.execute(members).all()
    tanks = select(func.count()).select_from(TankRow).where(TankRow.site_id == row.site_id)
    return SiteIncident(
        site_incident_id=row.site_incident_id,
        uid=row.uid,
        site=row.site,
        channel=row.channel,
        kind=Kind(row.kind),
        started_at=row.started_at,
        raised_at=row.raised_at,
        ended_at=row.ended_at,
        site_tanks=connection.execute(tanks).scalar_one(),
        tanks=len({tank for _, tank in belong}),
        incident_ids=tuple(key for key, _ in belong),
    )
