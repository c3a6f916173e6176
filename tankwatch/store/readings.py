"""Readings: a row for each tank and time, a nullable column for each channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, Connection, Float, ForeignKey, Index, Integer, Table, text

from tankwatch.store.base import Base, UtcTime
from tankwatch.store.plant import check_channel_name
from tankwatch.store.sql import id_list, ms_column, ms_parameter

# `tankwatch channel add` adds columns; the two that exist from the start are declared here.
reading = Table(
    "reading",
    Base.metadata,
    Column("tank_id", Integer, ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False),
    Column("observed_at", UtcTime, primary_key=True),
    Column("pressure", Float(53)),
    Column("temperature", Float(53)),
    sqlite_with_rowid=False,
    postgresql_partition_by="RANGE (observed_at)",
)
# Readings lie by their arrival on PostgreSQL, so a pass over all tanks reads the end of the table.
Index(
    "ix_reading_observed_at",
    reading.c.observed_at,
    postgresql_using="brin",
    postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    info={"only": "postgresql"},
).ddl_if(dialect="postgresql")


@dataclass(frozen=True, slots=True)
class ReadingRows:
    """Stored readings as arrays, ordered by tank and time.

    Attributes:
        tank_id: int64 (rows,).
        observed_ms: int64 (rows,), epoch milliseconds.
        values: float64 (rows, channels), canonical units, NaN where there is none.
    """

    tank_id: NDArray[np.int64]
    observed_ms: NDArray[np.int64]
    values: NDArray[np.float64]

    def where(self, chosen: NDArray[np.bool_]) -> "ReadingRows":
        """Return the rows that are `chosen`, bool (rows,)."""
        if chosen.all():
            return self
        return ReadingRows(self.tank_id[chosen], self.observed_ms[chosen], self.values[chosen])

    @property
    def size(self) -> int:
        """Return the number of rows."""
        return int(self.tank_id.size)


def load_readings(
    connection: Connection,
    tank_ids: Sequence[int],
    channels: Sequence[str],
    *,
    from_ms: int,
    until_ms: int,
) -> ReadingRows:
    """Return the readings of `tank_ids` observed from `from_ms` up to but without `until_ms`.

    It sees what the open transaction sees; `fleet.load_fleet` is faster where there is none.
    """
    columns = ", ".join(check_channel_name(name) for name in channels)
    tanks, parameters = id_list(connection, tank_ids)
    times = ms_column(connection, "observed_at")
    low, high = (ms_parameter(connection, name) for name in (":from_ms", ":until_ms"))
    query = text(
        f"SELECT tank_id, {times}, {columns} FROM reading "  # noqa: S608 - names are checked
        f"WHERE tank_id IN ({tanks}) AND observed_at >= {low} AND observed_at < {high} "
        "ORDER BY tank_id, observed_at"
    )
    parameters |= {"from_ms": from_ms, "until_ms": until_ms}
    with connection.execute(query, parameters) as rows:
        # One flat stream of numbers: a third of the time that a list of rows takes.
        flat = np.fromiter(
            (np.nan if value is None else value for value in chain.from_iterable(rows)),
            dtype=np.float64,
        )
    table = flat.reshape(-1, 2 + len(channels))
    return ReadingRows(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])


def last_observed_ms(
    connection: Connection, tank_id: int, channel: str, *, since_ms: int
) -> int | None:
    """Return when a channel of a tank was last observed from `since_ms` on; None if it was not."""
    name = check_channel_name(channel)
    times = ms_column(connection, "observed_at")
    low = ms_parameter(connection, ":since_ms")
    query = text(
        f"SELECT {times} FROM reading WHERE tank_id = :tank_id "  # noqa: S608 - the name is checked
        f"AND observed_at >= {low} AND {name} IS NOT NULL ORDER BY observed_at DESC LIMIT 1"
    )
    found = connection.execute(query, {"tank_id": tank_id, "since_ms": since_ms}).scalar()
    return None if found is None else int(found)
