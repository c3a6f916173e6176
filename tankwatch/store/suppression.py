"""Rules by which a plant mutes tanks by design, and the transfers that one of them looks at."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, ForeignKey, String, Text, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.actor import Actor
from tankwatch.core.muting import SuppressionRule
from tankwatch.core.times import human_duration, iso
from tankwatch.errors import UsageError
from tankwatch.store.acts import audit
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.plant import SiteRow, TankRow
from tankwatch.store.scope import Scope


class SuppressionRow(Base):
    """A rule for a tank, for a site or, where both are missing, for every tank, while it is set."""

    __tablename__ = "suppression"

    suppression_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    rule: Mapped[str] = mapped_column(String(24))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.site_id"), index=True)
    tank_id: Mapped[int | None] = mapped_column(ForeignKey("tank.tank_id"), index=True)
    from_at: Mapped[datetime] = mapped_column(UtcTime)
    until_at: Mapped[datetime | None] = mapped_column(UtcTime)
    put_by: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    ended_by: Mapped[str | None] = mapped_column(String(120))


class TransferRow(Base):
    """A stretch in which product is moved into a tank, out of it, or through it."""

    __tablename__ = "transfer"

    transfer_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    tank_id: Mapped[int] = mapped_column(ForeignKey("tank.tank_id"), index=True)
    from_at: Mapped[datetime] = mapped_column(UtcTime)
    until_at: Mapped[datetime] = mapped_column(UtcTime)
    put_by: Mapped[str] = mapped_column(String(120))
    note: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    ended_by: Mapped[str | None] = mapped_column(String(120))


@dataclass(frozen=True, slots=True)
class Suppression:
    """A rule that is set; `name` says for what, `until` is None while it is set for good."""

    suppression_id: int
    rule: SuppressionRule
    site_id: int | None
    tank_id: int | None
    name: str
    since: datetime
    until: datetime | None
    by: str
    reason: str

    def covers(self, tank_id: int, site_id: int) -> bool:
        """Return whether a tank of a site is under this rule."""
        if self.tank_id is not None:
            return self.tank_id == tank_id
        return self.site_id is None or self.site_id == site_id


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer that runs."""

    transfer_id: int
    tank_id: int
    tank: str
    since: datetime
    until: datetime
    by: str
    note: str


def add_suppression(
    connection: Connection,
    scope: Scope,
    rule: SuppressionRule,
    *,
    by: Actor,
    at: datetime,
    reason: str,
    until: datetime | None = None,
) -> int:
    """Set a rule for a tank, a site or everywhere, and return its number.

    Raises:
        UsageError: there is no reason, or it would end before it begins.
    """
    if not reason.strip():
        message = "a suppression rule needs a reason: say it with --reason"
        raise UsageError(message)
    if until is not None and until <= at:
        message = f"a rule until {iso(until)} would never hold: that is past"
        raise UsageError(message)
    row = {
        "rule": rule.value,
        "site_id": scope.site_id,
        "tank_id": scope.tank_id,
        "from_at": at,
        "until_at": until,
        "put_by": by.name,
        "reason": reason.strip(),
    }
    made = insert(SuppressionRow).values(row).returning(SuppressionRow.suppression_id)
    key = connection.execute(made).scalar_one()
    subject = f"rule {rule.value} for {scope.name}"
    audit(connection, by, action="suppress", subject=subject, at=at, detail=reason.strip())
    return key


def end_suppression(
    connection: Connection, suppression_id: int, *, by: Actor, at: datetime
) -> None:
    """End a rule from now on.

    Raises:
        UsageError: there is no such rule, or it has ended.
    """
    change = update(SuppressionRow).where(
        SuppressionRow.suppression_id == suppression_id, _holds(SuppressionRow, at)
    )
    if not connection.execute(change.values(ended_at=at, ended_by=by.name)).rowcount:
        message = (
            f"there is no suppression rule {suppression_id} that holds: "
            "`tankwatch suppress list` shows them"
        )
        raise UsageError(message)
    subject = f"rule {suppression_id}"
    audit(connection, by, action="suppress-end", subject=subject, at=at)


def load_suppressions(connection: Connection, now: datetime) -> list[Suppression]:
    """Return the rules that hold at `now`."""
    query = (
        select(
            *SuppressionRow.__table__.columns,
            TankRow.name.label("tank"),
            SiteRow.name.label("site"),
        )
        .outerjoin(TankRow, TankRow.tank_id == SuppressionRow.tank_id)
        .outerjoin(SiteRow, SiteRow.site_id == SuppressionRow.site_id)
        .where(_holds(SuppressionRow, now))
        .order_by(SuppressionRow.suppression_id)
    )
    return [
        Suppression(
            suppression_id=row.suppression_id,
            rule=SuppressionRule(row.rule),
            site_id=row.site_id,
            tank_id=row.tank_id,
            name=row.tank or row.site or "every tank",
            since=row.from_at,
            until=row.until_at,
            by=row.put_by,
            reason=row.reason,
        )
        for row in connection.execute(query)
    ]


def start_transfer(
    connection: Connection,
    scope: Scope,
    *,
    span: timedelta,
    longest: timedelta,
    by: Actor,
    at: datetime,
    note: str = "",
) -> datetime:
    """Put down that a transfer of a tank runs, and return until when at the latest.

    One that ran already goes on until the new time.

    Raises:
        UsageError: it is not a tank's, or for longer than `longest`.
    """
    if scope.tank_id is None:
        message = "a transfer is one of a tank"
        raise UsageError(message)
    if not timedelta(0) < span <= longest:
        message = (
            f"a transfer takes more than no time and at most "
            f"{human_duration(longest.total_seconds())}: start it again when it takes longer, or "
            "raise alarms.longest_transfer_h"
        )
        raise UsageError(message)
    _end_transfers(connection, scope.tank_id, by=by, at=at)
    row = {
        "tank_id": scope.tank_id,
        "from_at": at,
        "until_at": at + span,
        "put_by": by.name,
        "note": note,
    }
    connection.execute(insert(TransferRow).values(row))
    detail = f"until {iso(at + span)} {note}".strip()
    audit(connection, by, action="transfer-start", subject=scope.name, at=at, detail=detail)
    return at + span


def end_transfer(connection: Connection, scope: Scope, *, by: Actor, at: datetime) -> None:
    """Put down that a tank's transfer is over.

    Raises:
        UsageError: none runs.
    """
    if scope.tank_id is None or not _end_transfers(connection, scope.tank_id, by=by, at=at):
        message = f"no transfer of {scope.name} runs: `tankwatch transfer list` shows what does"
        raise UsageError(message)
    audit(connection, by, action="transfer-end", subject=scope.name, at=at)


def load_transfers(
    connection: Connection, now: datetime, *, tank_id: int | None = None
) -> list[Transfer]:
    """Return the transfers that run at `now`, by tank, of all tanks or of one."""
    query = (
        select(*TransferRow.__table__.columns, TankRow.name.label("tank"))
        .join(TankRow, TankRow.tank_id == TransferRow.tank_id)
        .where(_holds(TransferRow, now))
        .order_by(TankRow.name, TransferRow.transfer_id)
    )
    if tank_id is not None:
        query = query.where(TransferRow.tank_id == tank_id)
    return [
        Transfer(
            row.transfer_id, row.tank_id, row.tank, row.from_at, row.until_at, row.put_by, row.note
        )
        for row in connection.execute(query)
    ]


def _end_transfers(connection: Connection, tank_id: int, *, by: Actor, at: datetime) -> int:
    change = update(TransferRow).where(TransferRow.tank_id == tank_id, _holds(TransferRow, at))
    return connection.execute(change.values(ended_at=at, ended_by=by.name)).rowcount


def _holds(row: type[SuppressionRow | TransferRow], now: datetime) -> ColumnElement[bool]:
    return (
        (row.from_at <= now)
        & (row.until_at.is_(None) | (row.until_at > now))
        & (row.ended_at.is_(None) | (row.ended_at > now))
    )
