"""What a chart of a tank shows of its readings: as they are, or in buckets.

A bucket of an hour or more comes from the roll-ups of `reading_hour` and `reading_day`.  Hours that
are due for one, and those that none has reached yet, are taken from the readings instead, so that a
chart never lags behind them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from tankwatch.core.rollup import DAY_MS, HOUR_MS
from tankwatch.core.series import merged
from tankwatch.store.plant import Channel, check_channel_name
from tankwatch.store.readings import ReadingRows, load_readings
from tankwatch.store.sql import ms_bucket, ms_column, ms_parameter

Floats = NDArray[np.float64]
Span = tuple[int, int]
_NEVER = -(2**47)
# Reading what lies between two hours that are due is cheaper than another query for each.
_MOST_RUNS = 12


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a tank, in epoch milliseconds.

    Attributes:
        first_ms: its oldest reading, or day of readings that are gone.
        last_ms: its newest reading.
        rolled_ms: hours that begin before it are rolled up, or due for it.
        closed_ms: readings before it are gone but for their roll-ups.
    """

    first_ms: int
    last_ms: int
    rolled_ms: int
    closed_ms: int


def load_kept(connection: Connection, tank_id: int) -> Kept | None:
    """Return what is kept of a tank; None if it never had a reading."""
    columns = (
        "(SELECT min(observed_at) FROM reading WHERE tank_id = :tank)",
        "(SELECT min(starts_at) FROM reading_day WHERE tank_id = :tank)",
        "w.last_reading_at",
        "r.rolled_at",
        "r.closed_until",
    )
    query = text(
        f"SELECT {', '.join(ms_column(connection, column) for column in columns)} "  # noqa: S608
        "FROM watermark w LEFT JOIN rollup r ON r.tank_id = w.tank_id WHERE w.tank_id = :tank"
    )
    row = connection.execute(query, {"tank": tank_id}).one_or_none()
    if row is None or row[2] is None:
        return None
    read, day, last, rolled, closed = (None if value is None else int(value) for value in row)
    closed = _NEVER if closed is None else closed
    # A day begins before its first reading, so it tells only where that is gone.
    oldest = [one for one in (last, read, day if day and day < closed else None) if one is not None]
    return Kept(
        first_ms=min(oldest),
        last_ms=int(last or 0),
        rolled_ms=closed if rolled is None else max(closed, rolled // HOUR_MS * HOUR_MS),
        closed_ms=closed,
    )


def load_few(
    connection: Connection, tank_id: int, channels: Sequence[Channel], span: Span, *, most: int
) -> ReadingRows | None:
    """Return the readings of a span as they are, or None if there are more than `most`."""
    low, high = (ms_parameter(connection, name) for name in (":from_ms", ":until_ms"))
    query = text(
        "SELECT count(*) FROM (SELECT 1 FROM reading WHERE tank_id = :tank "  # noqa: S608
        f"AND observed_at >= {low} AND observed_at < {high} LIMIT :most) AS few"
    )
    asked = {"tank": tank_id, "from_ms": span[0], "until_ms": span[1], "most": most + 1}
    if int(connection.execute(query, asked).scalar_one()) > most:
        return None
    names = [channel.name for channel in channels]
    return load_readings(connection, [tank_id], names, from_ms=span[0], until_ms=span[1])


def load_buckets(
    connection: Connection,
    tank_id: int,
    channels: Sequence[Channel],
    kept: Kept,
    span: Span,
    *,
    width_ms: int,
) -> list[Floats]:
    """Return the buckets of each channel, as `core.series.merged` has them.

    Args:
        connection: sees one state of the database.
        tank_id: whose readings.
        channels: which of them.
        kept: what is kept of the tank.
        span: from and until, multiples of `width_ms`.
        width_ms: width of a bucket, one of `core.series.WIDTHS_MS`.
    """
    look = _Look(connection, tank_id, channels, width_ms)
    first, until = span
    if width_ms < HOUR_MS:  # where readings are gone, hours are all there is
        edge = min(max(first, kept.closed_ms), until)
        hours = _Look(connection, tank_id, channels, HOUR_MS)
        gone = (first // HOUR_MS * HOUR_MS, edge if edge > first else first // HOUR_MS * HOUR_MS)
        parts = [hours.rolled("reading_hour", gone), look.read((edge, until))]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]
    unrolled = _clipped(_unrolled(connection, tank_id, kept, span), span)
    parts = look.days(span, unrolled) if width_ms >= DAY_MS else look.hours(span, unrolled)
    return [merged(part, width_ms) for part in zip(*parts, strict=True)]


def _unrolled(connection: Connection, tank_id: int, kept: Kept, span: Span) -> list[Span]:
    """Return the runs of hours that are to be taken from the readings."""
    tail = (kept.rolled_ms, max(span[1], kept.rolled_ms))
    if kept.rolled_ms <= span[0]:
        return [tail]
    low, high = (ms_parameter(connection, name) for name in (":from_ms", ":until_ms"))
    query = text(
        f"SELECT {ms_column(connection, 'hour_at')} FROM rollup_due "  # noqa: S608 - constants only
        f"WHERE tank_id = :tank AND hour_at >= {low} AND hour_at < {high} ORDER BY hour_at"
    )
    asked = {
        "tank": tank_id,
        "from_ms": max(span[0], kept.closed_ms),
        "until_ms": min(span[1], kept.rolled_ms),
    }
    runs = [(int(hour), int(hour) + HOUR_MS) for hour in connection.execute(query, asked).scalars()]
    return _joined([*runs, tail])


def _joined(runs: list[Span]) -> list[Span]:
    """Return runs, by time, as few as touch; if they are many, all but the last as one."""
    found: list[Span] = []
    for first, until in runs:
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(until, found[-1][1]))
        else:
            found.append((first, until))
    return found if len(found) <= _MOST_RUNS else [(found[0][0], found[-2][1]), found[-1]]


def _clipped(runs: list[Span], span: Span) -> list[Span]:
    cut = [(max(first, span[0]), min(until, span[1])) for first, until in runs]
    return [(first, until) for first, until in cut if first < until]


@dataclass(frozen=True, slots=True)
class _Look:
    """Queries on one tank; each returns rows of each channel as `core.series.merged` has them."""

    connection: Connection
    tank_id: int
    channels: Sequence[Channel]
    width_ms: int

    def days(self, span: Span, unrolled: list[Span]) -> list[list[Floats]]:
        """Return days that are rolled up; of others their hours."""
        touched = _joined(
            [(first // DAY_MS * DAY_MS, -(-until // DAY_MS) * DAY_MS) for first, until in unrolled]
        )
        parts = [self.rolled("reading_day", span, but=touched)]
        for day in _clipped(touched, span):
            parts += self.hours(day, _clipped(unrolled, day))
        return parts

    def hours(self, span: Span, unrolled: list[Span]) -> list[list[Floats]]:
        """Return hours that are rolled up; of others their readings."""
        rolled = self.rolled("reading_hour", span, but=unrolled)
        return [rolled, *(self.read(run) for run in unrolled)]

    def read(self, span: Span) -> list[Floats]:
        """Return buckets of readings."""
        names = [check_channel_name(channel.name) for channel in self.channels]
        figures = ", ".join(f"count({n}), min({n}), sum({n}), max({n})" for n in names)
        query = (
            f"SELECT {ms_bucket(self.connection, 'observed_at')}, {figures} FROM reading "  # noqa: S608 - checked
            f"WHERE tank_id = :tank AND {self._within('observed_at')} GROUP BY 1"
        )
        rows = self._rows(query, span, 1 + 4 * len(names))
        parts = (rows[:, [0, *range(1 + 4 * k, 5 + 4 * k)]] for k in range(len(names)))
        return [part[part[:, 1] > 0] for part in parts]

    def rolled(self, table: str, span: Span, *, but: Sequence[Span] = ()) -> list[Floats]:
        """Return buckets of roll-ups, but for periods that begin in some runs."""
        left_out = "".join(
            f" AND NOT ({self._within('starts_at', str(first), str(until))})"
            for first, until in but
        )
        bucket = ms_bucket(self.connection, "starts_at")
        query = (
            f"SELECT {bucket}, channel_id, sum(readings), min(low), sum(mean * readings), "  # noqa: S608
            f"max(high) FROM {table} "
            f"WHERE tank_id = :tank AND {self._within('starts_at')}{left_out} GROUP BY 1, 2"
        )
        rows = self._rows(query, span, 6)
        return [rows[rows[:, 1] == one.channel_id][:, [0, 2, 3, 4, 5]] for one in self.channels]

    def _within(self, column: str, low: str = ":from_ms", high: str = ":until_ms") -> str:
        low, high = (ms_parameter(self.connection, edge) for edge in (low, high))
        return f"{column} >= {low} AND {column} < {high}"

    def _rows(self, query: str, span: Span, columns: int) -> Floats:
        if span[0] >= span[1]:
            return np.empty((0, columns))
        given: dict[str, Any] = {"tank": self.tank_id, "width_ms": self.width_ms}
        found = self.connection.execute(
            text(query), {**given, "from_ms": span[0], "until_ms": span[1]}
        )
        rows = [tuple(row) for row in found]
        table = np.array(rows, dtype=np.float64).reshape(len(rows), columns)
        return table[np.argsort(table[:, 0], kind="stable")]
