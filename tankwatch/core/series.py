"""How much of a tank's history is drawn: the width of a bucket, and gaps that stay gaps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.rollup import DAY_MS, HOUR_MS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_SECOND, _MINUTE = 1000, 60_000
# Nothing between 20 minutes and an hour: the hours that are kept draw that as well, and faster.
WIDTHS_MS = (
    *(n * _SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 20)),
    *(n * HOUR_MS for n in (1, 2, 3, 4, 6, 8, 12)),
    *(n * DAY_MS for n in (1, 2, 7, 14, 28)),
)
_MISSED = 3  # readings in a row that make a gap


@dataclass(frozen=True, slots=True)
class Curve:
    """A channel as it is drawn; a NaN among the means is a gap.

    Attributes:
        starts_ms: int64 (points,), ascending: time of a reading, or beginning of a bucket.
        low, mean, high: float64 (points,), canonical units, of the readings of a bucket.
    """

    starts_ms: Ints
    low: Floats
    mean: Floats
    high: Floats


def width_for(span_ms: int, points: int) -> int:
    """Return the least width of a bucket, in milliseconds, that cuts a span into `points` at most.

    Widths divide one another's days, so a bucket stays the same wherever the span begins.
    """
    wanted = span_ms / points
    return next((width for width in WIDTHS_MS if width >= wanted), WIDTHS_MS[-1])


def whole(from_ms: int, until_ms: int, width_ms: int) -> tuple[int, int]:
    """Return a span grown to whole buckets, which begin at multiples of their width."""
    return from_ms // width_ms * width_ms, -(-until_ms // width_ms) * width_ms


def merged(parts: Sequence[Floats], width_ms: int) -> Floats:
    """Return buckets of `width_ms` from parts of them.

    Args:
        parts: float64 (rows, 5) each: beginning in epoch milliseconds, number of readings, lowest,
            sum and highest.
        width_ms: width of the buckets that come back; each part lies within one.

    Returns:
        The same columns, float64 (buckets, 5), by time.
    """
    rows = np.concatenate([np.empty((0, 5)), *parts])
    if not len(rows):
        return rows
    rows[:, 0] = rows[:, 0] // width_ms * width_ms
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    first = np.flatnonzero(np.append(True, np.diff(rows[:, 0]) != 0))
    return np.column_stack(
        [
            rows[first, 0],
            np.add.reduceat(rows[:, 1], first),
            np.minimum.reduceat(rows[:, 2], first),
            np.add.reduceat(rows[:, 3], first),
            np.maximum.reduceat(rows[:, 4], first),
        ]
    )


def curve(rows: Floats, *, width_ms: int) -> Curve:
    """Return buckets, as `merged` gives them, with a gap wherever readings are missing."""
    starts = rows[:, 0].astype(np.int64)
    count = np.maximum(rows[:, 1], 1)
    return _broken(starts, rows[:, 2], rows[:, 3] / count, rows[:, 4], least_ms=width_ms)


def curve_of_readings(observed_ms: Ints, values: Floats) -> Curve:
    """Return readings one by one, NaN left out, with a gap wherever they are missing."""
    known = np.isfinite(values)
    kept = values[known]
    return _broken(observed_ms[known], kept, kept, kept, least_ms=0)


def enveloped(starts_ms: Ints, edges: Floats, *, width_ms: int) -> tuple[Ints, Floats]:
    """Return the beginnings of buckets, and the lowest and highest edge of a band in each.

    Args:
        starts_ms: int64 (steps,), ascending: beginning of each step.
        edges: float64 (steps, 2), lower and upper edge, NaN where there is no band.
        width_ms: width of a bucket.
    """
    known = np.isfinite(edges).all(axis=1)
    starts, kept = starts_ms[known] // width_ms * width_ms, edges[known]
    if not starts.size:
        return starts, kept
    first = np.flatnonzero(np.append(True, np.diff(starts) != 0))
    low = np.minimum.reduceat(kept[:, 0], first)
    return starts[first], np.stack([low, np.maximum.reduceat(kept[:, 1], first)], axis=1)


def beside(drawn: Curve, starts_ms: Ints, edges: Floats, *, width_ms: int) -> Floats:
    """Return the edges of a band at each point of a curve, float64 (points, 2), NaN for none.

    `starts_ms` and `edges` are buckets of `width_ms`, as `enveloped` gives them.
    """
    found = np.full((drawn.starts_ms.size, 2), np.nan)
    if starts_ms.size:
        wanted = drawn.starts_ms // width_ms * width_ms
        place = np.minimum(np.searchsorted(starts_ms, wanted), starts_ms.size - 1)
        is_there = (starts_ms[place] == wanted) & np.isfinite(drawn.mean)
        found[is_there] = edges[place[is_there]]
    return found


def stretches(starts_ms: Ints, chosen: NDArray[np.bool_], *, width_ms: int) -> list[list[int]]:
    """Return the [beginning, end] of each run of buckets that are `chosen`, in milliseconds."""
    moments = starts_ms[chosen]
    if not moments.size:
        return []
    breaks = np.flatnonzero(np.diff(moments) > width_ms)
    first, last = moments[np.append(0, breaks + 1)], moments[np.append(breaks, -1)] + width_ms
    return [list(pair) for pair in zip(first.tolist(), last.tolist(), strict=True)]


def _broken(starts: Ints, low: Floats, mean: Floats, high: Floats, *, least_ms: int) -> Curve:
    """Return a curve that has a NaN in the middle of each gap.

    A gap is as long as three readings that did not come, by the usual distance of those here.
    """
    distance = np.diff(starts)
    if not distance.size:
        return Curve(starts, low, mean, high)
    usual = float(np.median(distance))
    after = np.flatnonzero(distance > max(_MISSED * usual if usual > least_ms else usual, least_ms))
    middles = starts[after] + distance[after] // 2
    columns = [np.insert(column, after + 1, np.nan) for column in (low, mean, high)]
    return Curve(np.insert(starts, after + 1, middles), *columns)
