"""Taking readings in: column-by-column upsert, watermarks, windows made dirty, quarantine."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, String, delete, insert, select, text
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.readings import (
    VERDICTS,
    Accepted,
    Rejected,
    RejectReason,
    StoredRows,
    Verdict,
)
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.partitions import ensure_partitions
from tankwatch.store.plant import check_channel_name
from tankwatch.store.readings import ReadingRows
from tankwatch.store.sql import is_sqlite, ms_parameter
from tankwatch.store.watermarks import cover_readings, lock_watermarks, mark_dirty

_RAW_LENGTH = 500
_STORED, _UPDATED, _DUPLICATE = (
    VERDICTS.index(verdict) for verdict in (Verdict.STORED, Verdict.UPDATED, Verdict.DUPLICATE)
)


class QuarantineRow(Base):
    """A reading that was refused, with where it stood and why."""

    __tablename__ = "quarantine"

    quarantine_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    received_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    source: Mapped[str] = mapped_column(String(500))
    line: Mapped[int]
    reason: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(String(_RAW_LENGTH))
    raw: Mapped[str] = mapped_column(String(_RAW_LENGTH))


def store_readings(connection: Connection, rows: ReadingRows, channels: Sequence[str]) -> Accepted:
    """Upsert `rows` as `store_rows` does, and return the counts of its verdicts."""
    return store_rows(connection, rows, channels).count()


def store_rows(connection: Connection, rows: ReadingRows, channels: Sequence[str]) -> StoredRows:
    """Upsert `rows` and return for each whether it was new, changed something, or was known.

    A value that is absent never erases a stored one; of two rows for one tank and time the later
    in `rows` wins.  The tanks' watermark rows stay locked until the transaction ends, so a pass
    that is about to score them sees either all of these readings or none.
    """
    for name in channels:
        check_channel_name(name)
    given = rows.tank_id.size
    rows, place = merge_repeated(rows)
    tank_ids = np.unique(rows.tank_id)
    ensure_partitions(connection, "reading", rows.observed_ms)
    marks = lock_watermarks(connection, tank_ids.tolist())
    newest = np.array([marks[tank].last_reading_ms for tank in tank_ids.tolist()], dtype=np.int64)
    known = np.zeros(rows.tank_id.size, dtype=bool)
    changed = np.ones(rows.tank_id.size, dtype=bool)
    if (rows.observed_ms <= newest[np.searchsorted(tank_ids, rows.tank_id)]).any():
        known, changed = _compare(connection, rows, channels)
    written = ReadingRows(rows.tank_id[changed], rows.observed_ms[changed], rows.values[changed])
    _upsert(connection, written, channels)
    late = mark_dirty(connection, marks, written.tank_id, written.observed_ms)
    cover_readings(connection, marks, written.tank_id, written.observed_ms)
    verdict = np.full(given, _DUPLICATE, dtype=np.int8)
    verdict[place] = np.where(known, np.where(changed, _UPDATED, _DUPLICATE), _STORED)
    return StoredRows(verdict, late)


def merge_repeated(rows: ReadingRows) -> tuple[ReadingRows, NDArray[np.intp]]:
    """Return `rows` by tank and time, the rows of one key merged, the later value winning.

    With them comes, intp (merged rows,), where in `rows` the first of each key stood.
    """
    order = np.lexsort((rows.observed_ms, rows.tank_id))  # stable: equal keys keep their order
    tank_id, observed_ms = rows.tank_id[order], rows.observed_ms[order]
    values = rows.values[order]
    first = np.ones(tank_id.size, dtype=bool)
    first[1:] = (np.diff(tank_id) != 0) | (np.diff(observed_ms) != 0)
    if first.all():
        return ReadingRows(tank_id, observed_ms, values), order
    group = np.cumsum(first) - 1
    merged = values[first].copy()
    for row in np.flatnonzero(~first):
        present = ~np.isnan(values[row])
        merged[group[row], present] = values[row, present]
    return ReadingRows(tank_id[first], observed_ms[first], merged), order[first]


def quarantine(connection: Connection, rejected: Sequence[Rejected], *, at: datetime) -> int:
    """Store the refused rows that are not there yet, and return how many were new."""
    if not rejected:
        return 0
    sources = sorted({_clean(row.source) for row in rejected})
    query = select(
        QuarantineRow.source, QuarantineRow.line, QuarantineRow.reason, QuarantineRow.raw
    )
    stored = connection.execute(query.where(QuarantineRow.source.in_(sources)))
    known = {tuple(row) for row in stored}
    fresh = []
    for row in rejected:
        key = (_clean(row.source), row.line, row.reason.value, _clean(row.raw))
        if key not in known:
            known.add(key)
            columns = ("source", "line", "reason", "raw")
            detail = {"received_at": at, "detail": _clean(row.detail)}
            fresh.append(dict(zip(columns, key, strict=True)) | detail)
    if fresh:
        connection.execute(insert(QuarantineRow), fresh)
    return len(fresh)


def _clean(text: str) -> str:
    """Return `text` as each backend can keep it: without NUL, lone surrogates and great length."""
    encoded = text[:_RAW_LENGTH].replace("\x00", "\N{SYMBOL FOR NULL}").encode(errors="replace")
    return encoded.decode()


def _compare(
    connection: Connection, rows: ReadingRows, channels: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each row whether its key is stored, and whether it would change anything."""
    _stage(connection, rows)
    columns = ", ".join(f"r.{name}" for name in channels)
    query = text(
        f"SELECT s.position, {columns} FROM staged_key s "  # noqa: S608 - names are checked
        "JOIN reading r ON r.tank_id = s.tank_id AND r.observed_at = s.observed_at"
    )
    found = [tuple(row) for row in connection.execute(query)]
    stored = np.array(found, dtype=np.float64).reshape(len(found), 1 + len(channels))
    position = stored[:, 0].astype(np.int64)
    known = np.zeros(rows.tank_id.size, dtype=bool)
    known[position] = True
    changed = ~known
    offered = rows.values[position]
    changed[position] = (~np.isnan(offered) & (offered != stored[:, 1:])).any(axis=1)
    return known, changed


def _stage(connection: Connection, rows: ReadingRows) -> None:
    """Put the keys of `rows` into a temporary table, so that one join finds the stored ones."""
    position = range(rows.tank_id.size)
    if is_sqlite(connection):
        connection.exec_driver_sql(
            "CREATE TEMP TABLE IF NOT EXISTS staged_key "
            "(position INTEGER PRIMARY KEY, tank_id INTEGER, observed_at INTEGER)"
        )
        connection.exec_driver_sql("DELETE FROM staged_key")
        keys = list(zip(position, rows.tank_id.tolist(), rows.observed_ms.tolist(), strict=True))
        connection.exec_driver_sql("INSERT INTO staged_key VALUES (?, ?, ?)", keys)
        return
    connection.exec_driver_sql(
        "CREATE TEMP TABLE IF NOT EXISTS staged_key "
        "(position integer, tank_id integer, observed_at timestamptz) ON COMMIT DELETE ROWS"
    )
    connection.exec_driver_sql("DELETE FROM staged_key")
    connection.execute(
        text(
            "INSERT INTO staged_key SELECT u.p, u.t, "  # noqa: S608 - constants only
            f"{ms_parameter(connection, 'u.m')} FROM unnest(CAST(:p AS integer[]), "
            "CAST(:t AS integer[]), CAST(:m AS bigint[])) AS u(p, t, m)"
        ),
        {"p": list(position), "t": rows.tank_id.tolist(), "m": rows.observed_ms.tolist()},
    )


def _upsert(connection: Connection, rows: ReadingRows, channels: Sequence[str]) -> None:
    if not rows.tank_id.size:
        return
    columns = ", ".join(channels)
    kept = ", ".join(f"{name} = coalesce(excluded.{name}, reading.{name})" for name in channels)
    conflict = f"ON CONFLICT (tank_id, observed_at) DO UPDATE SET {kept}"
    if is_sqlite(connection):
        marks = ", ".join("?" * (2 + len(channels)))
        statement = (
            f"INSERT INTO reading (tank_id, observed_at, {columns}) "  # noqa: S608 - checked names
            f"VALUES ({marks}) {conflict}"
        )
        # SQLite stores NaN as NULL, so the arrays go in as they are.
        lists = (rows.tank_id.tolist(), rows.observed_ms.tolist(), *rows.values.T.tolist())
        connection.exec_driver_sql(statement, list(zip(*lists, strict=True)))
        return
    names = [f"c{index}" for index in range(len(channels))]
    arrays = ", ".join(f"CAST(:{name} AS float8[])" for name in names)
    present = ", ".join(f"nullif(u.{name}, CAST('NaN' AS float8))" for name in names)
    statement = (
        f"INSERT INTO reading (tank_id, observed_at, {columns}) "  # noqa: S608 - checked names
        f"SELECT u.t, {ms_parameter(connection, 'u.m')}, {present} FROM unnest("
        f"CAST(:t AS integer[]), CAST(:m AS bigint[]), {arrays}) AS u(t, m, {', '.join(names)}) "
        f"{conflict}"
    )
    parameters = dict(zip(names, rows.values.T.tolist(), strict=True))
    parameters |= {"t": rows.tank_id.tolist(), "m": rows.observed_ms.tolist()}
    connection.execute(text(statement), parameters)


def delete_quarantine_before(connection: Connection, moment: datetime) -> int:
    """Delete rows that were refused before `moment`; return their number."""
    return connection.execute(
        delete(QuarantineRow).where(QuarantineRow.received_at < moment)
    ).rowcount


def load_quarantine(connection: Connection, *, limit: int) -> list[Rejected]:
    """Return what was refused last, the newest first."""
    query = select(
        QuarantineRow.source,
        QuarantineRow.line,
        QuarantineRow.reason,
        QuarantineRow.detail,
        QuarantineRow.raw,
    ).order_by(QuarantineRow.quarantine_id.desc())
    return [
        Rejected(source, line, RejectReason(reason), detail, raw)
        for source, line, reason, detail, raw in connection.execute(query.limit(limit))
    ]
