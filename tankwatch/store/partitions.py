"""Months of `reading` and `score` on PostgreSQL: made ahead or when needed, dropped when over.

SQLite keeps each in one table, so nothing happens there.  There is no default partition: making a
month beside one would lock out every reader, and a month could not be dropped while others read.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from tankwatch.core.times import to_ms
from tankwatch.store.engine import autocommitting, writing
from tankwatch.store.sql import is_sqlite

Partitioned = Literal["reading", "score"]
PARTITIONED: tuple[Partitioned, ...] = ("reading", "score")
# Times that only a broken clock sends share two partitions, so that none can make thousands.
FIRST_YEAR, END_YEAR = 2000, 2100
_FIRST, _END = (12 * (year - 1970) for year in (FIRST_YEAR, END_YEAR))
# Advisory locks: one transaction makes or drops a table at a time, one program detaches.
_MAKING, _DROPPING = 0x74616E6B, 0x74616E6C
_LONGEST_WAIT = "60s"

_ATTACHED = text(
    "SELECT c.relname, i.inhdetachpending FROM pg_inherits i "
    "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = CAST(:parent AS regclass) "
    "ORDER BY c.relname"
)
_BY_NAME = text(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE :like "
    "AND pg_table_is_visible(oid) ORDER BY relname"
)


def make_partitions(connection: Connection, *, now: datetime, months_ahead: int = 3) -> list[str]:
    """Make the partitions of this month and those to come; return the names of the new ones."""
    month = _months(np.array([to_ms(now)]))[0]
    made = (_ensure(connection, t, range(month, month + months_ahead + 1)) for t in PARTITIONED)
    return [name for names in made for name in names]


def ensure_partitions(
    connection: Connection, table: Partitioned, observed_ms: NDArray[np.int64]
) -> list[str]:
    """Make the partitions that rows of `observed_ms`, int64 (rows,), lack; return their names.

    To be called before the transaction locks rows, so that no two wait for each other.
    """
    if is_sqlite(connection) or not observed_ms.size:
        return []
    return _ensure(connection, table, np.unique(_months(observed_ms)).tolist())


def drop_partitions(
    engine: Engine, table: Partitioned, *, before: datetime, only_empty: bool = False
) -> list[str]:
    """Drop the months of `table` that were over at `before`; return their names.

    With `only_empty`, those that hold rows stay, also one that got a row just now.

    Rows of the month in which `before` lies, and those before ``FIRST_YEAR``, stay: they are to
    be deleted by row.  Nobody who reads or writes is locked out meanwhile; what was cut off is
    finished by the next call.

    Raises:
        StoreError: another transaction has used a month for too long; the next call drops it.
    """
    if engine.name == "sqlite":
        return []
    with autocommitting(engine) as connection:
        if not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_DROPPING})").scalar():
            return []  # another daemon is at it
        connection.exec_driver_sql(f"SET lock_timeout = '{_LONGEST_WAIT}'")
        try:
            over = _detach(connection, table, before, only_empty=only_empty)
            return [name for name in over if _drop(engine, table, name, only_empty=only_empty)]
        finally:
            connection.exec_driver_sql("RESET lock_timeout")
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_DROPPING})")


def load_partitions(connection: Connection, table: Partitioned) -> list[str]:
    """Return the names of a table's partitions; none on SQLite."""
    return [] if is_sqlite(connection) else [name for name, _ in _attached(connection, table)]


def partition_name(table: Partitioned, month: int) -> str:
    """Return the name of the partition of a month, counted from January 1970."""
    return f"{table}_y{1970 + month // 12:04}m{month % 12 + 1:02}"


def attach_month(connection: Connection, table: Partitioned, month: int) -> None:
    """Make a month's table a partition; it exists already and may hold rows of that month."""
    low, high = (_first_of(number) for number in (month, month + 1))
    connection.exec_driver_sql(
        f"ALTER TABLE {table} ATTACH PARTITION {partition_name(table, month)} "
        f"FOR VALUES FROM ('{low}') TO ('{high}')"
    )


def _months(observed_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    return observed_ms.astype("M8[ms]").astype("M8[M]").astype(np.int64)


def _first_of(month: int) -> str:
    return datetime(1970 + month // 12, month % 12 + 1, 1, tzinfo=UTC).isoformat(sep=" ")


def _attached(connection: Connection, table: Partitioned) -> list[tuple[str, bool]]:
    return [(name, pending) for name, pending in connection.execute(_ATTACHED, {"parent": table})]


def _ensure(connection: Connection, table: Partitioned, months: Iterable[int]) -> list[str]:
    if is_sqlite(connection):
        return []
    wanted = {partition_name(table, m): m for m in months if _FIRST <= m < _END}
    if wanted.keys() <= set(load_partitions(connection, table)):
        return []
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING})")
    missing = sorted(wanted.keys() - set(load_partitions(connection, table)))
    for name in missing:
        # Attaching locks out nobody; a table created as a partition would lock out every reader.
        connection.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS {name} (LIKE {table} INCLUDING ALL)"
        )
        attach_month(connection, table, wanted[name])
    return missing


def _detach(
    connection: Connection, table: Partitioned, before: datetime, *, only_empty: bool
) -> list[str]:
    """Detach the months that are over; return them, with those detached by an earlier call."""
    end = partition_name(table, _months(np.array([to_ms(before)]))[0])
    attached = dict(_attached(connection, table))
    months = connection.execute(_BY_NAME, {"like": f"{table}\\_y____m__"}).scalars()
    over = [name for name in months if name < end]
    if only_empty:
        over = [name for name in over if not _has_rows(connection, name)]
    for name in over:
        if name in attached:
            how = "FINALIZE" if attached[name] else "CONCURRENTLY"
            connection.exec_driver_sql(f"ALTER TABLE {table} DETACH PARTITION {name} {how}")
    return over


def _has_rows(connection: Connection, name: str) -> bool:
    return bool(connection.exec_driver_sql(f"SELECT EXISTS (SELECT 1 FROM {name})").scalar())  # noqa: S608


def _drop(engine: Engine, table: Partitioned, name: str, *, only_empty: bool) -> bool:
    """Drop a detached month, unless a reading that came just now has made it a partition again."""
    with writing(engine) as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING})")
        if name in load_partitions(connection, table):
            return False
        if only_empty and _has_rows(connection, name):
            year, month = name.removeprefix(f"{table}_y").split("m")
            attach_month(connection, table, 12 * (int(year) - 1970) + int(month) - 1)
            return False
        connection.exec_driver_sql(f"DROP TABLE {name}")
        return True
