"""Old readings on their way out: which there are, and deleting exactly what was verified."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from tankwatch.store.readings import ReadingRows
from tankwatch.store.rollup_due import close_hours
from tankwatch.store.sql import id_list, ms_column, ms_parameter

_ABOVE_ALL = 2**53


def load_oldest(connection: Connection, tank_ids: Sequence[int]) -> int | None:
    """Return when the oldest reading of these tanks was observed, in epoch milliseconds."""
    tanks, parameters = id_list(connection, tank_ids)
    # A look at the beginning of each tank's key; a plain minimum would read all readings.
    query = text(
        f"SELECT min({ms_column(connection, 'oldest')}) FROM (SELECT (SELECT min(r.observed_at) "  # noqa: S608
        f"FROM reading r WHERE r.tank_id = t.tank_id) AS oldest FROM tank t "
        f"WHERE t.tank_id IN ({tanks})) AS each_tank"
    )
    oldest = connection.execute(query, parameters).scalar_one()
    return None if oldest is None else int(oldest)


def has_due_hours(connection: Connection, tank_ids: Sequence[int], *, until_ms: int) -> bool:
    """Return whether hours of these tanks before `until_ms` still wait for their roll-up."""
    tanks, parameters = id_list(connection, tank_ids)
    end = ms_parameter(connection, ":until_ms")
    query = text(
        f"SELECT EXISTS (SELECT 1 FROM rollup_due d LEFT JOIN rollup s ON s.tank_id = d.tank_id "  # noqa: S608
        f"WHERE d.tank_id IN ({tanks}) AND d.hour_at < {end} "
        "AND (s.closed_until IS NULL OR d.hour_at >= s.closed_until)) OR EXISTS ("
        "SELECT 1 FROM watermark w LEFT JOIN rollup s ON s.tank_id = w.tank_id "
        f"WHERE w.tank_id IN ({tanks}) AND w.first_reading_at < {end} "
        f"AND (s.rolled_at IS NULL OR (s.rolled_at < {end} AND s.rolled_at < w.last_reading_at)))"
    )
    return bool(connection.execute(query, {**parameters, "until_ms": until_ms}).scalar_one())


def delete_stretch(
    connection: Connection, tank_ids: Sequence[int], *, from_ms: int, until_ms: int
) -> int:
    """Delete readings of a stretch for good, and return their number.

    Its hours are closed: what comes for them later changes no roll-up.
    """
    tanks, parameters = id_list(connection, tank_ids)
    low, high = (ms_parameter(connection, name) for name in (":from_ms", ":until_ms"))
    close_hours(connection, tank_ids, until_ms=until_ms)
    query = text(
        f"DELETE FROM reading WHERE tank_id IN ({tanks}) "  # noqa: S608 - constants only
        f"AND observed_at >= {low} AND observed_at < {high}"
    )
    done = connection.execute(query, {**parameters, "from_ms": from_ms, "until_ms": until_ms})
    return done.rowcount


def is_covered(rows: ReadingRows, archived: Sequence[ReadingRows]) -> bool:
    """Return whether each of `rows` stands, value for value, in what was archived.

    Args:
        rows: as stored, by tank and time.
        archived: files in the order of their numbers; of one tank and time the last file counts.
    """
    if not rows.size:
        return True
    wanted = _keys(rows)
    found: NDArray[np.float64] = np.full(rows.values.shape, np.nan)
    seen = np.zeros(rows.size, dtype=bool)
    for part in archived:
        keys = _keys(part)
        place = np.minimum(np.searchsorted(wanted, keys), rows.size - 1)
        hit = wanted[place] == keys
        found[place[hit]] = part.values[hit]
        seen[place[hit]] = True
    return bool(seen.all()) and np.array_equal(found, rows.values, equal_nan=True)


def as_rows(
    tank_ids: Mapping[str, int],
    tanks: Sequence[str],
    observed_ms: NDArray[np.int64],
    values: NDArray[np.float64],
) -> ReadingRows:
    """Return rows of a file with the ids that their tanks have in the store."""
    ids = np.array([tank_ids[name] for name in tanks], dtype=np.int64)
    return ReadingRows(ids, observed_ms, values)


def _keys(rows: ReadingRows) -> NDArray[np.void]:
    """Return one key a row, in an order in which it can be searched: big-endian bytes compare."""
    table = np.empty((rows.size, 2), dtype=">i8")
    table[:, 0] = rows.tank_id
    table[:, 1] = rows.observed_ms + _ABOVE_ALL
    return table.view("V16").reshape(-1)
