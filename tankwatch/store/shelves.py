"""Tanks whose alarms an operator keeps away for a time: shelved, or out of service."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, ForeignKey, String, Text, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.actor import Actor
from tankwatch.core.incident import IncidentState
from tankwatch.core.muting import ShelfKind
from tankwatch.core.times import human_duration
from tankwatch.errors import UsageError
from tankwatch.store.acts import audit
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.plant import TankRow
from tankwatch.store.scope import Scope, scope_of_incident

_SHELVED = (ShelfKind.SHELVED, ShelfKind.ONE_SHOT)


class ShelfRow(Base):
    """A stretch in which a tank's alarms are kept from operators, or one incident of it.

    It ends at `until_at` by itself and at `ended_at` by hand; one of an incident ends with that.
    """

    __tablename__ = "shelf"

    shelf_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    tank_id: Mapped[int] = mapped_column(ForeignKey("tank.tank_id"), index=True)
    # No foreign key: SQLite cannot add one to a table that is there.
    incident_id: Mapped[int | None] = mapped_column(RowId, index=True)
    kind: Mapped[str] = mapped_column(String(24))
    from_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    until_at: Mapped[datetime | None] = mapped_column(UtcTime)
    shelved_by: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    ended_by: Mapped[str | None] = mapped_column(String(120))


@dataclass(frozen=True, slots=True)
class Shelf:
    """A shelf that holds now; `until` is None while it lasts until somebody ends it."""

    shelf_id: int
    tank_id: int
    tank: str
    incident_id: int | None
    kind: ShelfKind
    since: datetime
    until: datetime | None
    by: str
    reason: str


def is_active(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a shelf holds at `now`, but for the end of its incident."""
    return (
        (ShelfRow.from_at <= now)
        & (ShelfRow.until_at.is_(None) | (ShelfRow.until_at > now))
        & (ShelfRow.ended_at.is_(None) | (ShelfRow.ended_at > now))
    )


def load_shelves(
    connection: Connection, now: datetime, *, tank_id: int | None = None
) -> list[Shelf]:
    """Return the shelves that hold at `now`, by tank, of all tanks or of one."""
    query = (
        select(*ShelfRow.__table__.columns, TankRow.name.label("tank"))
        .join(TankRow, TankRow.tank_id == ShelfRow.tank_id)
        .outerjoin(IncidentRow, IncidentRow.incident_id == ShelfRow.incident_id)
        .where(is_active(now))
        .where(ShelfRow.incident_id.is_(None) | _stands())
        .order_by(TankRow.name, ShelfRow.shelf_id)
    )
    if tank_id is not None:
        query = query.where(ShelfRow.tank_id == tank_id)
    return [
        Shelf(
            shelf_id=row.shelf_id,
            tank_id=row.tank_id,
            tank=row.tank,
            incident_id=row.incident_id,
            kind=ShelfKind(row.kind),
            since=row.from_at,
            until=row.until_at,
            by=row.shelved_by,
            reason=row.reason,
        )
        for row in connection.execute(query)
    ]


def shelve(
    connection: Connection,
    scope: Scope,
    *,
    span: timedelta,
    longest: timedelta,
    by: Actor,
    at: datetime,
    reason: str,
) -> datetime:
    """Shelve a tank, or each tank of a site, and return until when.

    Tanks that were shelved already are shelved anew: the newest time counts.

    Raises:
        UsageError: there is no reason, or it is for longer than `longest`.
    """
    reason = _reason(reason, "shelving")
    if span <= timedelta(0):
        message = "shelving needs a time ahead, for instance --for 8h"
        raise UsageError(message)
    if span > longest:
        message = (
            f"{human_duration(span.total_seconds())} is longer than "
            f"{human_duration(longest.total_seconds())}, the longest time a tank is shelved for: "
            "shelve it for less, take it out of service, or raise alarms.longest_shelf_h"
        )
        raise UsageError(message)
    until = at + span
    tanks = _tanks(connection, scope)
    _end(connection, tanks, (ShelfKind.SHELVED,), by=by, at=at)
    _put(connection, tanks, ShelfKind.SHELVED, until=until, by=by, at=at, reason=reason)
    detail = f"until {until:%Y-%m-%d %H:%M} UTC: {reason}"
    audit(connection, by, action="shelve", subject=scope.name, at=at, detail=detail)
    return until


def shelve_until_clear(
    connection: Connection,
    incident_id: int,
    *,
    longest: timedelta,
    by: Actor,
    at: datetime,
    reason: str,
) -> datetime:
    """Shelve one incident until it clears, and return until when at the latest.

    Raises:
        UsageError: there is no reason or no such incident, or it is over.
    """
    reason = _reason(reason, "shelving")
    scope = scope_of_incident(connection, incident_id)
    query = select(IncidentRow.incident_id).where(IncidentRow.incident_id == incident_id, _stands())
    if connection.execute(query).first() is None:
        message = f"incident {incident_id} is over: there is nothing left to shelve"
        raise UsageError(message)
    until = at + longest
    tanks = _tanks(connection, scope)
    mine = ShelfRow.incident_id == incident_id
    _end(connection, tanks, (ShelfKind.ONE_SHOT,), mine, by=by, at=at)
    values = {"incident_id": incident_id}
    one_shot = ShelfKind.ONE_SHOT
    _put(connection, tanks, one_shot, until=until, by=by, at=at, reason=reason, **values)
    subject = f"incident {incident_id} of {scope.name}"
    detail = f"until it clears: {reason}"
    audit(connection, by, action="shelve", subject=subject, at=at, detail=detail)
    return until


def unshelve(connection: Connection, scope: Scope, *, by: Actor, at: datetime) -> int:
    """Let the alarms of a tank, or of a site's tanks, through again; return how many shelves ended.

    Raises:
        UsageError: nothing is shelved.
    """
    ended = _end(connection, _tanks(connection, scope), _SHELVED, by=by, at=at)
    if not ended:
        message = f"{scope.name} is not shelved: `tankwatch shelved` shows what is"
        raise UsageError(message)
    audit(connection, by, action="unshelve", subject=scope.name, at=at)
    return ended


def take_out_of_service(
    connection: Connection, scope: Scope, *, by: Actor, at: datetime, reason: str
) -> int:
    """Take a tank, or a site's tanks, out of service until they are put back; return how many.

    Raises:
        UsageError: there is no reason, or they are all out of service already.
    """
    reason = _reason(reason, "taking a tank out of service")
    out = select(ShelfRow.tank_id).where(
        is_active(at), ShelfRow.kind == ShelfKind.OUT_OF_SERVICE.value
    )
    already = set(connection.execute(out).scalars())
    tanks = [tank for tank in _tanks(connection, scope) if tank not in already]
    if not tanks:
        message = f"{scope.name} is out of service already"
        raise UsageError(message)
    _put(connection, tanks, ShelfKind.OUT_OF_SERVICE, until=None, by=by, at=at, reason=reason)
    audit(connection, by, action="out-of-service", subject=scope.name, at=at, detail=reason)
    return len(tanks)


def put_back_in_service(
    connection: Connection, scope: Scope, *, by: Actor, at: datetime, reason: str = ""
) -> int:
    """Put a tank, or a site's tanks, back in service; return how many.

    Raises:
        UsageError: they are in service.
    """
    tanks = _tanks(connection, scope)
    ended = _end(connection, tanks, (ShelfKind.OUT_OF_SERVICE,), by=by, at=at)
    if not ended:
        message = f"{scope.name} is in service: `tankwatch shelved` shows what is not"
        raise UsageError(message)
    audit(connection, by, action="in-service", subject=scope.name, at=at, detail=reason)
    return ended


def standing_incidents(connection: Connection, scope: Scope) -> list[int]:
    """Return the incidents of a tank, or of a site's tanks, that are neither closed nor over."""
    query = select(IncidentRow.incident_id).where(
        IncidentRow.tank_id.in_(_tanks(connection, scope)), _stands()
    )
    return list(connection.execute(query.order_by(IncidentRow.incident_id)).scalars())


def _stands() -> ColumnElement[bool]:
    return IncidentRow.ended_at.is_(None) & (IncidentRow.state != IncidentState.CLOSED.value)


def _tanks(connection: Connection, scope: Scope) -> list[int]:
    query = select(TankRow.tank_id).order_by(TankRow.tank_id)
    if scope.tank_id is not None:
        query = query.where(TankRow.tank_id == scope.tank_id)
    elif scope.site_id is not None:
        query = query.where(TankRow.site_id == scope.site_id)
    return list(connection.execute(query).scalars())


def _put(
    connection: Connection,
    tanks: list[int],
    kind: ShelfKind,
    *,
    until: datetime | None,
    by: Actor,
    at: datetime,
    reason: str,
    **values: Any,
) -> None:
    shared = {"kind": kind.value, "from_at": at, "until_at": until, "shelved_by": by.name}
    rows = [{"tank_id": tank, "reason": reason, **shared, **values} for tank in tanks]
    if rows:
        connection.execute(insert(ShelfRow), rows)


def _end(
    connection: Connection,
    tanks: list[int],
    kinds: tuple[ShelfKind, ...],
    *which: ColumnElement[bool],
    by: Actor,
    at: datetime,
) -> int:
    """End shelves of these kinds that hold, and return how many did."""
    change = update(ShelfRow).where(
        ShelfRow.tank_id.in_(tanks),
        ShelfRow.kind.in_([kind.value for kind in kinds]),
        is_active(at),
        *which,
    )
    return connection.execute(change.values(ended_at=at, ended_by=by.name)).rowcount


def _reason(reason: str, what: str) -> str:
    if not reason.strip():
        message = f"{what} needs a reason: say it with --reason"
        raise UsageError(message)
    return reason.strip()
