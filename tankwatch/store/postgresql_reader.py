"""Readings of a fleet out of PostgreSQL in few large values, past the rows of its protocol.

A message for each row, with a length before each of its columns, costs more than reading the row.
So the server puts readings together into values of about a million, and each is an array here.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sqlalchemy import Connection, Engine

from tankwatch.store.binary_rows import TO_2000_MS
from tankwatch.store.engine import driver, reading
from tankwatch.store.readings import ReadingRows

# One value may not reach 1 GB, and while it grows the server holds it four times over.
_MOST_ROWS = 1_000_000


def read_fleet(
    engine: Engine,
    tank_ids: Sequence[int],
    names: Sequence[str],
    span: tuple[int, int],
    *,
    expected: int,
) -> ReadingRows:
    """Return the readings of `tank_ids`, all of one state of the database, in no certain order.

    Two connections take the time in turns, so that two cores of the server work.

    Args:
        engine: of PostgreSQL.
        tank_ids: whose readings.
        names: checked names of channels.
        span: first moment and the one after the last, in epoch milliseconds.
        expected: about how many readings there will be.

    Raises:
        StoreError: the database refused, or was away.
    """
    with reading(engine) as first, reading(engine) as second, ThreadPoolExecutor(1) as beside:
        state = first.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
        second.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{state}'")
        rows = max(expected, _estimate(first, _those(tank_ids, span)))
        edges = np.linspace(*span, 2 * -(-rows // (2 * _MOST_ROWS)) + 1).round().astype(int)
        each = [
            _those(tank_ids, (low, high))
            for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        ]
        others = beside.submit(_read, second, each[1::2], names)
        parts = [*_read(first, each[::2], names), *others.result()]
    return ReadingRows(
        np.concatenate([part.tank_id for part in parts]),
        np.concatenate([part.observed_ms for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def _those(tank_ids: Sequence[int], span: tuple[int, int]) -> str:
    """Return where the readings come from; numbers stand in it, to be planned by."""
    ids = ",".join(str(int(tank_id)) for tank_id in tank_ids)
    low, high = (f"(timestamptz 'epoch' + {int(ms)} * interval '1 millisecond')" for ms in span)
    return (
        f"FROM reading WHERE tank_id = ANY('{{{ids}}}'::integer[]) "
        f"AND observed_at >= {low} AND observed_at < {high}"
    )


def _estimate(connection: Connection, those: str) -> int:
    """Return how many readings the planner expects."""
    (told,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) SELECT 1 {those}").scalar_one()
    return int(told["Plan"]["Plan Rows"])


def _read(connection: Connection, each: Sequence[str], names: Sequence[str]) -> list[ReadingRows]:
    kind = np.dtype([("tank", ">i4"), ("at", ">i8"), ("values", ">f8", (len(names),))])
    packed = "".join(f" || float8send(coalesce({name}, 'NaN'))" for name in names)
    packed = f"int4send(tank_id) || timestamptz_send(observed_at){packed}"
    found = []
    # Workers of the server would only take the cores from the connections.
    connection.exec_driver_sql("SET LOCAL max_parallel_workers_per_gather = 0")
    connection.exec_driver_sql("SET LOCAL jit = off")
    with driver(connection) as raw, raw.cursor(binary=True) as cursor:
        for those in each:
            (value,) = cursor.execute(f"SELECT string_agg({packed}, '') {those}").fetchone()
            rows = np.frombuffer(value or b"", kind)
            moment_ms = np.floor_divide(rows["at"].astype(np.int64), 1000) + TO_2000_MS
            values = rows["values"].astype(np.float64)
            found.append(ReadingRows(rows["tank"].astype(np.int64), moment_ms, values))
    return found
