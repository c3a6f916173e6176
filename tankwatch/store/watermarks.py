"""How far each tank has been read and scored, and which scored stretches late readings touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Connection,
    ForeignKey,
    delete,
    insert,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.times import from_ms, to_ms
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.sql import id_list, is_sqlite, ms_column, ms_parameter

BEFORE_ALL_MS = -(2**53)
_FEW = 500


class WatermarkRow(Base):
    """How far a tank has been read and scored.

    `claimed_until` is written before a pass reads its block and `scored_until` when it commits: a
    reading that arrives in between is taken for late and scored again, never overlooked.
    """

    __tablename__ = "watermark"

    tank_id: Mapped[int] = mapped_column(
        ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False
    )
    first_reading_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_reading_at: Mapped[datetime | None] = mapped_column(UtcTime)
    claimed_until: Mapped[datetime | None] = mapped_column(UtcTime)
    scored_until: Mapped[datetime | None] = mapped_column(UtcTime)


class DirtyWindowRow(Base):
    """A stretch of a tank whose stored scores no longer fit its readings."""

    __tablename__ = "dirty_window"

    dirty_window_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    tank_id: Mapped[int] = mapped_column(ForeignKey("tank.tank_id"), index=True)
    from_at: Mapped[datetime] = mapped_column(UtcTime)
    until_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class Watermark:
    """A tank's watermark in epoch milliseconds; `BEFORE_ALL_MS` where nothing happened yet."""

    tank_id: int
    first_reading_ms: int
    last_reading_ms: int
    claimed_ms: int
    scored_ms: int


@dataclass(frozen=True, slots=True)
class DirtyWindow:
    """A stretch that is to be scored again, in epoch milliseconds."""

    dirty_window_id: int
    tank_id: int
    from_ms: int
    until_ms: int


def load_watermarks(
    connection: Connection, tank_ids: Sequence[int] | None = None
) -> list[Watermark]:
    """Return the watermark of every tank, or of `tank_ids`, that has readings, by tank id."""
    query = select(*_COLUMNS).where(WatermarkRow.last_reading_at.is_not(None))
    if tank_ids is not None:
        query = query.where(WatermarkRow.tank_id.in_(list(tank_ids)))
    return [_watermark(*row) for row in connection.execute(query.order_by(WatermarkRow.tank_id))]


def lock_watermarks(connection: Connection, tank_ids: Sequence[int]) -> dict[int, Watermark]:
    """Return the watermarks of `tank_ids`, made where missing, locked until the commit."""
    marks = _lock(connection, tank_ids)
    if len(marks) < len(tank_ids):
        ids, given = id_list(connection, tank_ids)
        made = f"INSERT INTO watermark (tank_id) {ids} WHERE true ON CONFLICT DO NOTHING"
        connection.execute(text(made), given)
        marks = _lock(connection, tank_ids)
    return marks


def cover_readings(
    connection: Connection,
    marks: Mapping[int, Watermark],
    tank_id: NDArray[np.int64],
    observed_ms: NDArray[np.int64],
) -> None:
    """Move the first and last reading of each tank so that they cover `observed_ms`."""
    rows = []
    for tank, first, last in zip(*_spans(tank_id, observed_ms), strict=True):
        mark, low, high = marks[tank], first, last
        if mark.first_reading_ms != BEFORE_ALL_MS:
            low, high = min(low, mark.first_reading_ms), max(high, mark.last_reading_ms)
        if (low, high) != (mark.first_reading_ms, mark.last_reading_ms):
            rows.append((low, high, tank))
    _set(connection, ("first_reading_at", "last_reading_at"), rows)


def claim(
    connection: Connection, scored: Mapping[int, int], *, until_ms: Mapping[int, int]
) -> set[int]:
    """Announce that each tank will be scored up to `until_ms`, and return the tanks that were free.

    A tank whose `scored_until` is no longer what the caller saw belongs to another pass.  What was
    announced before is never taken back, since another pass may be reading it.
    """
    marks = _lock(connection, list(scored))
    free = {tank for tank, mark in marks.items() if mark.scored_ms == scored[tank]}
    rows = [(max(marks[tank].claimed_ms, until_ms[tank]), tank) for tank in sorted(free)]
    _set(connection, ("claimed_until",), rows)
    return free


def mark_scored(
    connection: Connection, seen_ms: Mapping[int, int], *, until_ms: Mapping[int, int]
) -> bool:
    """Move the `scored_until` of tanks, if each still is where the caller saw it; return that."""
    marks = _lock(connection, list(seen_ms))
    scored = {tank: mark.scored_ms for tank, mark in marks.items()}
    if scored != dict(seen_ms):
        return False
    _set(connection, ("scored_until",), [(until_ms[tank], tank) for tank in sorted(seen_ms)])
    return True


def mark_dirty(
    connection: Connection,
    marks: Mapping[int, Watermark],
    tank_id: NDArray[np.int64],
    observed_ms: NDArray[np.int64],
) -> int:
    """Note the stretches of readings that came after their tank was scored; return their number."""
    tanks, place = np.unique(tank_id, return_inverse=True)
    claimed = np.array([marks[tank].claimed_ms for tank in tanks.tolist()], dtype=np.int64)
    late = observed_ms < claimed[place]
    rows = [
        {"tank_id": tank, "from_at": from_ms(first), "until_at": from_ms(last)}
        for tank, first, last in zip(*_spans(tank_id[late], observed_ms[late]), strict=True)
    ]
    if rows:
        connection.execute(insert(DirtyWindowRow), rows)
    return int(late.sum())


def load_dirty_windows(
    connection: Connection, tank_ids: Sequence[int] | None = None
) -> list[DirtyWindow]:
    """Return the stretches of tanks, all by default, that late readings touched, oldest first."""
    query = select(
        DirtyWindowRow.dirty_window_id,
        DirtyWindowRow.tank_id,
        DirtyWindowRow.from_at,
        DirtyWindowRow.until_at,
    ).order_by(DirtyWindowRow.dirty_window_id)
    if tank_ids is not None:
        query = query.where(DirtyWindowRow.tank_id.in_(list(tank_ids)))
    return [
        DirtyWindow(key, tank, to_ms(first), to_ms(last))
        for key, tank, first, last in connection.execute(query)
    ]


def clear_dirty_windows(connection: Connection, ids: Sequence[int]) -> int:
    """Forget stretches, and return how many were still there; fewer: another pass took them."""
    cleared = 0
    for start in range(0, len(ids), _FEW):
        part = ids[start : start + _FEW]
        gone = delete(DirtyWindowRow).where(DirtyWindowRow.dirty_window_id.in_(part))
        cleared += connection.execute(gone).rowcount
    return cleared


_COLUMNS = (
    WatermarkRow.tank_id,
    WatermarkRow.first_reading_at,
    WatermarkRow.last_reading_at,
    WatermarkRow.claimed_until,
    WatermarkRow.scored_until,
)


def _lock(connection: Connection, tank_ids: Sequence[int]) -> dict[int, Watermark]:
    """Return the watermarks of `tank_ids` that are there; always locked in the order of ids."""
    names = ("first_reading_at", "last_reading_at", "claimed_until", "scored_until")
    times = ", ".join(f"coalesce({ms_column(connection, name)}, {BEFORE_ALL_MS})" for name in names)
    ids, given = id_list(connection, tank_ids)
    locked = "" if is_sqlite(connection) else " FOR UPDATE"
    query = (
        f"SELECT tank_id, {times} FROM watermark WHERE tank_id IN ({ids}) "  # noqa: S608 - constants only
        f"ORDER BY tank_id{locked}"
    )
    return {row[0]: Watermark(*row) for row in connection.execute(text(query), given)}


def _set(connection: Connection, columns: Sequence[str], rows: Sequence[tuple[int, ...]]) -> None:
    """Set time columns of tanks: their milliseconds and then the tank's id each."""
    if not rows:
        return
    if is_sqlite(connection):
        values = ", ".join(f"{column} = ?" for column in columns)
        statement = f"UPDATE watermark SET {values} WHERE tank_id = ?"  # noqa: S608 - constants only
        connection.exec_driver_sql(statement, list(rows))
        return
    names = (*columns, "tank")
    values = ", ".join(
        f"{column} = {ms_parameter(connection, f'u.{column}')}" for column in columns
    )
    lists = ", ".join(f"CAST(:{column} AS bigint[])" for column in columns)
    statement = (
        f"UPDATE watermark SET {values} FROM unnest({lists}, CAST(:tank AS integer[])) "  # noqa: S608
        f"AS u({', '.join(names)}) WHERE tank_id = u.tank"
    )
    given = zip(names, map(list, zip(*rows, strict=True)), strict=True)
    connection.execute(text(statement), dict(given))


def _spans(
    tank_id: NDArray[np.int64], observed_ms: NDArray[np.int64]
) -> tuple[list[int], list[int], list[int]]:
    """Return the tanks of the rows, by id, and the first and last time of each."""
    order = np.argsort(tank_id, kind="stable")
    tanks, start = np.unique(tank_id[order], return_index=True)
    if not tanks.size:
        return [], [], []
    times = observed_ms[order]
    low, high = np.minimum.reduceat(times, start), np.maximum.reduceat(times, start)
    return tanks.tolist(), low.tolist(), high.tolist()


def _watermark(tank_id: int, *moments: datetime | None) -> Watermark:
    first, last, claimed, scored = (BEFORE_ALL_MS if m is None else to_ms(m) for m in moments)
    return Watermark(tank_id, first, last, claimed, scored)
