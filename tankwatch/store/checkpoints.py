"""How far the memories of a site reach, and older ones that scoring can go back to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    ForeignKey,
    Integer,
    String,
    Text,
    func,
    insert,
    select,
    text,
)
from sqlalchemy import delete as delete_from
from sqlalchemy import update as change
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.times import from_ms, to_ms
from tankwatch.store.base import Base, UtcTime
from tankwatch.store.plant import SiteRow
from tankwatch.store.scores import DetectorStateRow
from tankwatch.store.sql import id_list, ms_parameter


class SiteMemoryRow(Base):
    """How far the memories of a site's tanks reach.

    `version` grows with every change, so that a pass which began before another one went on, or
    back, cannot store what it found.  `is_due` is whether steps behind the memories are still to
    be judged by them, and `why` what scoring went back for, until it has caught up.  `origin_at`
    is the site's first step, if its memories began from nothing there.
    """

    __tablename__ = "site_memory"

    site_id: Mapped[int] = mapped_column(
        ForeignKey("site.site_id"), primary_key=True, autoincrement=False
    )
    until_at: Mapped[datetime] = mapped_column(UtcTime)
    origin_at: Mapped[datetime | None] = mapped_column(UtcTime)
    version: Mapped[int] = mapped_column(Integer)
    is_due: Mapped[bool] = mapped_column(Boolean)
    why: Mapped[str] = mapped_column(Text)


class CheckpointRow(Base):
    """A memory of a tank as it was at `at`, kept so that late readings can be scored in order."""

    __tablename__ = "checkpoint"

    tank_id: Mapped[int] = mapped_column(
        ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False
    )
    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcTime, primary_key=True)
    state: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class SiteMemory:
    """How far the memories of a site reach, in epoch milliseconds."""

    site_id: int
    until_ms: int
    origin_ms: int | None
    version: int
    is_due: bool
    why: str


def load_site_memory(connection: Connection, site: str) -> SiteMemory | None:
    """Return how far the memories of a site reach, None if it has none yet."""
    query = select(
        SiteMemoryRow.site_id,
        SiteMemoryRow.until_at,
        SiteMemoryRow.origin_at,
        SiteMemoryRow.version,
        SiteMemoryRow.is_due,
        SiteMemoryRow.why,
    ).join(SiteRow, SiteRow.site_id == SiteMemoryRow.site_id)
    row = connection.execute(query.where(SiteRow.name == site)).first()
    if row is None:
        return None
    origin = None if row.origin_at is None else to_ms(row.origin_at)
    return SiteMemory(row.site_id, to_ms(row.until_at), origin, row.version, row.is_due, row.why)


def begin_site_memory(
    connection: Connection, site: str, *, until_ms: int, origin_ms: int | None
) -> bool:
    """Note where the memories of a site begin; return whether no other pass had done so."""
    key = connection.execute(select(SiteRow.site_id).where(SiteRow.name == site)).scalar_one()
    moments = (":until_ms", ":origin_ms")
    until, origin = (ms_parameter(connection, name) for name in moments)
    made = text(
        "INSERT INTO site_memory (site_id, until_at, origin_at, version, is_due, why) "  # noqa: S608
        f"VALUES (:site, {until}, {origin}, 0, false, '') ON CONFLICT DO NOTHING"
    )
    given = {"site": key, "until_ms": until_ms, "origin_ms": origin_ms}
    return connection.execute(made, given).rowcount == 1


def move_site_memory(
    connection: Connection,
    memory: SiteMemory,
    *,
    until_ms: int,
    why: str,
    is_due: bool,
    origin_ms: int | None = None,
) -> bool:
    """Note how far memories reach now; return whether they still were what the caller saw."""
    unmoved = change(SiteMemoryRow).where(
        SiteMemoryRow.site_id == memory.site_id, SiteMemoryRow.version == memory.version
    )
    values: dict[str, Any] = {"until_at": from_ms(until_ms), "version": memory.version + 1}
    values |= {"why": why, "is_due": is_due}
    if origin_ms is not None:
        values["origin_at"] = from_ms(origin_ms)
    return connection.execute(unmoved.values(**values)).rowcount == 1


def keep_checkpoint(connection: Connection, tank_ids: Sequence[int], at_ms: int) -> None:
    """Keep the memories of tanks as they are stored now, as those of `at_ms`."""
    tanks, parameters = id_list(connection, tank_ids)
    moment = ms_parameter(connection, ":at_ms")
    kept = text(
        "INSERT INTO checkpoint (tank_id, kind, at, state) "  # noqa: S608 - constants only
        f"SELECT tank_id, kind, {moment}, state FROM detector_state WHERE tank_id IN ({tanks}) "
        "ON CONFLICT (tank_id, kind, at) DO UPDATE SET state = excluded.state"
    )
    connection.execute(kept, {**parameters, "at_ms": at_ms})


def load_checkpoints(
    connection: Connection, tank_ids: Sequence[int], kind: str
) -> dict[int, dict[str, Any]]:
    """Return the state of one of the tanks at each checkpoint, by epoch milliseconds."""
    query = (
        select(CheckpointRow.at, func.min(CheckpointRow.state))
        .where(CheckpointRow.tank_id.in_(list(tank_ids)), CheckpointRow.kind == kind)
        .group_by(CheckpointRow.at)
    )
    return {to_ms(at): json.loads(state) for at, state in connection.execute(query)}


def restore_checkpoint(connection: Connection, tank_ids: Sequence[int], at_ms: int) -> None:
    """Make memories those of a checkpoint, and forget the later ones."""
    moment = from_ms(at_ms)
    tanks = list(tank_ids)
    connection.execute(delete_from(DetectorStateRow).where(DetectorStateRow.tank_id.in_(tanks)))
    names = ("tank_id", "kind", "state")
    stored = select(CheckpointRow.tank_id, CheckpointRow.kind, CheckpointRow.state).where(
        CheckpointRow.tank_id.in_(tanks), CheckpointRow.at == moment
    )
    connection.execute(insert(DetectorStateRow).from_select(names, stored))
    later = (CheckpointRow.tank_id.in_(tanks), CheckpointRow.at > moment)
    connection.execute(delete_from(CheckpointRow).where(*later))


def delete_checkpoints_before(
    connection: Connection, tank_ids: Sequence[int], moment: datetime
) -> int:
    """Forget the checkpoints of tanks that are older than `moment`; return their number."""
    old = (CheckpointRow.tank_id.in_(list(tank_ids)), CheckpointRow.at < moment)
    return connection.execute(delete_from(CheckpointRow).where(*old)).rowcount


def count_checkpoints(connection: Connection) -> int:
    """Return how many memories are kept."""
    return connection.execute(select(func.count()).select_from(CheckpointRow)).scalar_one()
