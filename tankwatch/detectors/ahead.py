"""How likely each tank reaches a limit within its response time: screened, then looked at closely.

Inside what a tank usually reaches, the forecaster knows best: a vent that always opened will open.
Beyond it no model has seen anything, so the tank's own trend is carried on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.detectors.trend import (
    LATEST,
    SCREEN_SPANS,
    UsualRange,
    could_reach,
    span_mean,
    trend_crossings,
)

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]
# Rows of the block, the last step that is known of each, and the horizon; gives drawn values,
# float64 (n, paths, horizon, channels), NaN for a channel that is not forecast.
Roll = Callable[[Integers, Integers, int], Doubles]

ROLL_EVERY = 5
_AT_ONCE = 64
_TIMES = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class LimitsAhead:
    """What is asked: limits, usual ranges and how far ahead, for each tank of a block.

    Attributes:
        low: float64 (tanks, channels), NaN for no limit.
        high: float64, same shape.
        usual: of the same shape.
        horizon: int64 (tanks,), response time in steps, 0 for a tank that is not looked at.
        wanted: bool (tanks, steps), from which steps to look ahead.
    """

    low: Doubles
    high: Doubles
    usual: UsualRange
    horizon: Integers
    wanted: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ahead:
    """How likely the likeliest limit is reached in time, each (tanks, steps).

    Attributes:
        probability: float64, 0 where none is within reach; NaN where it is not asked, nothing is
            known, or a limit is passed already.
        channel: int64, whose limit.
        direction: int64, +1 for a high limit, -1 for a low one.
        earliest: float64, steps between which nine crossings in ten lie; NaN where there is none.
        latest: float64.
    """

    probability: Doubles
    channel: Integers
    direction: Integers
    earliest: Doubles
    latest: Doubles


def look_ahead(block: Block, asked: LimitsAhead, roll: Roll | None) -> Ahead:
    """Return how likely each tank reaches a limit within its horizon.

    Args:
        block: readings, `trend.context_steps` of them before the first step that is asked.
        asked: limits, usual ranges and horizons.
        roll: draws what a forecaster expects; None if there is none.
    """
    shape = block.values.shape[:2]
    found = Ahead(
        np.full(shape, np.nan),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.int64),
        np.full(shape, np.nan),
        np.full(shape, np.nan),
    )
    for horizon in np.unique(asked.horizon[asked.horizon > 0]).tolist():
        rows = np.flatnonzero((asked.horizon == horizon) & asked.wanted.any(axis=1))
        if rows.size:
            _look(block, asked, roll, rows=rows, horizon=horizon, found=found)
    return found


@dataclass(frozen=True, slots=True)
class _Near:
    """Steps from which one side's limits may be reached.

    Attributes:
        rows: int64 (n,), tanks of the block.
        begin: first step of the block that `steps` counts from.
        horizon: steps ahead.
        limit: float64 (n, channels).
        above: whether these are high limits.
        steps: bool (n, steps, channels).
    """

    rows: Integers
    begin: int
    horizon: int
    limit: Doubles
    above: bool
    steps: NDArray[np.bool_]


def _look(
    block: Block,
    asked: LimitsAhead,
    roll: Roll | None,
    *,
    rows: Integers,
    horizon: int,
    found: Ahead,
) -> None:
    begin = max(int(asked.wanted[rows].any(axis=0).argmax()) - 2 * max(SCREEN_SPANS), 0)
    values, mask = block.values[rows, begin:], block.mask[rows, begin:]
    level = span_mean(values, mask, LATEST)
    reach = could_reach(values, mask, horizon=horizon)
    high, low = asked.high[rows][:, None], asked.low[rows][:, None]
    with np.errstate(invalid="ignore"):  # no limit, or nothing known: never near, never passed
        passed = (mask & ((values >= high) | (values <= low))).any(axis=2)
        near = {True: reach[1] >= high, False: reach[0] <= low}
        is_new = {
            True: level > asked.usual.high[rows][:, None],
            False: level < asked.usual.low[rows][:, None],
        }
    judged = asked.wanted[rows, begin:] & mask.any(axis=2) & ~passed
    found.probability[rows, begin:] = np.where(judged, 0.0, np.nan)
    is_known = np.isfinite(asked.usual.high[rows])[:, None]
    for above, limit in ((False, asked.low[rows]), (True, asked.high[rows])):
        close = near[above] & judged[..., None] & mask & is_known
        _by_trend(block, _Near(rows, begin, horizon, limit, above, close & is_new[above]), found)
        if roll is not None:
            inside = close & ~is_new[above]
            _by_forecast(block, _Near(rows, begin, horizon, limit, above, inside), found, roll)


def _by_trend(block: Block, near: _Near, found: Ahead) -> None:
    for index, channel in np.argwhere(near.steps.any(axis=1)).tolist():
        steps = np.flatnonzero(near.steps[index, :, channel]) + near.begin
        row = int(near.rows[index])
        crossings = trend_crossings(
            block.values[row, :, channel],
            block.mask[row, :, channel],
            steps,
            limit=float(near.limit[index, channel]),
            above=near.above,
            horizon=near.horizon,
        )
        for step, crossing in zip(steps.tolist(), crossings, strict=True):
            _note(found, (row, step), channel, crossing[~np.isnan(crossing)], near=near)


def _by_forecast(block: Block, near: _Near, found: Ahead, roll: Roll) -> None:
    """Roll forward from every fifth step of the clock; what it says holds for the four after it."""
    pairs = np.argwhere(near.steps.any(axis=2))
    if not pairs.size:
        return
    steps = pairs[:, 1] + near.begin
    since = (block.start_ms // block.step_ms + steps) % ROLL_EVERY
    starts = np.stack([pairs[:, 0], np.maximum(steps - since, 0)], axis=1)
    unique, place = np.unique(starts, axis=0, return_inverse=True)
    place = place.ravel()
    for first in range(0, len(unique), _AT_ONCE):
        part = unique[first : first + _AT_ONCE]
        paths = roll(near.rows[part[:, 0]], part[:, 1], near.horizon)
        edge = near.limit[part[:, 0]][:, None, None, :]
        with np.errstate(invalid="ignore"):
            beyond = paths >= edge if near.above else paths <= edge
        crossing = np.where(beyond.any(axis=2), beyond.argmax(axis=2) + 1.0, np.inf)
        for which in np.flatnonzero((place >= first) & (place < first + len(part))).tolist():
            index, where = pairs[which, 0], (int(near.rows[pairs[which, 0]]), int(steps[which]))
            for channel in np.flatnonzero(near.steps[index, pairs[which, 1]]).tolist():
                left = np.maximum(crossing[place[which] - first, :, channel] - since[which], 1.0)
                _note(found, where, channel, left, near=near)


def _note(
    found: Ahead, where: tuple[int, int], channel: int, crossing: Doubles, *, near: _Near
) -> None:
    """Keep what is said of a tank and step if it is likelier than what is known so far."""
    reached = crossing[np.isfinite(crossing)]
    probability = reached.size / max(crossing.size, 1)
    if not probability > found.probability[where]:
        return
    found.probability[where] = probability
    found.channel[where], found.direction[where] = channel, 1 if near.above else -1
    found.earliest[where], found.latest[where] = np.quantile(reached, _TIMES, method="nearest")
