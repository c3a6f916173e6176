"""Sites, tanks, channels and their limits."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Float,
    ForeignKey,
    Integer,
    String,
    UniqueConstraint,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.errors import UsageError
from tankwatch.store.base import Base, UtcTime
from tankwatch.store.sql import is_sqlite

_FEW = 200
_CHANNEL_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}\Z")


class SiteRow(Base):
    """A place with tanks."""

    __tablename__ = "site"

    site_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)


class TankRow(Base):
    """A tank; `pressure_reference` says whether its pressure was sent as gauge or absolute."""

    __tablename__ = "tank"

    tank_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.site_id"), index=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    pressure_reference: Mapped[str] = mapped_column(String(8), default="gauge")
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    response_s: Mapped[float | None] = mapped_column(Float(53))


class ChannelRow(Base):
    """A measured quantity; a nullable column of `reading` has its name."""

    __tablename__ = "channel"

    channel_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(48), unique=True)
    unit: Mapped[str] = mapped_column(String(24))


class ChannelLimitRow(Base):
    """A tank's own engineering limits; where a row is missing, the settings' hold."""

    __tablename__ = "channel_limit"
    __table_args__ = (UniqueConstraint("tank_id", "channel_id"),)

    channel_limit_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    tank_id: Mapped[int] = mapped_column(ForeignKey("tank.tank_id"))
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.channel_id"))
    low: Mapped[float | None] = mapped_column(Float(53))
    high: Mapped[float | None] = mapped_column(Float(53))


@dataclass(frozen=True, slots=True)
class Tank:
    """A tank as the rest of the program knows it.

    `response_s` is the time in which somebody can act on it, None for the settings' time.
    """

    tank_id: int
    name: str
    site: str
    response_s: float | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as the rest of the program knows it."""

    channel_id: int
    name: str
    unit: str


def check_channel_name(name: str) -> str:
    """Return `name` if it can be a column.

    Raises:
        UsageError: it cannot; the message says what can.
    """
    if not _CHANNEL_NAME.match(name):
        message = (
            f"{name!r} cannot name a channel: use small letters, digits and underscores, "
            "begin with a letter, at most 48"
        )
        raise UsageError(message)
    return name


def load_tanks(connection: Connection) -> list[Tank]:
    """Return every tank, by name."""
    query = (
        select(TankRow.tank_id, TankRow.name, SiteRow.name, TankRow.response_s)
        .join(SiteRow, SiteRow.site_id == TankRow.site_id)
        .order_by(TankRow.name)
    )
    return [Tank(*row) for row in connection.execute(query)]


def load_channels(connection: Connection) -> list[Channel]:
    """Return every channel, in the order in which they were added."""
    query = select(ChannelRow.channel_id, ChannelRow.name, ChannelRow.unit)
    return [Channel(*row) for row in connection.execute(query.order_by(ChannelRow.channel_id))]


def ensure_tanks(
    connection: Connection, names: Iterable[str], *, site: str, at: datetime
) -> dict[str, int]:
    """Create the tanks of `names` that are missing, and return the id of each."""
    wanted = list(dict.fromkeys(names))
    known = tank_ids(connection, wanted)
    missing = [name for name in wanted if name not in known]
    if missing:
        site_id = ensure_site(connection, site)
        rows = [
            {"name": name, "site_id": site_id, "created_at": at, "pressure_reference": "gauge"}
            for name in missing
        ]
        _insert_missing(connection, TankRow, rows)
        known |= tank_ids(connection, missing)
    return known


def ensure_site(connection: Connection, name: str) -> int:
    """Create the site `name` if it is missing, and return its id."""
    query = select(SiteRow.site_id).where(SiteRow.name == name)
    known = connection.execute(query).scalar_one_or_none()
    if known is None:
        _insert_missing(connection, SiteRow, [{"name": name}])
        known = connection.execute(query).scalar_one()
    return known


def tank_ids(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the id of each tank of `names` that exists."""
    wanted = set(names)
    query = select(TankRow.name, TankRow.tank_id)
    if len(wanted) <= _FEW:  # a live source brings a few tanks a second of a plant of thousands
        query = query.where(TankRow.name.in_(wanted))
    rows = connection.execute(query)
    return {name: tank_id for name, tank_id in rows if name in wanted}


def set_limits(
    connection: Connection, tank_id: int, limits: Mapping[int, tuple[float | None, float | None]]
) -> None:
    """Store a tank's own (low, high) limits by channel id, replacing earlier ones."""
    for channel_id, (low, high) in limits.items():
        where = (ChannelLimitRow.tank_id == tank_id, ChannelLimitRow.channel_id == channel_id)
        values = {"low": low, "high": high}
        if not connection.execute(update(ChannelLimitRow).where(*where).values(values)).rowcount:
            row = {"tank_id": tank_id, "channel_id": channel_id, **values}
            connection.execute(insert(ChannelLimitRow), row)


def set_response(connection: Connection, tank_id: int, response_s: float | None) -> None:
    """Store the time in which somebody can act on a tank; None takes the settings'."""
    change = update(TankRow).where(TankRow.tank_id == tank_id)
    connection.execute(change.values(response_s=response_s))


def load_limits(
    connection: Connection,
) -> dict[tuple[int, int], tuple[float | None, float | None]]:
    """Return (low, high) by (tank id, channel id)."""
    query = select(
        ChannelLimitRow.tank_id,
        ChannelLimitRow.channel_id,
        ChannelLimitRow.low,
        ChannelLimitRow.high,
    )
    return {(tank, channel): (low, high) for tank, channel, low, high in connection.execute(query)}


def _insert_missing(
    connection: Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert the rows whose names no other program has inserted meanwhile."""
    dialect = sqlite if is_sqlite(connection) else postgresql
    added = dialect.insert(table).on_conflict_do_nothing(index_elements=["name"])
    connection.execute(added, rows)
