"""The view of stays, carried from step to step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.dwell import BAND_NOISES, MEMORY, POOL, DwellNorm, Norms, ratio_of, stays
from tankwatch.detectors.smoothing import Doubles

Memory = dict[str, Doubles]


@dataclass(slots=True)
class Stays:
    """Turns held readings into the length of each stay beside the longest usual one.

    Steps are pooled by five; a tank's memory holds the pools of a day and the steps of the pool
    that is under way.

    Attributes:
        channels: those that pass most levels; for the others a stay says nothing.
        norms: by tank, by channel of `channels`, by width of a level.
    """

    channels: tuple[int, ...]
    norms: Norms

    def layout(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each part of a tank's memory."""
        count = len(self.channels)
        if not count:
            return {}
        return {
            "pools": (count, MEMORY - 1),
            "raw": (count, POOL - 1),
            "pooled": (1,),
            "stay": (count, len(BAND_NOISES)),
        }

    @staticmethod
    def begin(memory: Memory, rows: NDArray[np.bool_]) -> None:
        """Make the memory of `rows` that of a tank that was never seen."""
        if "pools" not in memory:
            return
        memory["pools"][rows] = np.nan
        for name in ("raw", "pooled", "stay"):
            memory[name][rows] = 0.0

    def see(self, held: Doubles, places: NDArray[np.int64], memory: Memory) -> Doubles:
        """Return stays over usual ones, float64 (tanks, steps, channels of this view, widths)."""
        found = np.zeros((*held.shape[:2], len(self.channels), len(BAND_NOISES)))
        if not self.channels:
            return found
        mine = held[:, :, list(self.channels)]
        phases = memory["pooled"][:, 0].astype(np.int64)
        for phase in np.unique(phases):
            rows = np.flatnonzero(phases == phase)
            self._in_phase(mine, rows, places, memory, found, phase=int(phase))
        return found

    def _in_phase(
        self,
        held: Doubles,
        rows: NDArray[np.intp],
        places: NDArray[np.int64],
        memory: Memory,
        found: Doubles,
        *,
        phase: int,
    ) -> None:
        """Fill `found` for tanks whose pool under way holds `phase` steps, and their memory."""
        before = memory["raw"][rows][:, :, POOL - 1 - phase :]
        series = np.concatenate([before, np.moveaxis(held[rows], 1, 2)], axis=2)
        pools = series.shape[2] // POOL
        means = series[:, :, : pools * POOL].reshape(*series.shape[:2], pools, POOL).mean(axis=3)
        pooled = np.concatenate([memory["pools"][rows], means], axis=2)
        ends = np.arange(pools) * POOL + POOL - 1 - phase
        newest = np.searchsorted(ends, np.arange(held.shape[1]), side="right")
        for index, row in enumerate(rows):
            known = places[row] >= 0
            for channel in range(len(self.channels)):
                ratios = memory["stay"][row, channel][None]
                if pools and known:
                    norms = self.norms[places[row]][channel]
                    ratios = np.concatenate([ratios, _ratios(pooled[index, channel], norms)])
                elif pools:
                    ratios = np.zeros((pools + 1, len(BAND_NOISES)))
                found[row, :, channel] = ratios[newest]
                memory["stay"][row, channel] = ratios[-1]
        memory["pools"][rows] = pooled[:, :, pooled.shape[2] - (MEMORY - 1) :]
        rest = series[:, :, pools * POOL :]
        memory["pooled"][rows, 0] = rest.shape[2]
        kept = np.zeros((rows.size, len(self.channels), POOL - 1))
        if rest.shape[2]:
            kept[:, :, POOL - 1 - rest.shape[2] :] = rest
        memory["raw"][rows] = kept

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values."""
        norms = [[[norm.to_json() for norm in c] for c in tank] for tank in self.norms]
        return {"channels": list(self.channels), "norms": norms}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Stays":
        """Return what `to_json` gave."""
        norms = [
            [[DwellNorm.from_json(norm) for norm in channel] for channel in tank]
            for tank in stored["norms"]
        ]
        return cls(tuple(stored["channels"]), norms)


def _ratios(pooled: Doubles, norms: list[DwellNorm]) -> Doubles:
    """Return stays at the end of each pool over usual ones, float64 (pools, widths)."""
    widths = np.array([norm.width for norm in norms])
    length, level = stays(np.repeat(pooled[None], widths.size, axis=0), widths)
    each = zip(length, level, norms, strict=True)
    return np.stack([ratio_of(steps, place, norm) for steps, place, norm in each], axis=1)
