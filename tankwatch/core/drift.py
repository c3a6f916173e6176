"""Whether scores are still distributed as they were when the thresholds were set.

The population stability index (PSI) sums ``(p - q) ln(p / q)`` over bins, the symmetric divergence
of Jeffreys (1946); 0.1 is usually taken for a moderate and 0.25 for a large shift.  Where nothing
changed it still is about chi-squared over the sample size (Yurdakul and Naranjo 2020), so a tank
counts as shifted only beyond what its few scores explain.  The Kolmogorov-Smirnov distance is taken
at the edges of the bins.  Scores that follow each other are alike, so every `thin_steps`-th counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

FLEET_BINS = 20
TANK_BINS = 10
FEWEST = 30
_SURE = 0.999
_ALIKE = 0.2
_MOST_LAG = 240

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bins of equal share, as far as ties allow.

    Attributes:
        edges: float64 (bins - 1,), inner edges.
        counts: float64 (bins,), thinned scores in each bin.
    """

    edges: Floats
    counts: Floats


@dataclass(frozen=True, slots=True)
class ScoreReference:
    """Scores at calibration time.

    Attributes:
        thin_steps: steps between scores that are hardly alike any more.
        median: float64 (tanks,), NaN for a tank with too few scores.
        fleet: all tanks' scores, each divided by its tank's median.
        tanks: each tank's own scores, None for one with too few.
    """

    thin_steps: int
    median: Floats
    fleet: Histogram
    tanks: tuple[Histogram | None, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the reference as plain values."""
        return {
            "thin_steps": self.thin_steps,
            "median": [float(m) if np.isfinite(m) else None for m in self.median],
            "fleet": _listed(self.fleet),
            "tanks": [None if one is None else _listed(one) for one in self.tanks],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ScoreReference":
        """Return the reference that `to_json` gave."""
        return cls(
            int(stored["thin_steps"]),
            np.array(stored["median"], dtype=np.float64),
            _histogram(stored["fleet"]),
            tuple(None if one is None else _histogram(one) for one in stored["tanks"]),
        )


@dataclass(frozen=True, slots=True)
class Shift:
    """How far scores have shifted.

    Attributes:
        psi: population stability index over the fleet.
        ks: Kolmogorov-Smirnov distance over the fleet, 0 to 1.
        tank_psi: float64 (tanks,), NaN where there are too few scores.
        shifted: bool (tanks,), beyond the level and beyond chance.
        is_fleet: whether the fleet is, as a whole.
    """

    psi: float
    ks: float
    tank_psi: Floats
    shifted: NDArray[np.bool_]
    is_fleet: bool

    @property
    def judged(self) -> int:
        """Return how many tanks have scores enough."""
        return int(np.isfinite(self.tank_psi).sum())


def make_reference(score: NDArray[np.floating[Any]], *, thin_steps: int) -> ScoreReference:
    """Return what calibration scores are remembered by.

    Args:
        score: float (tanks, steps), NaN where not judged.
        thin_steps: every so many-th score counts.
    """
    rows = [_thinned(row, thin_steps) for row in score]
    medians = [float(np.median(row)) if row.size >= FEWEST else np.nan for row in rows]
    median = np.array(medians, dtype=np.float64)
    median[~(median > 0)] = np.nan
    tanks = tuple(
        _bins(row, TANK_BINS) if np.isfinite(middle) else None
        for row, middle in zip(rows, median, strict=True)
    )
    return ScoreReference(thin_steps, median, _bins(_pooled(rows, median), FLEET_BINS), tanks)


def measure_shift(
    reference: ScoreReference, score: NDArray[np.floating[Any]], *, level: float
) -> Shift:
    """Return how far the scores of lately are from those of calibration time.

    Args:
        reference: scores at calibration time.
        score: float (tanks, steps), the same tanks, NaN where not judged or not to be counted.
        level: population stability index from which on a tank counts as shifted.
    """
    rows = [_thinned(row, reference.thin_steps) for row in score]
    tank_psi = np.full(len(rows), np.nan)
    shifted = np.zeros(len(rows), dtype=bool)
    for tank, (row, own) in enumerate(zip(rows, reference.tanks, strict=True)):
        if own is not None and row.size >= FEWEST:
            tank_psi[tank], by_chance = _psi(own, _counts(row, own.edges))
            shifted[tank] = tank_psi[tank] >= max(level, by_chance)
    pooled = _pooled(rows, np.where(np.isfinite(tank_psi), reference.median, np.nan))
    if not pooled.size:
        return Shift(0.0, 0.0, tank_psi, shifted, is_fleet=False)
    counts = _counts(pooled, reference.fleet.edges)
    psi, by_chance = _psi(reference.fleet, counts)
    return Shift(
        psi,
        _distance(reference.fleet.counts, counts),
        tank_psi,
        shifted,
        is_fleet=psi >= max(level, by_chance),
    )


def decorrelation_steps(score: NDArray[np.floating[Any]]) -> int:
    """Return the lag at which a typical tank's scores are hardly alike, at most four hours' steps.

    Args:
        score: float (tanks, steps), NaN where not judged.
    """
    lags = [_lag(row) for row in score if np.isfinite(row).sum() >= FEWEST]
    return int(np.median(lags)) if lags else 1


def _lag(row: NDArray[np.floating[Any]]) -> int:
    known = np.isfinite(row)
    centred = np.where(known, row - np.median(row[known]), 0.0).astype(np.float64)
    # Ranks would do as well; clipping keeps one fault from being the whole variance.
    width = float(np.median(np.abs(centred[known]))) * 5 or 1.0
    centred = np.clip(centred, -width, width)
    power = float((centred**2).mean()) or 1.0
    for lag in range(1, min(_MOST_LAG, row.size // 4)):
        if float((centred[lag:] * centred[:-lag]).mean()) < _ALIKE * power:
            return lag
    return max(min(_MOST_LAG, row.size // 4), 1)


def _thinned(row: NDArray[np.floating[Any]], steps: int) -> Floats:
    chosen = row[::steps].astype(np.float64)
    return np.asarray(chosen[np.isfinite(chosen)])


def _pooled(rows: list[Floats], median: Floats) -> Floats:
    used = [row / middle for row, middle in zip(rows, median, strict=True) if np.isfinite(middle)]
    return np.concatenate(used) if used else np.empty(0)


def _bins(values: Floats, bins: int) -> Histogram:
    if not values.size:
        return Histogram(np.empty(0), np.zeros(1))
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins))
    return Histogram(edges, _counts(values, edges))


def _counts(values: Floats, edges: Floats) -> Floats:
    places = np.searchsorted(edges, values, side="left")
    return np.bincount(places, minlength=edges.size + 1).astype(np.float64)


def _psi(reference: Histogram, counts: Floats) -> tuple[float, float]:
    """Return the index, and how large chance alone makes it at most."""
    bins = counts.size
    p = (counts + 0.5) / (counts.sum() + 0.5 * bins)
    q = (reference.counts + 0.5) / (reference.counts.sum() + 0.5 * bins)
    freedom = 1.0 / max(counts.sum(), 1.0) + 1.0 / max(reference.counts.sum(), 1.0)
    by_chance = float(chi2.ppf(_SURE, max(bins - 1, 1))) * freedom
    return float(((p - q) * np.log(p / q)).sum()), by_chance


def _distance(first: Floats, second: Floats) -> float:
    shares = [np.cumsum(each) / max(each.sum(), 1.0) for each in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def _listed(one: Histogram) -> dict[str, list[float]]:
    return {"edges": one.edges.tolist(), "counts": one.counts.tolist()}


def _histogram(stored: Mapping[str, Any]) -> Histogram:
    return Histogram(
        np.array(stored["edges"], dtype=np.float64), np.array(stored["counts"], dtype=np.float64)
    )
