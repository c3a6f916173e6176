"""Where a channel stands, beside where it ever stood, and beside where its siblings stand."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    exponentially weighted means over 4 and 24 hours of steps.  A channel for which that does not
    help on time that was not learned from is judged as it is.

    Attributes:
        groups: int64 (tanks,), site of each tank.
        weights: float64 (tanks, channels, 4), share of the constant and of the site's three.
        middle: float64 (tanks, channels), middle of the usual range, in scaled units.
        half: float64 (tanks, channels), half of its width.
        by_site: bool (channels,), which channels are judged beside the site.
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
        weights = np.where(self.by_site[None, :, None], self.weights[rows], 0.0)
        share = np.einsum("tcb,tscb->tsc", weights, np.nan_to_num(site))
        expected = share + self.middle[rows][:, None]
        residual = smooth - expected
        distance = np.abs(residual) / self.half[rows][:, None]
        lost = self.by_site & np.isnan(site[..., 1])  # no siblings here to be judged beside
        distance, residual, expected = (
            np.where(lost, np.nan, part) for part in (distance, residual, expected)
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


def learn_level(held: Doubles, mask: Mask, groups: NDArray[np.int64], *, border: int) -> Level:
    """Return the usual ranges of the steps before `border`; what comes later chooses the kind.

    Args:
        held: float64 (tanks, steps, channels), scaled, held where unknown.
        mask: bool, same shape.
        groups: int64 (tanks,), site of each tank.
        border: steps that are learned from.
    """
    tanks, _, channels = held.shape
    memory: Memory = {
        "level": np.full((tanks, channels), np.nan),
        "site": np.full((tanks, 1 + len(SITE_SPANS), channels), np.nan),
    }
    basis = np.nan_to_num(site_basis(held, mask, groups, memory))
    smooth = ewma(held, SPAN, memory["level"])
    weights = _shares(held[:, :border], basis[:, :border], mask[:, :border])
    has_site = np.array([(groups == group).sum() >= FEWEST_SIBLINGS for group in groups])
    weights[~has_site] = 0.0
    left = smooth - np.einsum("tcb,tscb->tsc", weights, basis)
    own, by_site = _range(smooth, mask, border), _range(left, mask, border)
    gain = _spread(left, by_site[0], mask, border) / _spread(smooth, own[0], mask, border)
    better = np.zeros(channels, dtype=bool)
    if has_site.any():
        better = np.exp(np.nanmean(np.log(gain[has_site]), axis=0)) < _SITE_HELPS
    middle = np.where(better, by_site[0], own[0])
    return Level(groups, weights, middle, np.where(better, by_site[1], own[1]), better)


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


def _range(values: Doubles, mask: Mask, border: int) -> tuple[Doubles, Doubles]:
    """Return middle and half width of the usual range, (tanks, channels) each."""
    tanks, _, channels = values.shape
    middle, half = np.zeros((tanks, channels)), np.full((tanks, channels), np.nan)
    for tank in range(tanks):
        for channel in range(channels):
            known = values[tank, :border, channel][mask[tank, :border, channel]]
            if known.size:
                low, high = np.quantile(known, (_OUTER, 1.0 - _OUTER))
                middle[tank, channel], half[tank, channel] = (low + high) / 2.0, (high - low) / 2.0
    for channel in range(channels):
        known_half = half[np.isfinite(half[:, channel]), channel]
        fleet = float(np.median(known_half)) if known_half.size else 1.0
        least = max(_LEAST_HALF * fleet, 1e-6)
        half[:, channel] = np.fmax(half[:, channel], least)
    return middle, half


def _spread(values: Doubles, middle: Doubles, mask: Mask, border: int) -> Doubles:
    """Return the farthest thousandth from the middle on later time, (tanks, channels)."""
    tanks, _, channels = values.shape
    found = np.full((tanks, channels), np.nan)
    for tank in range(tanks):
        for channel in range(channels):
            known = values[tank, border:, channel][mask[tank, border:, channel]]
            if known.size:
                distance = np.abs(known - middle[tank, channel])
                found[tank, channel] = max(float(np.quantile(distance, 1.0 - _OUTER)), 1e-6)
    return found


def _carried(values: Doubles, before: Doubles) -> Doubles:
    """Return values with the last finite one held, `before` where there was none yet."""
    steps = np.arange(values.shape[1])[None, :, None]
    newest = np.maximum.accumulate(np.where(np.isfinite(values), steps, -1), axis=1)
    taken = np.take_along_axis(values, np.maximum(newest, 0), axis=1)
    return np.where(newest >= 0, taken, before[:, None])
