"""How long a channel has stood at a level, beside how long it ever stood there.

A tank's pressure passes through most levels and stays at few: where the vent holds it, where the
vacuum breaker does, on the pad of its blanket.  One that stands at another level, however inside
its range, has a leak, a valve propped open, or a sensor that is stuck.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

POOL = 5
MEMORY = 288
# Half widths of a level, in standard deviations of a channel's noise: a leaking tank stands nearly
# still, one with an open vent still breathes a little.
BAND_NOISES = (2.5, 5.0)
LEAST_STAY = 90.0
_LEAST_NOISE = 0.05
_NEIGHBOURS = 2
_PASSED = 0.3


@dataclass(frozen=True, slots=True)
class DwellNorm:
    """How long one channel of one tank stays where, from its history.

    Attributes:
        width: half width of what counts as one level, in scaled units.
        lowest: index of the first level.
        longest: float64 (levels,), longest stay in steps, 0 for a level that was never passed.
    """

    width: float
    lowest: int
    longest: Doubles

    def usual(self, level: Doubles) -> Doubles:
        """Return the longest stay at each level or beside it, NaN where it never was."""
        place = np.round(np.nan_to_num(level) / self.width).astype(np.int64) - self.lowest
        around = np.arange(-_NEIGHBOURS, _NEIGHBOURS + 1)
        places = place[..., None] + around
        inside = (places >= 0) & (places < self.longest.size)
        found = np.where(inside, self.longest[np.clip(places, 0, self.longest.size - 1)], 0.0)
        stay = found.max(axis=-1)
        return np.where((stay > 0) & np.isfinite(level), stay, np.nan)

    def to_json(self) -> dict[str, Any]:
        """Return the norm as plain values."""
        return {"width": self.width, "lowest": self.lowest, "longest": self.longest.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "DwellNorm":
        """Return the norm that `to_json` gave."""
        return cls(stored["width"], stored["lowest"], np.array(stored["longest"]))


Norms = list[list[list[DwellNorm]]]


def stays(pooled: Doubles, width: Doubles) -> tuple[Doubles, Doubles]:
    """Return how long each series has stood at its level at the end of each pool, and the level.

    A stay reaches back as far as the values lie within `width` to either side of their middle, at
    most `MEMORY` pools.

    Args:
        pooled: float64 (rows, MEMORY - 1 + pools), means of `POOL` steps, the memory first; NaN
            where there was none.
        width: float64 (rows,), half width of a level.

    Returns:
        Steps and level, float64 (rows, pools).
    """
    rows, length = pooled.shape
    pools = length - MEMORY + 1
    steps, level = np.zeros((rows, pools)), np.full((rows, pools), np.nan)
    for row in range(rows):
        view = np.lib.stride_tricks.sliding_window_view(pooled[row], MEMORY)[:, ::-1]
        high = np.maximum.accumulate(view, axis=1)  # NaN, once met, stays
        low = np.minimum.accumulate(view, axis=1)
        inside = high - low <= 2.0 * width[row]
        count = inside.sum(axis=1)
        last = np.maximum(count - 1, 0)
        every = np.arange(pools)
        steps[row] = count * POOL
        level[row] = (high[every, last] + low[every, last]) / 2.0
    return steps, level


class DwellLesson:
    """What usual stays are learned from: a history, cut into stays once.

    Args:
        held: float64 (tanks, steps, channels), scaled, held where unknown.
        mask: bool, same shape.
    """

    def __init__(self, held: Doubles, mask: NDArray[np.bool_]) -> None:
        tanks, self._steps, channels = held.shape
        self._pools = self._steps // POOL
        noise = np.array(
            [
                [noise_of(held[tank, mask[tank, :, c], c]) for c in range(channels)]
                for tank in range(tanks)
            ]
        ).reshape(tanks, channels)
        least = np.maximum(_LEAST_NOISE * np.median(noise, axis=0), 1e-4)
        widths = np.maximum(noise, least)[..., None] * np.array(BAND_NOISES)
        means = _pooled(np.where(mask, held, np.nan), self._pools)
        self._stays = [
            [
                [Stretches.of(means[tank, :, c], width) for width in widths[tank, c]]
                for c in range(channels)
            ]
            for tank in range(tanks)
        ]

    @property
    def passing(self) -> tuple[int, ...]:
        """Return the channels that pass most levels, for which a stay says something.

        Of the levels where such a channel ever was, the fleet's middle tank has left more than
        three in ten within `LEAST_STAY` steps each time.
        """
        if self._steps < MEMORY * POOL:  # too little history to tell what is long
            return ()
        everything = np.ones(self._steps, dtype=bool)
        norms = self.learn(everything, tuple(range(len(self._stays[0]))))
        share = np.array([[_passed(channel[0].longest) for channel in tank] for tank in norms])
        return tuple(np.flatnonzero(np.median(share, axis=0) > _PASSED).tolist())

    def learn(self, learned: NDArray[np.bool_], channels: Sequence[int]) -> Norms:
        """Return the usual stays of the steps that are true in `learned`, bool (steps,).

        By tank, then by channel of `channels`, then by width of a level.
        """
        pools = np.asarray(learned[: self._pools * POOL].reshape(-1, POOL).all(axis=1))
        return [
            [[stretches.norm(pools) for stretches in tank[c]] for c in channels]
            for tank in self._stays
        ]

    def ratios(self, norms: Norms, channels: Sequence[int]) -> Doubles:
        """Return stays over the longest usual ones, float64 (tanks, steps, channels, widths)."""
        found = np.zeros((len(norms), self._steps, len(channels), len(BAND_NOISES)))
        for tank, of_tank in enumerate(norms):
            for index, channel in enumerate(channels):
                for width, norm in enumerate(of_tank[index]):
                    stretches = self._stays[tank][channel][width]
                    ratio = np.repeat(ratio_of(stretches.steps, stretches.level, norm), POOL)
                    # A pool is judged at its end, so the next steps have its ratio.
                    late = np.concatenate([np.zeros(POOL - 1), ratio])[: self._steps]
                    found[tank, : late.size, index, width] = late
        return found


@dataclass(frozen=True, slots=True)
class Stretches:
    """Where one channel of one tank stood at the end of each pool, and for how long.

    Attributes:
        width: half width of a level, in scaled units.
        steps: float64 (pools,), length of the stay.
        level: float64 (pools,), NaN where nothing was read.
    """

    width: float
    steps: Doubles
    level: Doubles

    @classmethod
    def of(cls, means: Doubles, width: float) -> "Stretches":
        """Return the stretches of pooled values, float64 (pools,), NaN where nothing was read."""
        before = np.full(MEMORY - 1, np.nan)
        steps, level = stays(np.concatenate([before, means])[None], np.array([width]))
        return cls(float(width), steps[0], level[0])

    def norm(self, learned: NDArray[np.bool_]) -> DwellNorm:
        """Return the longest stays of the pools that are true in `learned`, bool (pools,)."""
        chosen = learned & np.isfinite(self.level)
        place = np.round(self.level[chosen] / self.width).astype(np.int64)
        lowest = int(place.min(initial=0))
        longest = np.zeros(int(place.max(initial=0)) - lowest + 1)
        np.maximum.at(longest, place - lowest, self.steps[chosen])
        return DwellNorm(self.width, lowest, longest)


def ratio_of(steps: Doubles, level: Doubles, norm: DwellNorm) -> Doubles:
    """Return each stay over the longest usual one, 0 at a level that was never passed."""
    usual = norm.usual(level)
    ratio = steps / np.fmax(usual, LEAST_STAY)
    return np.where(np.isfinite(usual), ratio, 0.0)


def _pooled(values: Doubles, pools: int) -> Doubles:
    """Return means of `POOL` steps, (tanks, pools, channels), NaN where nothing was read."""
    tanks, _, channels = values.shape
    cut = values[:, : pools * POOL].reshape(tanks, pools, POOL, channels)
    known = np.isfinite(cut)
    count = known.sum(axis=2)
    total = np.where(known, cut, 0.0).sum(axis=2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _passed(longest: Doubles) -> float:
    visited = longest[longest > 0]
    return float((visited < LEAST_STAY).mean()) if visited.size else 0.0


def noise_of(values: Doubles) -> float:
    """Return the standard deviation of a series' noise, from the changes between its steps."""
    if values.size < 2:
        return 0.0
    three_quarters = float(np.quantile(np.abs(np.diff(values)), 0.75))
    return float(three_quarters / 1.15 / np.sqrt(2.0))
