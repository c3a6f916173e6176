"""What was expected of tanks as their steps were judged: the band behind the readings of a chart.

A row holds sixty steps of a tank, so a day of a tank is two dozen rows of a kilobyte and not
thousands of a few bytes; a pass writes as many rows as it has tanks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, Connection, ForeignKey, Integer, LargeBinary, Table, delete, text

from tankwatch.store.base import Base, UtcTime
from tankwatch.store.sql import id_list, is_sqlite, ms_column, ms_parameter

STEPS = 60  # in a row
_LAYOUT = "<f4"

expected_band = Table(
    "expected_band",
    Base.metadata,
    Column("tank_id", Integer, ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False),
    Column("begins_at", UtcTime, primary_key=True),
    Column("step_s", Integer, nullable=False),
    # float32 (steps, channels by id, 2): lower and upper edge, NaN where nothing was expected.
    Column("edges", LargeBinary, nullable=False),
)

Edges = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bands:
    """What was expected of tanks.

    Attributes:
        tank_ids: along the first axis of `edges`.
        first_ms: beginning of the first step, epoch milliseconds.
        step_ms: length of a step.
        edges: float32 (tanks, steps, channels by id, 2), lower and upper edge in canonical units,
            NaN where nothing was expected.
    """

    tank_ids: Sequence[int]
    first_ms: int
    step_ms: int
    edges: Edges

    @property
    def starts_ms(self) -> NDArray[np.int64]:
        """Return the beginning of each step, int64 (steps,)."""
        return self.first_ms + np.arange(self.edges.shape[1], dtype=np.int64) * self.step_ms

    def of_channel(self, place: int) -> NDArray[np.float64]:
        """Return the edges of a channel of the first tank, float64 (steps, 2).

        `place` is the channel's among all by id; it may be younger than what was expected.
        """
        _, steps, channels, _ = self.edges.shape
        if place >= channels:
            return np.full((steps, 2), np.nan)
        return self.edges[0, :, place].astype(np.float64)


def store_bands(connection: Connection, bands: Bands, stops: Sequence[int] | None = None) -> None:
    """Store what was expected, in place of what was said of the same steps before.

    `stops` is how many steps of each tank are told of, by default all; what is stored of the others
    stays.
    """
    tanks, steps, channels, _ = bands.edges.shape
    if not (tanks and steps):
        return
    width_ms = STEPS * bands.step_ms
    first = bands.first_ms // width_ms
    rows = (bands.first_ms + steps * bands.step_ms - 1) // width_ms - first + 1
    span = {"step_ms": bands.step_ms, "from_ms": first * width_ms}
    known = _load_rows(connection, bands.tank_ids, **span, until_ms=(first + rows) * width_ms)
    whole = np.full((tanks, rows, STEPS, channels, 2), np.nan, np.float32)
    is_stored = np.zeros((tanks, rows), dtype=bool)
    place = {tank: row for row, tank in enumerate(bands.tank_ids)}
    for tank, begins_ms, raw in known:
        where, part = (place[tank], begins_ms // width_ms - first), _unpacked(raw)
        is_stored[where] = True
        whole[where][:, : part.shape[1]] = part
    line = whole.reshape(tanks, rows * STEPS, channels, 2)
    offset = (bands.first_ms - first * width_ms) // bands.step_ms
    for row in range(tanks):
        stop = steps if stops is None else stops[row]
        line[row, offset : offset + stop] = bands.edges[row, :stop]
    told = is_stored | np.isfinite(whole).any(axis=(2, 3, 4))
    _write(
        connection,
        [
            (bands.tank_ids[row], (first + part) * width_ms, whole[row, part].tobytes())
            for row, part in np.argwhere(told).tolist()
        ],
        step_s=bands.step_ms // 1000,
    )


def load_band(
    connection: Connection, tank_id: int, *, step_ms: int, from_ms: int, until_ms: int
) -> Bands:
    """Return what was expected of a tank at the steps that touch a span.

    What was said of steps of another length is left out.
    """
    width_ms = STEPS * step_ms
    first_ms = from_ms // width_ms * width_ms
    span = {"step_ms": step_ms, "from_ms": first_ms}
    found = _load_rows(connection, [tank_id], **span, until_ms=until_ms)
    parts = [(begins_ms, _unpacked(raw)) for _, begins_ms, raw in found]
    channels = max([part.shape[1] for _, part in parts], default=0)
    steps = max(-(-(until_ms - first_ms) // step_ms), 0)
    edges = np.full((steps + STEPS, channels, 2), np.nan, np.float32)
    for begins_ms, part in parts:
        begin = (begins_ms - first_ms) // step_ms
        edges[begin : begin + STEPS, : part.shape[1]] = part
    skipped = (from_ms - first_ms) // step_ms
    return Bands([tank_id], first_ms + skipped * step_ms, step_ms, edges[None, skipped:steps])


def delete_bands_before(connection: Connection, moment: datetime) -> int:
    """Delete rows of steps that all began before `moment`, but for the last; count them."""
    old = delete(expected_band).where(expected_band.c.begins_at < moment)
    return connection.execute(old).rowcount


def _load_rows(
    connection: Connection, tank_ids: Sequence[int], *, step_ms: int, from_ms: int, until_ms: int
) -> list[tuple[int, int, bytes]]:
    """Return tank, beginning in epoch milliseconds and edges of the rows that begin in a span."""
    tanks, given = id_list(connection, tank_ids)
    low, high = (ms_parameter(connection, name) for name in (":from_ms", ":until_ms"))
    query = text(
        f"SELECT tank_id, {ms_column(connection, 'begins_at')}, edges FROM expected_band "  # noqa: S608
        f"WHERE tank_id IN ({tanks}) AND begins_at >= {low} AND begins_at < {high} "
        "AND step_s = :step_s"
    )
    asked = {**given, "from_ms": from_ms, "until_ms": until_ms, "step_s": step_ms // 1000}
    return [(tank, int(at), bytes(raw)) for tank, at, raw in connection.execute(query, asked)]


def _unpacked(raw: bytes) -> Edges:
    return np.frombuffer(raw, dtype=_LAYOUT).reshape(STEPS, -1, 2)


def _write(connection: Connection, rows: Sequence[tuple[int, int, bytes]], *, step_s: int) -> None:
    if not rows:
        return
    into = "INSERT INTO expected_band (tank_id, begins_at, step_s, edges) "
    conflict = (
        "ON CONFLICT (tank_id, begins_at) DO UPDATE SET "
        "step_s = excluded.step_s, edges = excluded.edges"
    )
    if is_sqlite(connection):
        statement = f"{into}VALUES (?, ?, {int(step_s)}, ?) {conflict}"
        connection.exec_driver_sql(statement, list(rows))
        return
    statement = (
        f"{into}SELECT u.t, {ms_parameter(connection, 'u.m')}, :step_s, u.e "  # noqa: S608
        "FROM unnest(CAST(:t AS integer[]), CAST(:m AS bigint[]), CAST(:e AS bytea[])) "
        f"AS u(t, m, e) {conflict}"
    )
    given = dict(zip(("t", "m", "e"), map(list, zip(*rows, strict=True)), strict=True))
    connection.execute(text(statement), {**given, "step_s": step_s})
