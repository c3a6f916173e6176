"""What only the arrival of readings tells: values that came late, and values that contradict."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, ForeignKey, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.rollup import DAY_MS
from tankwatch.store.base import Base, UtcTime
from tankwatch.store.readings import ReadingRows
from tankwatch.store.sql import ms_parameter
from tankwatch.store.watermarks import Watermark


class ArrivalDayRow(Base):
    """How many values of a tank's day came late, and how many contradicted a stored one."""

    __tablename__ = "arrival_day"

    tank_id: Mapped[int] = mapped_column(
        ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False
    )
    day_at: Mapped[datetime] = mapped_column(UtcTime, primary_key=True)
    late: Mapped[int] = mapped_column(Integer)
    contradicted: Mapped[int] = mapped_column(Integer)


def note_arrivals(
    connection: Connection,
    marks: Mapping[int, Watermark],
    rows: ReadingRows,
    contradicted: NDArray[np.int64],
) -> None:
    """Add to the counts of each tank and day that `rows` touch.

    Args:
        connection: the transaction that stores the rows.
        marks: the tanks' watermarks; a reading before what is scored is late.
        rows: readings that changed something.
        contradicted: int64 (rows,), values of each row that differ from a stored one.
    """
    tanks, place = np.unique(rows.tank_id, return_inverse=True)
    claimed = np.array([marks[tank].claimed_ms for tank in tanks.tolist()], dtype=np.int64)
    is_late = rows.observed_ms < claimed[place]
    told = is_late | (contradicted > 0)
    if not told.any():
        return
    late = np.where(is_late, (~np.isnan(rows.values)).sum(axis=1), 0)
    keys, group = np.unique(
        np.stack([rows.tank_id[told], rows.observed_ms[told] // DAY_MS]),
        axis=1,
        return_inverse=True,
    )
    sums = [
        np.bincount(group.reshape(-1), weights=counts[told]).astype(np.int64)
        for counts in (late, contradicted)
    ]
    day = ms_parameter(connection, ":day")
    statement = (
        f"INSERT INTO arrival_day VALUES (:tank, {day}, :late, :contradicted) "  # noqa: S608
        "ON CONFLICT (tank_id, day_at) DO UPDATE SET late = arrival_day.late + excluded.late, "
        "contradicted = arrival_day.contradicted + excluded.contradicted"
    )
    lists = (keys[0].tolist(), (keys[1] * DAY_MS).tolist(), *(one.tolist() for one in sums))
    names = ("tank", "day", "late", "contradicted")
    rows_of = [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
    connection.execute(text(statement), rows_of)
