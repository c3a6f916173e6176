"""The highest score of each hour: what months of scores, and the trend of a fleet, are drawn from.

They are written with the scores themselves, so neither is ever ahead of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import REAL, Column, Connection, ForeignKey, Integer, Table, delete, text

from tankwatch.core.rollup import HOUR_MS
from tankwatch.core.times import from_ms
from tankwatch.store.base import Base, UtcTime
from tankwatch.store.sql import id_list, is_sqlite, ms_column, ms_parameter

score_hour = Table(
    "score_hour",
    Base.metadata,
    Column("tank_id", Integer, ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False),
    Column(
        "model_version_id",
        Integer,
        ForeignKey("model_version.model_version_id"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("starts_at", UtcTime, primary_key=True),
    Column("high", REAL, nullable=False),
    sqlite_with_rowid=False,
)
_CONFLICT = "ON CONFLICT (tank_id, model_version_id, starts_at) DO UPDATE SET high = excluded.high"


@dataclass(frozen=True, slots=True)
class ScoreHours:
    """The highest score of each hour of tanks.

    Attributes:
        tank_id: int64 (rows,).
        starts_ms: int64 (rows,), epoch milliseconds at which the hour begins.
        high: float64 (rows,), 1.0 is the threshold, higher is more anomalous.
    """

    tank_id: NDArray[np.int64]
    starts_ms: NDArray[np.int64]
    high: NDArray[np.float64]


def raise_hours(
    connection: Connection,
    model_version_id: int,
    tank_id: NDArray[np.int64],
    observed_ms: NDArray[np.int64],
    score: NDArray[np.float64],
) -> None:
    """Raise the hours of scores that are stored in the same transaction."""
    hour = observed_ms // HOUR_MS
    order = np.lexsort((hour, tank_id))
    keys = np.stack([tank_id[order], hour[order]])
    first = np.flatnonzero(np.append(True, (np.diff(keys) != 0).any(axis=0)))
    tanks, hours = keys[:, first].tolist()
    starts = [one * HOUR_MS for one in hours]
    high = np.maximum.reduceat(score[order], first).tolist()
    if is_sqlite(connection):
        statement = (
            "INSERT INTO score_hour (tank_id, model_version_id, starts_at, high) "  # noqa: S608
            f"VALUES (?, {int(model_version_id)}, ?, ?) {_CONFLICT} "
            "WHERE excluded.high > score_hour.high"
        )
        connection.exec_driver_sql(statement, list(zip(tanks, starts, high, strict=True)))
        return
    statement = (
        "INSERT INTO score_hour (tank_id, model_version_id, starts_at, high) "  # noqa: S608
        f"SELECT u.t, :version, {ms_parameter(connection, 'u.m')}, u.s FROM unnest("
        "CAST(:t AS integer[]), CAST(:m AS bigint[]), CAST(:s AS real[])) AS u(t, m, s) "
        f"{_CONFLICT} WHERE excluded.high > score_hour.high"
    )
    given = {"t": tanks, "m": starts, "s": high, "version": model_version_id}
    connection.execute(text(statement), given)


def lower_hours(
    connection: Connection,
    versions: Sequence[int],
    tank_ids: Sequence[int],
    *,
    from_ms: int,
    until_ms: int,
) -> None:
    """Compute the hours of a stretch again, whose scores were deleted in the same transaction."""
    tanks, parameters = id_list(connection, tank_ids)
    first, last = from_ms // HOUR_MS * HOUR_MS, -(-until_ms // HOUR_MS) * HOUR_MS
    given = {**parameters, "first_ms": first, "last_ms": last}
    low, high = (ms_parameter(connection, name) for name in (":first_ms", ":last_ms"))
    here = f"tank_id IN ({tanks}) AND model_version_id = :version"
    gone = f"DELETE FROM score_hour WHERE {here} AND starts_at >= {low} AND starts_at < {high}"  # noqa: S608
    # Only the hours at both ends can have scores left.
    left = (
        "INSERT INTO score_hour (tank_id, model_version_id, starts_at, high) "  # noqa: S608
        f"SELECT tank_id, model_version_id, {hour_of(connection, 'observed_at')}, max(score) "
        f"FROM score WHERE {here} AND observed_at >= {low} AND observed_at < {high} "
        "GROUP BY 1, 2, 3"
    )
    for version in versions:
        connection.execute(text(gone), {**given, "version": version})
        connection.execute(text(left), {**given, "version": version})


def hour_of(connection: Connection, column: str) -> str:
    """Return an expression for the hour that a time column lies in."""
    if is_sqlite(connection):
        return f"{column} / {HOUR_MS} * {HOUR_MS}"
    return f"date_trunc('hour', {column}, 'UTC')"


def load_score_hours(
    connection: Connection,
    detectors: Sequence[str],
    tank_ids: Sequence[int],
    *,
    from_ms: int,
    until_ms: int,
) -> ScoreHours:
    """Return the highest score of each hour that `detectors` gave tanks, by tank and time.

    What a version scored in shadow is left out.
    """
    tanks, parameters = id_list(connection, tank_ids)
    low, high = (ms_parameter(connection, name) for name in (":from_ms", ":until_ms"))
    names = {f"d{place}": name for place, name in enumerate(detectors)}
    query = text(
        f"SELECT s.tank_id, {ms_column(connection, 's.starts_at')}, max(s.high) "  # noqa: S608
        "FROM score_hour s JOIN model_version v ON v.model_version_id = s.model_version_id "
        f"WHERE v.detector IN ({', '.join(f':{name}' for name in names)}) "
        "AND (v.shadow_from IS NULL OR s.starts_at < v.shadow_from "
        "OR s.starts_at >= v.shadow_until) "
        f"AND s.tank_id IN ({tanks}) AND s.starts_at >= {low} AND s.starts_at < {high} "
        "GROUP BY s.tank_id, s.starts_at ORDER BY s.tank_id, s.starts_at"
    )
    given = {**parameters, **names, "from_ms": from_ms, "until_ms": until_ms}
    found = [tuple(row) for row in connection.execute(query, given)]
    rows = np.array(found, dtype=np.float64).reshape(len(found), 3)
    whole = rows[:, :2].astype(np.int64)
    return ScoreHours(whole[:, 0], whole[:, 1], rows[:, 2])


def delete_hours_before(connection: Connection, until_ms: int) -> None:
    """Delete hours that began before a moment."""
    connection.execute(delete(score_hour).where(score_hour.c.starts_at < from_ms(until_ms)))
