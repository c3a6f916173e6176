"""Where a channel stands, beside where it ever stood, and beside where its siblings stand."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.smoothing import Doubles, ewma
from tankwatch.detectors.view import Mask

Memory = dict[str, Doubles]

SPAN = 10
SITE_SPANS = (240, 1440)
FEWEST_SIBLINGS = 5
_OUTER = 0.001
_LEAST_HALF = 0.25
_RIDGE = 1e-3
_SITE_HELPS = 0.9


@dataclass(slots=True)
class Level:
    """Turns held readings into distances from the usual range, 1 at its edge.

    A channel that the whole site moves (weather, the barometer) is judged by what is left once a
    tank's usual share of the site's movement is taken away: the site's middle now, and its
    exponentially weighted means over 4 and 24 hours of steps.  A tank whose channel that does not
    help, on time that was not learned from, is judged as it is: a heated tank hardly feels the
    weather that its neighbours follow.

    Attributes:
        groups: int64 (tanks,), site of each tank.
        weights: float64 (tanks, channels, 4), share of the constant and of the site's three.
        middle: float64 (2, tanks, channels), middle of the usual range, in scaled units: of the
            channel as it is, and of what is left beside the site.
        half: float64 (2, tanks, channels), half of its width.
        by_site: bool (tanks, channels), which of the two counts.
    """

    groups: NDArray[np.int64]
    weights: Doubles
    middle: Doubles
    half: Doubles
    by_site: NDArray[np.bool_]

    @staticmethod
    def layout(channels: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each part of a tank's memory."""
        return {"level": (channels,), "site": (1 + len(SITE_SPANS), channels)}

    @staticmethod
    def begin(memory: Memory, rows: NDArray[np.bool_]) -> None:
        """Make the memory of `rows` that of a tank that was never seen."""
        memory["level"][rows] = np.nan
        memory["site"][rows] = np.nan

    def see(
        self, held: Doubles, mask: Mask, places: NDArray[np.int64], memory: Memory
    ) -> tuple[Doubles, Doubles, Doubles]:
        """Return distance (1 at the edge), smoothed residual and expected value.

        Each float64 (tanks, steps, channels).
        """
        rows = np.maximum(places, 0)
        smooth = ewma(held, SPAN, memory["level"])
        memory["level"] = smooth[:, -1].copy()
        site = site_basis(held, mask, np.where(places >= 0, self.groups[rows], -1), memory)
        share = np.einsum("tcb,tscb->tsc", self.weights[rows], np.nan_to_num(site))
        beside = self.by_site[rows][:, None]
        middle = np.where(self.by_site, self.middle[1], self.middle[0])[rows][:, None]
        half = np.where(self.by_site, self.half[1], self.half[0])[rows][:, None]
        expected = np.where(beside, share, 0.0) + middle
        residual = smooth - expected
        lost = beside & np.isnan(site[..., 1])  # no siblings here to be judged beside
        distance, residual, expected = (
            np.where(lost, np.nan, part) for part in (np.abs(residual) / half, residual, expected)
        )
        return distance, residual, expected

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values."""
        names = ("groups", "weights", "middle", "half", "by_site")
        return {name: getattr(self, name).tolist() for name in names}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Level":
        """Return what `to_json` gave."""
        return cls(
            np.array(stored["groups"], dtype=np.int64),
            weights=np.array(stored["weights"]),
            middle=np.array(stored["middle"]),
            half=np.array(stored["half"]),
            by_site=np.array(stored["by_site"], dtype=bool),
        )


def site_basis(held: Doubles, mask: Mask, groups: NDArray[np.int64], memory: Memory) -> Doubles:
    """Return constant, site's middle and its slow means, float64 (tanks, steps, channels, 4).

    The middle is the median of the known scaled values of a site's tanks, held where fewer than
    five are known; NaN for a site that never had five.
    """
    tanks, steps, channels = held.shape
    middle = np.full((tanks, steps, channels), np.nan)
    for group in np.unique(groups[groups >= 0]):
        mine = groups == group
        if mine.sum() >= FEWEST_SIBLINGS:
            known = np.where(mask[mine], held[mine], np.nan)
            enough = np.isfinite(known).sum(axis=0) >= FEWEST_SIBLINGS
            median = np.nanmedian(np.where(enough, known, 0.0), axis=0)
            middle[mine] = np.where(enough, median, np.nan)
    middle = _carried(middle, memory["site"][:, 0])
    parts = [np.ones_like(middle), middle]
    for index, span in enumerate(SITE_SPANS, start=1):
        parts.append(_slow(middle, span, memory["site"][:, index]))
    memory["site"] = np.stack([part[:, -1] for part in parts[1:]], axis=1)
    return np.stack(parts, axis=-1)


class LevelLesson:
    """What levels are learned from: a history, smoothed, beside its site.

    Args:
        held: float64 (tanks, steps, channels), scaled, held where unknown.
        mask: bool, same shape.
        groups: int64 (tanks,), site of each tank.
        seams: steps at which the history goes on at another time, and all means begin anew.
    """

    def __init__(
        self, held: Doubles, mask: Mask, groups: NDArray[np.int64], seams: Sequence[int] = ()
    ) -> None:
        tanks, steps, channels = held.shape
        self._held, self._mask, self._groups = held, mask, groups
        self._basis = np.empty((*held.shape, 2 + len(SITE_SPANS)))
        self._smooth = np.empty(held.shape)
        for first, last in pairwise((0, *seams, steps)):
            part = slice(first, last)
            memory: Memory = {"site": np.full((tanks, 1 + len(SITE_SPANS), channels), np.nan)}
            basis = site_basis(held[:, part], mask[:, part], groups, memory)
            self._basis[:, part] = np.nan_to_num(basis)
            self._smooth[:, part] = ewma(held[:, part], SPAN, np.full((tanks, channels), np.nan))
        self._has_site = np.array([(groups == own).sum() >= FEWEST_SIBLINGS for own in groups])

    def learn(self, learned: NDArray[np.bool_]) -> Level:
        """Return the usual ranges of the steps that are true in `learned`, bool (steps,)."""
        mask = self._mask & learned[None, :, None]
        weights = _shares(self._held, self._basis, mask)
        weights[~self._has_site] = 0.0
        ranges = [_range(series, mask) for series in self._kinds(weights)]
        middle, half = (np.stack(parts) for parts in zip(*ranges, strict=True))
        return Level(self._groups, weights, middle, half, np.zeros(half.shape[1:], dtype=bool))

    def distances(self, level: Level) -> Doubles:
        """Return distances as they are and beside the site, float64 (tanks, steps, channels, 2)."""
        kinds = zip(self._kinds(level.weights), level.middle, level.half, strict=True)
        return np.stack([np.abs(x - mid[:, None]) / half[:, None] for x, mid, half in kinds], -1)

    def choose(self, level: Level, unseen: Doubles) -> NDArray[np.bool_]:
        """Return which tanks' channels are judged beside the site, bool (tanks, channels).

        Those for which that leaves the smaller extremes, in the units of the channel.

        Args:
            level: learned from all of the history.
            unseen: float64 (tanks, steps, channels, 2), distances of time not learned from.
        """
        known = np.where(self._mask[..., None], unseen, np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a channel without any reading
            farthest = np.nanquantile(known, 1.0 - _OUTER, axis=1)
        extent = farthest * np.moveaxis(level.half, 0, -1)
        better = extent[..., 1] < _SITE_HELPS * extent[..., 0]
        return np.asarray(better & self._has_site[:, None])

    def _kinds(self, weights: Doubles) -> tuple[Doubles, Doubles]:
        share = np.einsum("tcb,tscb->tsc", weights, self._basis)
        return self._smooth, self._smooth - share


def _slow(middle: Doubles, span: int, before: Doubles) -> Doubles:
    """Return the slow mean of a site's middle, beginning where that begins to be known."""
    first = np.isnan(before) & np.isfinite(middle).any(axis=1)
    start = np.take_along_axis(middle, np.isfinite(middle).argmax(axis=1)[:, None], axis=1)[:, 0]
    begun = np.where(first, start, before)
    filled = np.where(np.isfinite(middle), middle, np.nan_to_num(begun)[:, None])
    return np.where(np.isfinite(middle), ewma(filled, span, begun), np.nan)


def _shares(held: Doubles, basis: Doubles, mask: Mask) -> Doubles:
    """Return each tank's share of its site by ridge regression, (tanks, channels, 4)."""
    tanks, steps, channels = held.shape
    weights = np.zeros((tanks, channels, basis.shape[-1]))
    penalty = _RIDGE * steps * np.eye(basis.shape[-1])
    for tank in range(tanks):
        for channel in range(channels):
            known = mask[tank, :, channel]
            site, own = basis[tank, known, channel], held[tank, known, channel]
            weights[tank, channel] = np.linalg.solve(site.T @ site + penalty, site.T @ own)
    return weights


def _range(values: Doubles, mask: Mask) -> tuple[Doubles, Doubles]:
    """Return middle and half width of the usual range, (tanks, channels) each."""
    tanks, _, channels = values.shape
    middle, half = np.zeros((tanks, channels)), np.full((tanks, channels), np.nan)
    for tank in range(tanks):
        for channel in range(channels):
            known = values[tank, mask[tank, :, channel], channel]
            if known.size:
                low, high = np.quantile(known, (_OUTER, 1.0 - _OUTER))
                middle[tank, channel], half[tank, channel] = (low + high) / 2.0, (high - low) / 2.0
    for channel in range(channels):
        known_half = half[np.isfinite(half[:, channel]), channel]
        fleet = float(np.median(known_half)) if known_half.size else 1.0
        least = max(_LEAST_HALF * fleet, 1e-6)
        half[:, channel] = np.fmax(half[:, channel], least)
    return middle, half


def _carried(values: Doubles, before: Doubles) -> Doubles:
    """Return values with the last finite one held, `before` where there was none yet."""
    steps = np.arange(values.shape[1])[None, :, None]
    newest = np.maximum.accumulate(np.where(np.isfinite(values), steps, -1), axis=1)
    taken = np.take_along_axis(values, np.maximum(newest, 0), axis=1)
    return np.where(newest >= 0, taken, before[:, None])
