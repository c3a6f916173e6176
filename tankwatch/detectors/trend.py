"""Where a channel heads by its own trend: a cheap look ahead, before anything is rolled forward."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.view import Mask

Doubles = NDArray[np.float64]

# A fill shows in the shortest within minutes; a slow drift only in the longest.
SCREEN_SPANS = (5, 15, 45)
LATEST = 5
ERRORS = 240
_FEWEST_ERRORS = 60
_LOOKS = 10
_BEYOND_USUAL = 0.02


@dataclass(frozen=True, slots=True)
class UsualRange:
    """What each channel of each tank reached in its clean history, a fiftieth added.

    Attributes:
        low: float64 (tanks, channels), canonical units, NaN where nothing was known.
        high: float64, same shape.
    """

    low: Doubles
    high: Doubles

    def of(self, rows: Sequence[int], columns: Sequence[int | None]) -> "UsualRange":
        """Return the ranges of some tanks and channels, NaN for -1 and None."""
        chosen = np.maximum(np.array(rows, dtype=np.int64), 0)
        there = np.array(rows)[:, None] >= 0
        known = np.array([column is not None for column in columns])
        places = [column or 0 for column in columns]
        edges = (
            np.where(there & known, edge[chosen][:, places], np.nan)
            for edge in (self.low, self.high)
        )
        return UsualRange(*edges)

    def to_json(self) -> dict[str, Any]:
        """Return the ranges as plain values."""
        return {
            name: [[None if np.isnan(v) else float(v) for v in row] for row in edge]
            for name, edge in (("low", self.low), ("high", self.high))
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "UsualRange":
        """Return the ranges that `to_json` gave."""
        return cls(*(np.array(stored[name], dtype=np.float64) for name in ("low", "high")))


def learn_usual(values: NDArray[np.floating[Any]], mask: Mask) -> UsualRange:
    """Return the usual range of each tank and channel.

    Args:
        values: float (tanks, steps, channels), a clean history.
        mask: bool, same shape.
    """
    mean = span_mean(values, mask, LATEST)
    never = ~np.isfinite(mean).any(axis=1)
    low = np.where(never, np.nan, np.fmin.reduce(mean, axis=1))
    high = np.where(never, np.nan, np.fmax.reduce(mean, axis=1))
    more = _BEYOND_USUAL * (high - low)
    return UsualRange(low - more, high + more)


def context_steps(horizon: int) -> int:
    """Return how many steps before a step its look ahead depends on."""
    return max(2 * max(SCREEN_SPANS), ERRORS + horizon + 2 * _span(horizon))


def could_reach(
    values: NDArray[np.floating[Any]], mask: Mask, *, horizon: int
) -> tuple[Doubles, Doubles]:
    """Return the lowest and the highest value that any recent trend leads to within `horizon`.

    A trend is the change of the mean from one span to the next, carried on from the latest mean.
    Each float64 (tanks, steps, channels), NaN where too little is known.

    Args:
        values: float (tanks, steps, channels).
        mask: bool, same shape.
        horizon: steps ahead.
    """
    latest = span_mean(values, mask, LATEST)
    low, high = latest.copy(), latest.copy()
    for span in SCREEN_SPANS:
        ahead = latest + _slope(values, mask, span) * horizon
        low, high = np.fmin(low, ahead), np.fmax(high, ahead)
    return low, high


def trend_crossings(
    values: Doubles,
    mask: Mask,
    steps: NDArray[np.int64],
    *,
    limit: float,
    above: bool,
    horizon: int,
) -> Doubles:
    """Return after how many steps one channel crosses a limit, by its trend and by its own errors.

    The trend is carried on, slowing down as a damped trend does (Gardner and McKenzie 1985), and to
    it is added what such a forecast was wrong by at each of the latest `ERRORS` steps.

    Args:
        values: float64 (time,), one channel.
        mask: bool, same shape.
        steps: int64 (n,), from which steps to look ahead.
        limit: same unit.
        above: whether the limit is a high one.
        horizon: steps ahead.

    Returns:
        float64 (n, ERRORS), infinite where the limit is not reached, NaN where too little is known.
    """
    series, known = values[None, :, None], mask[None, :, None]
    level = span_mean(series, known, LATEST)[0, :, 0]
    slope = _slope(series, known, _span(horizon))[0, :, 0]
    first = np.full((steps.size, ERRORS), np.inf)
    unknown = np.ones(first.shape, dtype=bool)
    back = np.maximum(steps[:, None] - np.arange(ERRORS), 0)
    for ahead in _looks(horizon)[::-1]:
        damped = horizon * (1.0 - np.exp(-ahead / horizon))
        told = level + slope * damped
        wrong = np.full(values.shape, np.nan)
        wrong[ahead:] = np.where(mask[ahead:], values[ahead:], np.nan) - told[:-ahead]
        reached = told[steps][:, None] + wrong[back]
        unknown &= np.isnan(reached)
        beyond = reached >= limit if above else reached <= limit
        first = np.where(beyond, float(ahead), first)
    enough = (~unknown).sum(axis=1) >= _FEWEST_ERRORS
    return np.where(unknown | ~enough[:, None], np.nan, first)


def trend_paths(values: Doubles, mask: Mask, *, horizon: int) -> Doubles:
    """Return where the trend of one channel leads from its last step, as `trend_crossings` has it.

    Args:
        values: float64 (time,), one channel.
        mask: bool, same shape.
        horizon: steps ahead.

    Returns:
        float64 (ERRORS, horizon), NaN where too little is known.
    """
    series, known = values[None, :, None], mask[None, :, None]
    level = span_mean(series, known, LATEST)[0, :, 0]
    slope = _slope(series, known, _span(horizon))[0, :, 0]
    seen = np.where(mask, values, np.nan)
    found = np.full((ERRORS, horizon), np.nan)
    for ahead in range(1, horizon + 1):
        told = level + slope * horizon * (1.0 - np.exp(-ahead / horizon))
        wrong = (seen[ahead:] - told[:-ahead])[-ERRORS:]
        found[: wrong.size, ahead - 1] = told[-1] + wrong[::-1]
    enough = np.isfinite(found).sum(axis=0) >= _FEWEST_ERRORS
    return np.where(enough, found, np.nan)


def span_mean(values: NDArray[np.floating[Any]], mask: Mask, span: int) -> Doubles:
    """Return the mean of the last `span` steps, NaN where fewer than half of them are known.

    Args:
        values: float (tanks, steps, channels).
        mask: bool, same shape.
        span: steps.
    """
    before = ((0, 0), (span - 1, 0), (0, 0))
    view = np.lib.stride_tricks.sliding_window_view
    count = view(np.pad(mask, before), span, axis=1).sum(axis=-1)
    total = view(np.pad(np.where(mask, values, 0.0), before), span, axis=1).sum(axis=-1)
    return np.where(2 * count >= span, total / np.maximum(count, 1), np.nan)


def _slope(values: NDArray[np.floating[Any]], mask: Mask, span: int) -> Doubles:
    """Return the change a step from the mean of one span to that of the next."""
    mean = span_mean(values, mask, span)
    before = np.full_like(mean, np.nan)
    before[:, span:] = mean[:, :-span]
    return (mean - before) / span


def _span(horizon: int) -> int:
    return max(horizon // 3, LATEST)


def _looks(horizon: int) -> list[int]:
    """Return the steps ahead that are looked at, the last one included."""
    looks = np.ceil(np.linspace(horizon / _LOOKS, horizon, _LOOKS)).astype(int)
    return sorted(set(looks.tolist()))
