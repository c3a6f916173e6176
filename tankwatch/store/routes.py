"""Routes: who is told of what."""

from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import (
    Boolean,
    Connection,
    ForeignKey,
    Integer,
    String,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.incident import Severity
from tankwatch.core.routing import Hours, Route
from tankwatch.errors import UsageError
from tankwatch.store.base import Base, UtcTime
from tankwatch.store.people import OperatorGroupRow, OperatorRow, need_operator
from tankwatch.store.plant import SiteRow


class RouteRow(Base):
    """Who is told of what, and when; `days` are the digits 1 (Monday) to 7.

    A route that was removed stays, as notifications tell by which they were sent.
    """

    __tablename__ = "route"

    route_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.site_id"))
    severity: Mapped[str] = mapped_column(String(12))
    days: Mapped[str] = mapped_column(String(7))
    from_time: Mapped[str] = mapped_column(String(5))
    until_time: Mapped[str] = mapped_column(String(5))
    operator_id: Mapped[int | None] = mapped_column(ForeignKey("operator.operator_id"))
    operator_group_id: Mapped[int | None] = mapped_column(
        ForeignKey("operator_group.operator_group_id")
    )
    after_s: Mapped[int] = mapped_column(Integer)
    digest: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class NewRoute:
    """A route that is to be stored; see `core.routing.Route`."""

    site: str | None
    severity: Severity
    hours: Hours
    operator: str | None
    group: str | None
    after_s: int
    digest: bool


def add_route(connection: Connection, new: NewRoute, *, at: datetime) -> int:
    """Store a route and return its number.

    Raises:
        UsageError: there is no such site, operator or group, or not exactly one of the two latter.
    """
    if (new.operator is None) == (new.group is None):
        message = "a route leads to one operator or to one group: give --operator or --group"
        raise UsageError(message)
    if new.after_s < 0:
        message = f"{new.after_s} s is no time to wait: 0 is at once"
        raise UsageError(message)
    operator = None if new.operator is None else need_operator(connection, new.operator).operator_id
    row = {
        "site_id": None if new.site is None else _site_id(connection, new.site),
        "severity": new.severity.value,
        "days": "".join(str(day) for day in sorted(new.hours.days)),
        "from_time": f"{new.hours.start:%H:%M}",
        "until_time": f"{new.hours.end:%H:%M}",
        "operator_id": operator,
        "operator_group_id": None if new.group is None else _group_id(connection, new.group),
        "after_s": new.after_s,
        "digest": new.digest,
        "created_at": at,
    }
    made = insert(RouteRow).values(row).returning(RouteRow.route_id)
    return connection.execute(made).scalar_one()


def remove_route(connection: Connection, route_id: int, *, at: datetime) -> None:
    """End a route.

    Raises:
        UsageError: there is no such route any more.
    """
    mine = (RouteRow.route_id == route_id, RouteRow.removed_at.is_(None))
    change = update(RouteRow).where(*mine)
    if not connection.execute(change.values(removed_at=at)).rowcount:
        message = f"there is no route {route_id}: see `tankwatch route list`"
        raise UsageError(message)


def load_routes(connection: Connection) -> list[Route]:
    """Return the routes that hold, by number."""
    query = (
        select(
            *RouteRow.__table__.columns,
            SiteRow.name.label("site"),
            OperatorRow.name.label("operator"),
            OperatorGroupRow.name.label("group"),
        )
        .select_from(RouteRow)
        .outerjoin(SiteRow, SiteRow.site_id == RouteRow.site_id)
        .outerjoin(OperatorRow, OperatorRow.operator_id == RouteRow.operator_id)
        .outerjoin(
            OperatorGroupRow, OperatorGroupRow.operator_group_id == RouteRow.operator_group_id
        )
        .where(RouteRow.removed_at.is_(None))
        .order_by(RouteRow.route_id)
    )
    return [
        Route(
            route_id=row.route_id,
            site=row.site,
            severity=Severity(row.severity),
            hours=Hours(
                frozenset(map(int, row.days)),
                time.fromisoformat(row.from_time),
                time.fromisoformat(row.until_time),
            ),
            operator=row.operator,
            group=row.group,
            after_s=row.after_s,
            digest=row.digest,
        )
        for row in connection.execute(query)
    ]


def _site_id(connection: Connection, name: str) -> int:
    query = select(SiteRow.site_id).where(SiteRow.name == name)
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        known = connection.execute(select(SiteRow.name).order_by(SiteRow.name)).scalars().all()
        message = f"there is no site {name!r}; there are: {', '.join(known) or 'none yet'}"
        raise UsageError(message)
    return found


def _group_id(connection: Connection, name: str) -> int:
    query = select(OperatorGroupRow.operator_group_id).where(OperatorGroupRow.name == name)
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        message = f"there is no group {name!r}: `tankwatch operator group NAME --group {name}`"
        raise UsageError(message)
    return found
