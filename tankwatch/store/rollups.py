"""Hours and days of readings: what stays when readings go, and what dashboards draw years from."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    SmallInteger,
    Table,
    delete,
    text,
)

from tankwatch.core.rollup import DAY_MS, RollupRows
from tankwatch.store.base import Base, UtcTime
from tankwatch.store.sql import id_list, is_sqlite, ms_column, ms_parameter

_COLUMNS = (
    *("tank_id", "starts_at", "channel_id", "readings", "valid", "filled_share"),
    *("quality_share", "mean", "low", "high", "first_value", "last_value"),
)
_WHOLE = 5
_KINDS = ("integer", "bigint", "smallint", "integer", "integer", *(["float8"] * 7))


def _table(name: str) -> Table:
    """Return a table of roll-ups; all channels of a tank's period lie together."""
    values = [Column(column, Float(53), nullable=False) for column in _COLUMNS[_WHOLE:]]
    return Table(
        name,
        Base.metadata,
        Column(
            "tank_id", Integer, ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False
        ),
        Column("starts_at", UtcTime, primary_key=True),
        Column(
            "channel_id",
            SmallInteger,
            ForeignKey("channel.channel_id"),
            primary_key=True,
            autoincrement=False,
        ),
        Column("readings", Integer, nullable=False),
        Column("valid", Integer, nullable=False),
        *values,
        sqlite_with_rowid=False,
    )


reading_hour = _table("reading_hour")
reading_day = _table("reading_day")

# Which channels a tank has, since which day: a silent one is expected all the same.
tank_channel = Table(
    "tank_channel",
    Base.metadata,
    Column("tank_id", Integer, ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False),
    Column(
        "channel_id",
        SmallInteger,
        ForeignKey("channel.channel_id"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("from_day", UtcTime, nullable=False),
)

# The days of the plant, from its first reading to its last; `share` is what has passed of a day.
plant_day = Table(
    "plant_day",
    Base.metadata,
    Column("starts_at", UtcTime, primary_key=True, autoincrement=False),
    Column("share", Float(53), nullable=False),
)


def store_rollups(connection: Connection, table: Table, rows: RollupRows) -> None:
    """Upsert roll-ups into `reading_hour` or `reading_day`."""
    if not rows.tank_id.size:
        return
    lists = [getattr(rows, field.name).tolist() for field in fields(RollupRows)]
    changes = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[3:])
    conflict = f"ON CONFLICT (tank_id, starts_at, channel_id) DO UPDATE SET {changes}"
    target = f"{table.name} ({', '.join(_COLUMNS)})"
    if is_sqlite(connection):
        marks = ", ".join("?" * len(_COLUMNS))
        statement = f"INSERT INTO {target} VALUES ({marks}) {conflict}"  # noqa: S608 - constants
        connection.exec_driver_sql(statement, list(zip(*lists, strict=True)))
        return
    names = [f"u{place}" for place in range(len(_COLUMNS))]
    arrays = ", ".join(
        f"CAST(:{name} AS {kind}[])" for name, kind in zip(names, _KINDS, strict=True)
    )
    chosen = [f"u.{name}" for name in names]
    chosen[1] = ms_parameter(connection, chosen[1])
    statement = (
        f"INSERT INTO {target} SELECT {', '.join(chosen)} "  # noqa: S608 - constants only
        f"FROM unnest({arrays}) AS u({', '.join(names)}) {conflict}"
    )
    connection.execute(text(statement), dict(zip(names, lists, strict=True)))


def load_rollups(
    connection: Connection, table: Table, tank_ids: Sequence[int], *, from_ms: int, until_ms: int
) -> RollupRows:
    """Return the roll-ups of periods that begin in a stretch, by tank, period and channel."""
    tanks, parameters = id_list(connection, tank_ids)
    low, high = (ms_parameter(connection, name) for name in (":from_ms", ":until_ms"))
    columns = ", ".join(("tank_id", ms_column(connection, "starts_at"), *_COLUMNS[2:]))
    query = text(
        f"SELECT {columns} FROM {table.name} "  # noqa: S608 - constants only
        f"WHERE tank_id IN ({tanks}) AND starts_at >= {low} AND starts_at < {high} "
        "ORDER BY tank_id, starts_at, channel_id"
    )
    found = connection.execute(query, {**parameters, "from_ms": from_ms, "until_ms": until_ms})
    rows = np.array([tuple(row) for row in found], dtype=np.float64).reshape(-1, len(_COLUMNS))
    whole = rows[:, :_WHOLE].astype(np.int64)
    return RollupRows(*whole.T, *rows[:, _WHOLE:].T)


def note_channels(connection: Connection, days: RollupRows) -> None:
    """Note since which day each tank has had which channel."""
    order = np.lexsort((days.starts_ms, days.channel_id, days.tank_id))
    tank, channel = days.tank_id[order], days.channel_id[order]
    first = np.ones(tank.size, dtype=bool)
    first[1:] = (np.diff(tank) != 0) | (np.diff(channel) != 0)
    starts = days.starts_ms[order][first]
    lists = zip(tank[first].tolist(), channel[first].tolist(), starts.tolist(), strict=True)
    rows = [{"tank": t, "channel": c, "day": d} for t, c, d in lists]
    day = ms_parameter(connection, ":day")
    statement = (
        f"INSERT INTO tank_channel VALUES (:tank, :channel, {day}) "  # noqa: S608 - constants only
        "ON CONFLICT (tank_id, channel_id) DO UPDATE SET from_day = excluded.from_day "
        "WHERE excluded.from_day < tank_channel.from_day"
    )
    if rows:
        connection.execute(text(statement), rows)


def note_days(connection: Connection, *, first_ms: int, until_ms: int) -> None:
    """Note the days from `first_ms` to `until_ms`, and what has passed of the last one."""
    edges = f"min({ms_column(connection, 'starts_at')}), max({ms_column(connection, 'starts_at')})"
    low, high = connection.execute(text(f"SELECT {edges} FROM plant_day")).one()  # noqa: S608
    if low is not None:  # no day between two that are known is left out
        first_ms, until_ms = min(first_ms, int(high)), max(until_ms, int(low))
    days = np.arange(first_ms // DAY_MS, -(-until_ms // DAY_MS), dtype=np.int64) * DAY_MS
    passed: NDArray[np.float64] = np.minimum((until_ms - days) / DAY_MS, 1.0)
    day = ms_parameter(connection, ":day")
    statement = (
        f"INSERT INTO plant_day VALUES ({day}, :share) "  # noqa: S608 - constants only
        "ON CONFLICT (starts_at) DO UPDATE SET share = excluded.share "
        "WHERE excluded.share > plant_day.share"
    )
    rows = [{"day": d, "share": s} for d, s in zip(days.tolist(), passed.tolist(), strict=True)]
    connection.execute(text(statement), rows)


def delete_rollups_before(connection: Connection, table: Table, moment: datetime) -> int:
    """Delete roll-ups of periods that began before `moment`; return their number."""
    return connection.execute(delete(table).where(table.c.starts_at < moment)).rowcount
