"""Which hours are to be rolled up: the new ones, and those that an upsert touched again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.rollup import HOUR_MS
from tankwatch.store.base import Base, UtcTime
from tankwatch.store.readings import ReadingRows
from tankwatch.store.sql import id_list, is_sqlite, ms_column, ms_parameter
from tankwatch.store.watermarks import BEFORE_ALL_MS

_EARLIEST_MS = -62_135_596_800_000  # of a datetime


class RollupRow(Base):
    """How far a tank's readings are rolled up.

    Readings up to `rolled_at` are in a roll-up or due for one.  Hours before `closed_until` lost
    their readings to retention, so they are never computed again.
    """

    __tablename__ = "rollup"

    tank_id: Mapped[int] = mapped_column(
        ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False
    )
    rolled_at: Mapped[datetime | None] = mapped_column(UtcTime)
    closed_until: Mapped[datetime | None] = mapped_column(UtcTime)


class RollupDueRow(Base):
    """An hour of a tank that is to be rolled up, again or for the first time."""

    __tablename__ = "rollup_due"

    tank_id: Mapped[int] = mapped_column(
        ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False
    )
    hour_at: Mapped[datetime] = mapped_column(UtcTime, primary_key=True)


@dataclass(frozen=True, slots=True)
class Progress:
    """A tank's first reading that is not rolled up, and its last, in epoch milliseconds."""

    tank_id: int
    next_ms: int
    last_ms: int


def mark_due(
    connection: Connection, tank_id: NDArray[np.int64], observed_ms: NDArray[np.int64]
) -> None:
    """Mark the hours that readings touched behind what is rolled up; newer ones come by themselves.

    To be called while the tanks' watermarks are locked.
    """
    tanks = np.unique(tank_id)
    rolled = {**dict.fromkeys(tanks.tolist(), BEFORE_ALL_MS), **_rolled(connection, tanks.tolist())}
    limit = np.array([rolled[tank] for tank in tanks.tolist()], dtype=np.int64)
    again = observed_ms <= limit[np.searchsorted(tanks, tank_id)]
    if again.any():
        keys = np.unique(np.stack([tank_id[again], observed_ms[again] // HOUR_MS]), axis=1)
        add_due(connection, keys[0], keys[1] * HOUR_MS)


def add_due(connection: Connection, tank_id: NDArray[np.int64], hour_ms: NDArray[np.int64]) -> None:
    """Note hours as due; those that are so already stay."""
    hour = ms_parameter(connection, ":hour")
    rows = [{"tank": t, "hour": h} for t, h in zip(tank_id.tolist(), hour_ms.tolist(), strict=True)]
    statement = f"INSERT INTO rollup_due VALUES (:tank, {hour}) ON CONFLICT DO NOTHING"  # noqa: S608
    if rows:
        connection.execute(text(statement), rows)


def load_progress(connection: Connection) -> list[Progress]:
    """Return the tanks that have readings newer than their roll-ups."""
    last = ms_column(connection, "w.last_reading_at")
    # One look at each tank's key: an empty stretch, of years where a clock was wrong, is jumped.
    early = ms_parameter(connection, str(_EARLIEST_MS))
    following = (
        "(SELECT min(n.observed_at) FROM reading n "  # noqa: S608 - constants only
        f"WHERE n.tank_id = w.tank_id AND n.observed_at > coalesce(r.rolled_at, {early}))"
    )
    query = text(
        f"SELECT w.tank_id, {ms_column(connection, following)}, {last} FROM watermark w "  # noqa: S608
        "LEFT JOIN rollup r ON r.tank_id = w.tank_id WHERE w.last_reading_at IS NOT NULL "
        "AND (r.rolled_at IS NULL OR r.rolled_at < w.last_reading_at) ORDER BY w.tank_id"
    )
    return [
        Progress(tank, int(newest if next_ms is None else next_ms), int(newest))
        for tank, next_ms, newest in connection.execute(query)
    ]


def set_rolled(connection: Connection, rolled_ms: Mapping[int, int]) -> None:
    """Store how far tanks are rolled up, what is on the way among it."""
    moment = ms_parameter(connection, ":moment")
    statement = (
        f"INSERT INTO rollup (tank_id, rolled_at) VALUES (:tank, {moment}) "  # noqa: S608
        "ON CONFLICT (tank_id) DO UPDATE SET rolled_at = excluded.rolled_at"
    )
    rows = [{"tank": tank, "moment": moment_ms} for tank, moment_ms in rolled_ms.items()]
    if rows:
        connection.execute(text(statement), rows)


def close_hours(connection: Connection, tank_ids: Sequence[int], *, until_ms: int) -> None:
    """Note that hours of these tanks before `until_ms` have no readings any more."""
    moment = ms_parameter(connection, ":moment")
    statement = (
        f"INSERT INTO rollup (tank_id, closed_until) VALUES (:tank, {moment}) "  # noqa: S608
        "ON CONFLICT (tank_id) DO UPDATE SET closed_until = excluded.closed_until "
        "WHERE rollup.closed_until IS NULL OR rollup.closed_until < excluded.closed_until"
    )
    rows = [{"tank": tank, "moment": until_ms} for tank in tank_ids]
    if rows:
        connection.execute(text(statement), rows)


def load_due(connection: Connection, *, limit: int) -> NDArray[np.int64]:
    """Return hours that are due, int64 (rows, 2): tank id and epoch milliseconds, in this order."""
    hour = ms_column(connection, "hour_at")
    query = text(
        f"SELECT tank_id, {hour} FROM rollup_due ORDER BY tank_id, hour_at LIMIT :limit"  # noqa: S608
    )
    found = [tuple(row) for row in connection.execute(query, {"limit": limit})]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def load_due_readings(
    connection: Connection, due: NDArray[np.int64], channels: Sequence[str]
) -> ReadingRows:
    """Return the readings of hours that are due and not closed, by tank and time.

    Args:
        connection: the transaction that holds the tanks' watermarks.
        due: int64 (rows, 2), the first hours that are due, as `load_due` has them.
        channels: checked names of channels.
    """
    query = text(due_readings_query(connection, channels))
    tank, hour = due[-1].tolist()
    found = connection.execute(query, {"tank": tank, "hour": hour})
    rows = np.array([tuple(row) for row in found], dtype=np.float64)
    rows = rows.reshape(-1, 2 + len(channels))
    return ReadingRows(rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), rows[:, 2:])


def due_readings_query(connection: Connection, channels: Sequence[str]) -> str:
    """Return the statement that reads hours that are due, up to `:hour` of `:tank`.

    SQLite takes CROSS JOIN as an order: left to itself it goes through every reading of a tank and,
    for each, through every hour before it.
    """
    end = "d.hour_at + 3600000" if is_sqlite(connection) else "d.hour_at + interval '1 hour'"
    last = f"(:tank, {ms_parameter(connection, ':hour')})"
    columns = ", ".join(f"r.{name}" for name in channels)
    return (
        f"SELECT r.tank_id, {ms_column(connection, 'r.observed_at')}, {columns} "  # noqa: S608
        "FROM rollup_due d LEFT JOIN rollup s ON s.tank_id = d.tank_id CROSS JOIN reading r "
        f"WHERE (d.tank_id, d.hour_at) <= {last} "
        f"AND r.tank_id = d.tank_id AND r.observed_at >= d.hour_at AND r.observed_at < {end} "
        "AND (s.closed_until IS NULL OR d.hour_at >= s.closed_until) "
        "ORDER BY d.tank_id, d.hour_at, r.observed_at"
    )


def clear_due(connection: Connection, due: NDArray[np.int64]) -> None:
    """Forget hours that were rolled up."""
    hour = ms_parameter(connection, ":hour")
    statement = f"DELETE FROM rollup_due WHERE tank_id = :tank AND hour_at = {hour}"  # noqa: S608
    rows = [{"tank": tank, "hour": hour_ms} for tank, hour_ms in due.tolist()]
    connection.execute(text(statement), rows)


def count_due(connection: Connection) -> int:
    """Return how many hours are due."""
    return int(connection.execute(text("SELECT count(*) FROM rollup_due")).scalar_one())


def _rolled(connection: Connection, tank_ids: Sequence[int]) -> dict[int, int]:
    tanks, parameters = id_list(connection, tank_ids)
    rolled = ms_column(connection, "rolled_at")
    query = text(
        f"SELECT tank_id, {rolled} FROM rollup "  # noqa: S608 - constants only
        f"WHERE tank_id IN ({tanks}) AND rolled_at IS NOT NULL"
    )
    return {tank: int(moment) for tank, moment in connection.execute(query, parameters)}
