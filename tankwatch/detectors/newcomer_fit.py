"""How far a new tank may stray at each age: learned from a fleet whose tanks are taken for new."""

import numpy as np

from tankwatch.detectors.newcomer import (
    FEWEST_STEPS,
    POOL,
    NewcomerMemory,
    NewcomerNorms,
    pool_of,
    watch_new,
)
from tankwatch.detectors.smoothing import Doubles
from tankwatch.detectors.threshold import AlarmBudget, fit_peak_threshold
from tankwatch.detectors.view import Mask

# Six hours, twelve, one day, two and four, of steps of a minute.
AGES = (FEWEST_STEPS, 720, 1440, 2880, 5760)
LONGEST = 8640
_BEGINNINGS = 6
_MOST_TANKS = 60
_SMALLEST = 1e-9
_UNKNOWN = 1e9


def learn_newcomer(
    values: Doubles, mask: Mask, budget: AlarmBudget, *, seed: int
) -> NewcomerNorms | None:
    """Return what a fleet tells of a new tank, None if its history is too short for that.

    Args:
        values: float64 (tanks, steps, channels), canonical units, a clean history.
        mask: bool, same shape.
        budget: allowed false alarms.
        seed: of the draw of tanks, where there are many.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(values))[:_MOST_TANKS])
    values, mask = values[chosen], mask[chosen]
    steps = values.shape[1]
    if steps < 2 * FEWEST_STEPS:
        return None
    scale, noise = _usual(values, mask)
    lenient = np.full((1, 2 * values.shape[2]), np.inf)
    blank = NewcomerNorms(scale, noise, np.array([0]), lenient)
    runs, ages = [], []
    last = steps - FEWEST_STEPS - POOL
    for begin in np.unique(np.linspace(0, last, _BEGINNINGS).astype(int) // POOL * POOL).tolist():
        part = slice(begin, min(begin + LONGEST, steps))
        memory = NewcomerMemory.fresh(*values[:, 0].shape)
        _, features = watch_new(blank, values[:, part], mask[:, part], memory, first=0, phase=0)
        runs.append(features)
        known: Mask = np.any(mask[:, part], axis=2)
        ages.append(np.cumsum(known, axis=1, dtype=np.float64))
    level = np.array(
        [
            _level(runs, ages, first, after, budget)
            for first, after in zip(AGES, (*AGES[1:], _UNKNOWN), strict=True)
        ]
    )
    # An age that the history is too short for gets the threshold of the one before it, and no
    # tank a narrower one than when it is older.
    for row in range(1, len(level)):
        level[row] = np.where(np.isfinite(level[row]), level[row], level[row - 1])
    level = np.maximum.accumulate(level[::-1], axis=0)[::-1]
    return NewcomerNorms(scale, noise, np.array(AGES), level)


def _usual(values: Doubles, mask: Mask) -> tuple[Doubles, Doubles]:
    """Return the fleet's middle spread and noise of each channel."""
    tanks, steps, channels = values.shape
    pools = steps // POOL
    known = np.where(mask, values, np.nan)[:, : pools * POOL]
    level, noise = pool_of(known.reshape(tanks * pools, POOL, channels))
    level, noise = level.reshape(tanks, pools, channels), noise.reshape(tanks, pools, channels)
    spreads, noises = np.ones(channels), np.ones(channels)
    for channel in range(channels):
        own = [row[np.isfinite(row)] for row in level[:, :, channel]]
        spread = [np.subtract(*np.quantile(row, (0.99, 0.01))) / 2.0 for row in own if row.size]
        rough = noise[:, :, channel]
        spreads[channel] = max(float(np.median(spread)) if spread else 1.0, _SMALLEST)
        found = rough[np.isfinite(rough)]
        noises[channel] = max(float(np.median(found)) if found.size else 1.0, _SMALLEST)
    return spreads, noises


def _level(
    runs: list[Doubles], ages: list[Doubles], first: int, after: float, budget: AlarmBudget
) -> Doubles:
    """Return the thresholds of one age, NaN if no run was that old."""
    apart = budget.merge_gap + budget.on_delay + 1
    parts = []
    for features, age in zip(runs, ages, strict=True):
        inside = (age >= first) & (age < after)
        for row in np.flatnonzero(inside.any(axis=1)).tolist():
            parts.append(features[row, inside[row]])
            parts.append(np.full((apart, features.shape[2]), np.nan))
    if not parts:
        return np.full(runs[0].shape[2], np.nan)
    errors = np.concatenate(parts)[None]
    level = fit_peak_threshold(errors, budget).level[0]
    judged = np.isfinite(errors[0]).any(axis=0)
    return np.where(judged, level, np.nan)
