"""Thresholds from an alarm budget: peaks over threshold on calibration time.

Errors that a detector gives on time it has not seen are cut into clusters, as an operator's alarms
would be; the clusters' peaks over a high quantile follow a generalised Pareto distribution
(Pickands 1975; declustering after Davison and Smith 1990), and the threshold is the level that the
fleet would cross as often as the budget allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import genpareto

SECONDS_PER_MONTH = 30 * 86_400
_HIGH_QUANTILE = 0.95
_TANK_QUANTILE = 0.9
_SHRINK_STEPS = 1440
_SHRINK_PEAKS = 20
_FEWEST_PEAKS = 5
_FRECHET = 0.1
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class AlarmBudget:
    """How many false alarms are allowed, and how scores become alarms.

    Attributes:
        per_tank_month: false alarms of one tank in 30 days.
        step_s: length of a step in seconds.
        on_delay: steps in a row above the threshold that make an alarm.
        merge_gap: steps below it that separate two alarms.
    """

    per_tank_month: float = 0.5
    step_s: int = 60
    on_delay: int = 3
    merge_gap: int = 40


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where alarms begin, for each tank and feature of a detector.

    Attributes:
        level: float64 (tanks, features), in the unit of the errors.
        peaks: clusters that the tail was fitted to.
        tank_months: calibration time.
    """

    level: NDArray[np.float64]
    peaks: int
    tank_months: float


def fit_threshold(errors: NDArray[np.floating[Any]], budget: AlarmBudget) -> Threshold:
    """Return the threshold at which all features together meet `budget`.

    The fleet is pooled: each tank's errors are divided by its own scale, which is drawn towards
    the fleet's where the tank has little calibration time.  Each feature gets a level from an even
    share of the budget; then the largest of them, which is what alarms, is calibrated to the whole,
    so features that alarm together do not pay twice.

    Args:
        errors: float (tanks, steps, features), higher is more anomalous, NaN where not judged.
        budget: allowed false alarms.
    """
    tanks, _, features = errors.shape
    level = np.empty((tanks, features))
    judged = np.isfinite(errors).any(axis=2).sum()
    months = max(float(judged) * budget.step_s / SECONDS_PER_MONTH, 1e-9)
    share = budget.per_tank_month / features
    for feature in range(features):
        scale = tank_scales(errors[:, :, feature])
        pooled = errors[:, :, feature] / scale[:, None]
        at, _ = _level(pooled, budget, allowed=share, months=months)
        level[:, feature] = at * scale
    worst = worst_feature(errors / level[:, None])
    at, peaks = _level(worst, budget, allowed=budget.per_tank_month, months=months)
    return Threshold(level * at, peaks, months)


def fit_peak_threshold(
    errors: NDArray[np.floating[Any]],
    budget: AlarmBudget,
    *,
    margin: float = 1.2,
    high: Sequence[float] | float = _TANK_QUANTILE,
    by_tank: bool = True,
) -> Threshold:
    """Return thresholds beyond the highest peaks of calibration time, for views that differ much.

    A tail that is fitted to the peaks of a few days says little of the next weather.  Each feature,
    pooled as in `fit_threshold`, takes an even share of the budget; its level is the peak that was
    exceeded as often as the share allows, times `margin`.  Where the share allows less than the
    calibration time has seen, the highest peak is carried on as a Fréchet tail of index 0.1 (the
    heaviest that `fit_threshold` meets in practice is 0.3, the usual one 0).

    Args:
        errors: float (tanks, steps, features), higher is more anomalous, NaN where not judged.
        budget: allowed false alarms.
        margin: how far above the peaks of calibration time an alarm begins.
        high: quantile of a tank's errors that is its scale, for all features or for each.
        by_tank: whether each tank has a scale of its own.
    """
    tanks, _, features = errors.shape
    level = np.empty((tanks, features))
    judged = np.isfinite(errors).any(axis=2).sum()
    months = max(float(judged) * budget.step_s / SECONDS_PER_MONTH, 1e-9)
    allowed = budget.per_tank_month / features * months
    count = 0
    for feature, quantile in enumerate(np.broadcast_to(high, features)):
        scale = tank_scales(errors[:, :, feature], float(quantile)) if by_tank else np.ones(tanks)
        held = running_minimum(errors[:, :, feature] / scale[:, None], budget.on_delay)
        known = held[np.isfinite(held)]
        base = max(float(np.quantile(known, _HIGH_QUANTILE)), _SMALLEST) if known.size else 1.0
        peaks = np.sort(cluster_peaks(held, base, merge_gap=budget.merge_gap))[::-1]
        rank = int(np.clip(np.floor(allowed), 1, max(peaks.size, 1))) - 1
        highest = float(peaks[rank]) if peaks.size else base
        beyond = max((rank + 1) / max(allowed, 1e-9), 1.0) ** _FRECHET
        level[:, feature] = highest * beyond * margin * scale
        count += peaks.size
    return Threshold(level, count, months)


def worst_feature(relative: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the largest feature of each step, float64 (tanks, steps), NaN where none was judged.

    Args:
        relative: float (tanks, steps, features), errors over their levels.
    """
    judged = np.isfinite(relative).any(axis=2)
    filled = np.where(np.isfinite(relative), relative, -np.inf)
    return np.where(judged, filled.max(axis=2), np.nan)


def tank_scales(
    errors: NDArray[np.floating[Any]], quantile: float = _TANK_QUANTILE
) -> NDArray[np.float64]:
    """Return each tank's typical high error, shrunk to the fleet's; float64 (tanks,).

    Args:
        errors: float (tanks, steps), NaN where not judged.
        quantile: of a tank's errors that counts as high.
    """
    counts = np.isfinite(errors).sum(axis=1)
    own = np.full(errors.shape[0], np.nan)
    for tank in np.flatnonzero(counts):
        known = errors[tank, np.isfinite(errors[tank])]
        own[tank] = max(float(np.quantile(known, quantile)), _SMALLEST)
    if not counts.any():
        return np.ones(errors.shape[0])
    fleet = float(np.exp(np.nanmedian(np.log(own))))
    trust = counts / (counts + _SHRINK_STEPS)
    ratio = np.where(counts > 0, np.log(np.where(counts > 0, own, fleet) / fleet), 0.0)
    return np.asarray(fleet * np.exp(trust * ratio))


def running_minimum(errors: NDArray[np.floating[Any]], steps: int) -> NDArray[np.float64]:
    """Return the smallest error of each `steps` consecutive ones: what passes an on-delay.

    Args:
        errors: float (tanks, steps), NaN where not judged; a stretch with NaN gives NaN.
        steps: on-delay.
    """
    if errors.shape[1] < steps:
        return np.full((errors.shape[0], 0), np.nan)
    view = np.lib.stride_tricks.sliding_window_view(errors, steps, axis=1)
    return np.asarray(view.min(axis=-1), dtype=np.float64)


def cluster_peaks(
    errors: NDArray[np.float64], level: float, *, merge_gap: int
) -> NDArray[np.float64]:
    """Return the largest error of each cluster above `level`, over all tanks.

    Args:
        errors: float (tanks, steps), NaN where not judged.
        level: errors up to it belong to no cluster.
        merge_gap: clusters closer than this many steps are one.
    """
    peaks: list[float] = []
    for row in errors:
        above = np.flatnonzero(np.nan_to_num(row, nan=-np.inf) > level)
        if above.size:
            borders = np.flatnonzero(np.diff(above) > merge_gap) + 1
            peaks += [float(row[part].max()) for part in np.split(above, borders)]
    return np.array(peaks)


def _level(
    errors: NDArray[np.float64], budget: AlarmBudget, *, allowed: float, months: float
) -> tuple[float, int]:
    """Return the level that is crossed `allowed` times a tank-month, and the clusters behind it."""
    held = running_minimum(errors, budget.on_delay)
    known = held[np.isfinite(held)]
    if not known.size:
        return 1.0, 0
    base = max(float(np.quantile(known, _HIGH_QUANTILE)), _SMALLEST)
    peaks = cluster_peaks(held, base, merge_gap=budget.merge_gap)
    excess = peaks - base if peaks.size else np.array([0.1 * base])
    shape, scale = _fit_tail(excess)
    often = max(peaks.size, 1) / months / allowed
    beyond = float(genpareto.isf(min(1.0 / often, 1.0), shape, scale=scale))
    return base + beyond, int(peaks.size)


def _fit_tail(excess: NDArray[np.float64]) -> tuple[float, float]:
    """Return shape and scale of the tail by probability-weighted moments (Hosking, Wallis 1987).

    The shape is drawn towards 0, the exponential tail, where the peaks are few.
    """
    ordered = np.sort(excess)
    count, mean = ordered.size, max(float(ordered.mean()), _SMALLEST)
    if count < _FEWEST_PEAKS:
        return 0.0, mean
    weights = (count - np.arange(1, count + 1)) / (count - 1)
    first = float((weights * ordered).mean())
    raw = 2.0 - mean / max(mean - 2.0 * first, 1e-9 * mean)
    shape = float(np.clip(raw * count / (count + _SHRINK_PEAKS), -0.3, 0.3))
    return shape, mean * (1.0 - shape)
