"""Readings into PostgreSQL: binary COPY, straight where keys are new, else by way of a staging."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from tankwatch.store.binary_rows import binary_rows
from tankwatch.store.engine import driver
from tankwatch.store.readings import ReadingRows


def append(connection: Connection, rows: ReadingRows, channels: Sequence[str]) -> None:
    """Store rows whose keys are not stored yet, as the watermarks tell.

    Where somebody wrote past the watermarks, the rows are merged instead.
    """
    columns = ", ".join(("tank_id", "observed_at", *channels))
    data = binary_rows((rows.tank_id,), rows.observed_ms, rows.values)
    try:
        with connection.begin_nested():
            _copy(connection, f"reading ({columns})", data)
    except IntegrityError:
        merge(connection, rows, channels)


def merge(connection: Connection, rows: ReadingRows, channels: Sequence[str]) -> None:
    """Store rows column by column: a value that is absent leaves what is stored."""
    staged, values = _stage(connection, rows), _value_names(channels)
    kept = ", ".join(f"{name} = coalesce(excluded.{name}, reading.{name})" for name in channels)
    connection.exec_driver_sql(
        f"INSERT INTO reading (tank_id, observed_at, {', '.join(channels)}) "  # noqa: S608 - checked names
        f"SELECT tank_id, observed_at, {', '.join(values)} FROM {staged} ORDER BY position "
        f"ON CONFLICT (tank_id, observed_at) DO UPDATE SET {kept}"
    )


def compare(
    connection: Connection, rows: ReadingRows, channels: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Return for each row whether its key is stored, and whether it would change anything.

    The third is how many of its values differ from a stored one, int64 (rows,).
    """
    staged = _stage(connection, rows)
    against = "".join(
        f", array_agg(s.position) FILTER (WHERE s.{value} <> r.{name})"
        for value, name in zip(_value_names(channels), channels, strict=True)
    )
    differs = " OR ".join(
        f"(s.{value} IS NOT NULL AND s.{value} IS DISTINCT FROM r.{name})"
        for value, name in zip(_value_names(channels), channels, strict=True)
    )
    # The limit keeps the planner from reading whole months where a few keys are looked up.
    found = connection.exec_driver_sql(
        f"SELECT array_agg(s.position), array_agg(s.position) FILTER (WHERE {differs}){against} "  # noqa: S608 - checked names
        f"FROM {staged} s CROSS JOIN LATERAL (SELECT * FROM reading "
        "WHERE tank_id = s.tank_id AND observed_at = s.observed_at LIMIT 1) r"
    ).one()
    known = np.zeros(rows.tank_id.size, dtype=bool)
    known[np.array(found[0] or [], dtype=np.int64)] = True
    changed = ~known
    changed[np.array(found[1] or [], dtype=np.int64)] = True
    contradicted = np.zeros(rows.tank_id.size, dtype=np.int64)
    for places in found[2:]:
        contradicted[np.array(places or [], dtype=np.int64)] += 1
    return known, changed, contradicted


def _stage(connection: Connection, rows: ReadingRows) -> str:
    """Put `rows` into a temporary table with a column for each value, and return its name."""
    width = rows.values.shape[1]
    staged = f"staged_reading_{width}"
    values = ", ".join(f"{name} float8" for name in _value_names(range(width)))
    connection.exec_driver_sql(
        f"CREATE TEMP TABLE IF NOT EXISTS {staged} (position integer, tank_id integer, "
        f"observed_at timestamptz, {values}) ON COMMIT DELETE ROWS"
    )
    connection.exec_driver_sql(f"TRUNCATE {staged}")
    position = np.arange(rows.tank_id.size)
    _copy(connection, staged, binary_rows((position, rows.tank_id), rows.observed_ms, rows.values))
    return staged


def _value_names(channels: Sequence[object]) -> list[str]:
    return [f"c{place}" for place in range(len(channels))]


def _copy(connection: Connection, target: str, data: bytes) -> None:
    with (
        driver(connection) as own,
        own.cursor() as cursor,
        cursor.copy(f"COPY {target} FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.write(data)
