"""Readings of a whole fleet straight into arrays, past the rows of Python.

PostgreSQL hands over large values (`postgresql_reader`).  SQLite is read into Arrow columns (ADBC)
by processes of their own (`sqlite_reader`): ADBC brings its own SQLite, and two of those in one
process undo each other's file locks (https://sqlite.org/howtocorrupt.html, section 2.2.1).
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import Engine

from tankwatch.errors import StoreError
from tankwatch.store.engine import reading
from tankwatch.store.plant import check_channel_name
from tankwatch.store.postgresql_reader import read_fleet
from tankwatch.store.reader_pool import ReaderPool
from tankwatch.store.readings import ReadingRows, load_readings

# Below this many readings, starting up costs more than the rows of Python.
LARGE = 300_000
_LOG = structlog.get_logger("tankwatch")
_POOL = ReaderPool()


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
    Each tank's readings are of one state of the database; on SQLite a large fleet is read in
    shares, so two tanks may be of states a moment apart.

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
        rows = _fast(engine, tank_ids, names, span, expected=expected)
        if rows is not None:
            return rows
    with reading(engine) as connection:
        return load_readings(connection, tank_ids, names, from_ms=from_ms, until_ms=until_ms)


def _fast(
    engine: Engine,
    tank_ids: Sequence[int],
    names: Sequence[str],
    span: tuple[int, int],
    *,
    expected: int,
) -> ReadingRows | None:
    """Return what was read in bulk, or None where the database refuses that."""
    if engine.name != "postgresql":
        return _POOL.read(engine.url.database, sorted(tank_ids), names, span)
    try:
        return read_fleet(engine, tank_ids, names, span, expected=expected)
    except StoreError as error:
        _LOG.warning("fast reading failed; reading row by row", error=str(error))
        return None
