"""How long a channel has stood at a level, beside how long it ever stood there.

A tank's pressure passes through most levels and stays at few: where the vent holds it, where the
vacuum breaker does, on the pad of its blanket.  One that stands at another level, however inside
its range, has a leak, a valve propped open, or a sensor that is stuck.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

POOL = 5
MEMORY = 288
_BAND_NOISES = 2.5
_NEIGHBOURS = 2


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


def learn_dwell(values: Doubles, known: NDArray[np.bool_], fleet_noise: float) -> DwellNorm:
    """Return the norm of one channel of one tank.

    Args:
        values: float64 (steps,), scaled, held where unknown.
        known: bool (steps,).
        fleet_noise: least noise that is believed, in scaled units.
    """
    noise = max(noise_of(values[known]), fleet_noise)
    pools = values.size // POOL
    means = values[: pools * POOL].reshape(pools, POOL).mean(axis=1)
    width = _BAND_NOISES * noise
    before = np.full(MEMORY - 1, np.nan)
    steps, level = stays(np.concatenate([before, means])[None], np.array([width]))
    place = np.round(level[0] / width).astype(np.int64)
    lowest = int(place.min(initial=0))
    longest = np.zeros(int(place.max(initial=0)) - lowest + 1)
    np.maximum.at(longest, place - lowest, steps[0])
    return DwellNorm(float(width), lowest, longest)


def noise_of(values: Doubles) -> float:
    """Return the standard deviation of a series' noise, from the changes between its steps."""
    if values.size < 2:
        return 0.0
    three_quarters = float(np.quantile(np.abs(np.diff(values)), 0.75))
    return float(three_quarters / 1.15 / np.sqrt(2.0))
