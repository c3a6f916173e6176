"""Work on a site or a tank, once or again and again by a rule."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    ForeignKey,
    String,
    Text,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.actor import Actor
from tankwatch.core.recurrence import Recurrence, check_rule
from tankwatch.core.times import iso
from tankwatch.errors import UsageError
from tankwatch.store.acts import audit
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.plant import SiteRow, TankRow
from tankwatch.store.scope import Scope

_LONGEST = timedelta(days=366)


class MaintenanceRow(Base):
    """A stretch in which a site or a tank is worked on, and the rule by which it comes again.

    `from_at` to `until_at` is the first window; `mutes` says whether mail waits meanwhile.  What is
    cancelled stands up to then.
    """

    __tablename__ = "maintenance"

    maintenance_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.site_id"), index=True)
    tank_id: Mapped[int | None] = mapped_column(ForeignKey("tank.tank_id"), index=True)
    from_at: Mapped[datetime] = mapped_column(UtcTime)
    until_at: Mapped[datetime] = mapped_column(UtcTime)
    reason: Mapped[str] = mapped_column(Text)
    rrule: Mapped[str] = mapped_column(Text, server_default="")
    time_zone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    mutes: Mapped[bool] = mapped_column(Boolean, server_default=true())
    put_by: Mapped[str] = mapped_column(String(120), server_default="")
    put_at: Mapped[datetime | None] = mapped_column(UtcTime)
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcTime)
    cancelled_by: Mapped[str | None] = mapped_column(String(120))


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Work as the rest of the program knows it; `name` is the tank's or the site's."""

    maintenance_id: int
    site_id: int | None
    tank_id: int | None
    name: str
    recurrence: Recurrence
    reason: str
    mutes: bool
    by: str
    cancelled_at: datetime | None
    cancelled_by: str | None

    def covers(self, tank_id: int, site_id: int) -> bool:
        """Return whether a tank of a site is worked on by this."""
        if self.tank_id is not None:
            return self.tank_id == tank_id
        return self.site_id == site_id

    def windows(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the windows from `start` to `end`, up to when it was cancelled."""
        stop = self.cancelled_at
        for first, last in self.recurrence.windows(start, end):
            if stop is None or first < stop:
                yield first, last if stop is None else min(last, stop)

    def until(self, now: datetime) -> datetime | None:
        """Return the end of the window that `now` is in; None if it is in none."""
        return max(
            (end for start, end in self.windows(now, now) if start <= now < end), default=None
        )

    def next_window(self, now: datetime) -> tuple[datetime, datetime] | None:
        """Return the window that is under way at `now` or follows; None if there is none."""
        return None if self.cancelled_at else self.recurrence.next_after(now)


def add_maintenance(
    connection: Connection,
    scope: Scope,
    recurrence: Recurrence,
    *,
    by: Actor,
    at: datetime,
    reason: str,
    mutes: bool = True,
) -> int:
    """Put work down, once or by a rule, and return its number.

    Raises:
        UsageError: there is no reason, it takes no time or more than a year, or the rule is none.
    """
    if not reason.strip():
        message = "maintenance needs a reason: say it with --reason"
        raise UsageError(message)
    if not timedelta(0) < recurrence.length <= _LONGEST:
        message = "a window of maintenance takes more than no time and at most a year"
        raise UsageError(message)
    if scope.tank_id is None and scope.site_id is None:
        message = "say which tank or which site is worked on"
        raise UsageError(message)
    rule = recurrence.rule
    row = {
        "site_id": scope.site_id,
        "tank_id": scope.tank_id,
        "from_at": recurrence.start,
        "until_at": recurrence.end,
        "reason": reason.strip(),
        "rrule": check_rule(rule, recurrence.start, recurrence.zone) if rule else "",
        "time_zone": recurrence.zone,
        "mutes": mutes,
        "put_by": by.name,
        "put_at": at,
    }
    made = insert(MaintenanceRow).values(row).returning(MaintenanceRow.maintenance_id)
    key = connection.execute(made).scalar_one()
    when = f"{iso(recurrence.start)} to {iso(recurrence.end)}"
    again = f", {row['rrule']} in {recurrence.zone}" if rule else ""
    subject = f"maintenance {key} of {scope.name}"
    detail = f"{when}{again}: {reason.strip()}"
    audit(connection, by, action="maintenance-add", subject=subject, at=at, detail=detail)
    return key


def cancel_maintenance(
    connection: Connection, maintenance_id: int, *, by: Actor, at: datetime
) -> None:
    """Have work not take place from now on; what took place stays.

    Raises:
        UsageError: there is no such work, or it is cancelled already.
    """
    change = update(MaintenanceRow).where(
        MaintenanceRow.maintenance_id == maintenance_id, MaintenanceRow.cancelled_at.is_(None)
    )
    if not connection.execute(change.values(cancelled_at=at, cancelled_by=by.name)).rowcount:
        message = (
            f"there is no maintenance {maintenance_id} that could be cancelled: "
            "`tankwatch maintenance list` shows what there is"
        )
        raise UsageError(message)
    subject = f"maintenance {maintenance_id}"
    audit(connection, by, action="maintenance-cancel", subject=subject, at=at)


def load_maintenance(connection: Connection, *conditions: ColumnElement[bool]) -> list[Maintenance]:
    """Return what work is put down, in the order of its first window."""
    query = (
        select(
            *MaintenanceRow.__table__.columns,
            TankRow.name.label("tank"),
            SiteRow.name.label("site"),
        )
        .outerjoin(TankRow, TankRow.tank_id == MaintenanceRow.tank_id)
        .outerjoin(SiteRow, SiteRow.site_id == MaintenanceRow.site_id)
        .where(*conditions)
        .order_by(MaintenanceRow.from_at, MaintenanceRow.maintenance_id)
    )
    return [_maintenance(row) for row in connection.execute(query)]


def may_touch(start: datetime, end: datetime) -> ColumnElement[bool]:
    """Return the condition that work may have a window between two times."""
    in_time = (MaintenanceRow.rrule != "") | (MaintenanceRow.until_at >= start)
    stands = MaintenanceRow.cancelled_at.is_(None) | (MaintenanceRow.cancelled_at >= start)
    return (MaintenanceRow.from_at <= end) & in_time & stands


def is_planned(connection: Connection, tank_id: int, start: datetime, end: datetime) -> bool:
    """Return whether work on a tank or on its site is put down for some of `start` to `end`."""
    its_site = select(TankRow.site_id).where(TankRow.tank_id == tank_id).scalar_subquery()
    of_tank = (MaintenanceRow.tank_id == tank_id) | (
        MaintenanceRow.tank_id.is_(None) & (MaintenanceRow.site_id == its_site)
    )
    found = load_maintenance(connection, of_tank, may_touch(start, end))
    return any(True for work in found for _ in work.windows(start, end))


def load_worked_on(
    connection: Connection, *, recurring: tuple[datetime, datetime]
) -> list[tuple[int, datetime, datetime]]:
    """Return (tank id, start, end) of each window.

    Of work that comes again, the windows from one time to another: `recurring`.
    """
    tanks = list(connection.execute(select(TankRow.tank_id, TankRow.site_id)))
    found = []
    for work in load_maintenance(connection):
        first = work.recurrence
        span = recurring if first.rule else (first.start, first.end)
        windows = list(work.windows(*span))
        mine = [tank_id for tank_id, site_id in tanks if work.covers(tank_id, site_id)]
        found += [(tank_id, start, end) for tank_id in mine for start, end in windows]
    return found


def _maintenance(row: Any) -> Maintenance:
    return Maintenance(
        maintenance_id=row.maintenance_id,
        site_id=row.site_id,
        tank_id=row.tank_id,
        name=row.tank or row.site,
        recurrence=Recurrence(row.from_at, row.until_at, row.rrule, row.time_zone),
        reason=row.reason,
        mutes=row.mutes,
        by=row.put_by,
        cancelled_at=row.cancelled_at,
        cancelled_by=row.cancelled_by,
    )
