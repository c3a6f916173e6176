"""Readings of a whole fleet straight into arrays, past the rows of Python.

On PostgreSQL the server's binary COPY goes into Arrow columns (ADBC).  On SQLite readers do the
same, each a process of its own (`sqlite_reader`): ADBC brings its own SQLite, and two of those in
one process undo each other's file locks (https://sqlite.org/howtocorrupt.html, section 2.2.1).
"""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import Engine

from tankwatch.store.engine import reading
from tankwatch.store.plant import check_channel_name
from tankwatch.store.reader_pool import ReaderPool
from tankwatch.store.readings import ReadingRows, load_readings

# Below this many readings, starting up costs more than the rows of Python.
LARGE = 300_000
_LOG = structlog.get_logger("tankwatch")
_POOL = ReaderPool()
_MISSING = threading.Event()


def load_fleet(
    engine: Engine,
    tank_ids: Sequence[int],
    channels: Sequence[str],
    *,
    from_ms: int,
    until_ms: int,
    expected: int,
) -> ReadingRows:
    """Return the readings of `tank_ids` observed from `from_ms` up to but without `until_ms`.

    They come in no certain order: a block needs none, and sorting would take longer than reading.
    Each tank's readings are of one state of the database; a large fleet is read in shares, so two
    tanks may be of states a moment apart.

    Args:
        engine: the database.
        tank_ids: whose readings.
        channels: names of the value columns.
        from_ms: first moment.
        until_ms: moment after the last.
        expected: about how many readings there will be, which decides how they are read.
    """
    names = [check_channel_name(name) for name in channels]
    if expected >= LARGE and tank_ids:
        span = (int(from_ms), int(until_ms))
        if engine.name == "postgresql":
            rows = _from_postgresql(engine, tank_ids, names, span)
        else:
            rows = _POOL.read(engine.url.database, sorted(tank_ids), names, span)
        if rows is not None:
            return rows
    with reading(engine) as connection:
        return load_readings(connection, tank_ids, names, from_ms=from_ms, until_ms=until_ms)


def _from_postgresql(
    engine: Engine, tank_ids: Sequence[int], names: Sequence[str], span: tuple[int, int]
) -> ReadingRows | None:
    """Return what ADBC reads, or None where it is not installed or refuses."""
    if _MISSING.is_set():
        return None
    try:
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415 - an extra
    except ImportError:
        _MISSING.set()
        return None
    uri = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with dbapi.connect(uri) as connection, connection.cursor() as cursor:
            # Workers of the server hand over rows one by one, which takes longer than reading them.
            cursor.execute("SET max_parallel_workers_per_gather = 0")
            cursor.execute(postgresql_query(tank_ids, names, span))
            table = cursor.fetch_arrow_table()
    except dbapi.Error as error:
        _LOG.warning("fast reading failed; reading row by row", error=type(error).__name__)
        return None
    tank, moment, *values = (_array(table.column(index)) for index in range(table.num_columns))
    moment_ms = np.floor_divide(moment.astype("datetime64[us]").astype(np.int64), 1000)
    block = np.empty((tank.size, len(names)))
    for index, column in enumerate(values):
        block[:, index] = column
    return ReadingRows(tank.astype(np.int64), moment_ms, block)


def postgresql_query(tank_ids: Sequence[int], names: Sequence[str], span: tuple[int, int]) -> str:
    """Return the statement that reads a fleet; numbers stand in it, since COPY takes none."""
    ids = ",".join(str(int(tank_id)) for tank_id in tank_ids)
    low, high = (f"(timestamptz 'epoch' + {ms} * interval '1 millisecond')" for ms in span)
    return (
        f"SELECT tank_id, observed_at, {', '.join(names)} FROM reading "  # noqa: S608 - checked
        f"WHERE tank_id = ANY('{{{ids}}}'::integer[]) "
        f"AND observed_at >= {low} AND observed_at < {high}"
    )


def _array(column: Any) -> NDArray[Any]:
    array: NDArray[Any] = column.to_numpy()
    return array
