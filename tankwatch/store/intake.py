"""Taking readings in: column-by-column upsert, watermarks, windows made dirty, quarantine."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, String, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.readings import (
    VERDICTS,
    Accepted,
    Rejected,
    RejectReason,
    StoredRows,
    Verdict,
)
from tankwatch.store import postgresql_writer, sqlite_writer
from tankwatch.store.arrivals import note_arrivals
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.partitions import ensure_partitions
from tankwatch.store.plant import check_channel_name
from tankwatch.store.readings import ReadingRows
from tankwatch.store.rollup_due import mark_due
from tankwatch.store.sql import is_sqlite
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
    source: Mapped[str] = mapped_column(String(500), index=True)
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
    # What is newer than anything of its tank cannot be stored yet, so nothing is looked up for it.
    old = rows.observed_ms <= newest[np.searchsorted(tank_ids, rows.tank_id)]
    known, changed = np.zeros_like(old), np.ones_like(old)
    contradicted = np.zeros(old.size, dtype=np.int64)
    if old.any():
        compared = _compare(connection, rows.where(old), channels)
        known[old], changed[old], contradicted[old] = compared
    _write(connection, rows, channels, old=old, changed=changed)
    written = rows.where(changed)
    late = mark_dirty(connection, marks, written.tank_id, written.observed_ms)
    cover_readings(connection, marks, written.tank_id, written.observed_ms)
    mark_due(connection, written.tank_id, written.observed_ms)
    note_arrivals(connection, marks, written, contradicted[changed])
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
    row = np.where(np.isnan(values), -1, np.arange(tank_id.size)[:, None])
    latest = np.maximum.reduceat(row, np.flatnonzero(first), axis=0)
    merged = np.take_along_axis(values, np.maximum(latest, 0), axis=0)
    merged[latest < 0] = np.nan
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
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    writer = sqlite_writer.compare if is_sqlite(connection) else postgresql_writer.compare
    return writer(connection, rows, channels)


def _write(
    connection: Connection,
    rows: ReadingRows,
    channels: Sequence[str],
    *,
    old: NDArray[np.bool_],
    changed: NDArray[np.bool_],
) -> None:
    """Store the rows that change something; only those that are not `old` are surely new."""
    if is_sqlite(connection):
        sqlite_writer.merge(connection, rows.where(changed), channels)
        return
    for write, chosen in (
        (postgresql_writer.append, ~old),
        (postgresql_writer.merge, old & changed),
    ):
        if chosen.any():
            write(connection, rows.where(chosen), channels)


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
