"""Several views on one scale: what no forecast expected, unusual levels, and unusual stays."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.incident import Sign
from tankwatch.detectors.dwell import MEMORY, POOL, DwellNorm, learn_dwell, noise_of, stays
from tankwatch.detectors.forecaster import LARGEST_RESIDUAL, ForecastingDetector
from tankwatch.detectors.joint import Joint, learn_joint
from tankwatch.detectors.level import Level, learn_level
from tankwatch.detectors.smoothing import Doubles, ewma
from tankwatch.detectors.streaming import Memory
from tankwatch.detectors.view import EVERY, Floats, Mask, View
from tankwatch.shaping.windows import hold_fill

_SURPRISE_SPAN = 30
_LEAST_STAY = 90.0
_LEAST_NOISE = 0.05
_TILTED = 0.7


class FusedDetector(ForecastingDetector):
    """The default: four views, each with its share of the alarm budget.

    - *Surprise*: root mean square of the forecaster's standardised residuals over 30 steps; spikes,
      jumps, noise and oscillation show in it.
    - *Level*: distance from the usual range, beside what the whole site does; offsets, drift,
      valves that open too late and heaters that fail show in it.
    - *Stay*: how long the channel has stood at a level that it otherwise only passes; leaks and
      valves that are propped open show in it.

    - *Joint*: distance of all channels together from where they usually stand; a pressure that
      parts from its temperature shows in it.  One view for all channels, if there are several.

    Each view of each channel gets a threshold from an even share of the budget, fitted to the tail
    on time that nothing was learned from, pooled over the fleet and drawn to the tank as its
    history grows; the largest ratio is calibrated to the whole budget once more.
    """

    name: ClassVar[str] = "fused"

    def _learn(self, scaled: Floats, mask: Mask, held_out: slice) -> None:
        super()._learn(scaled, mask, held_out)
        border = held_out.start
        filled = hold_fill(scaled, mask).astype(np.float64)
        self.level_ = learn_level(filled, mask, self.groups_, border=border)
        seed = self.random_state
        self.joint_ = learn_joint(filled[:, :border], mask[:, :border], seed=seed)
        tanks, _, channels = scaled.shape
        early, known = filled[:, :border], mask[:, :border]
        noise = np.array(
            [
                [noise_of(early[tank, known[tank, :, c], c]) for c in range(channels)]
                for tank in range(tanks)
            ]
        )
        self.stays_ = []
        if border < MEMORY * POOL:  # too little history to tell what is long
            return
        least = np.maximum(_LEAST_NOISE * np.median(noise, axis=0), 1e-4)
        self.stays_ = [
            [
                learn_dwell(early[tank, :, c], known[tank, :, c], float(least[c]))
                for c in range(channels)
            ]
            for tank in range(tanks)
        ]

    def _layout(self, channels: int) -> dict[str, tuple[int, ...]]:
        return (
            super()._layout(channels)
            | Level.layout(channels)
            | {
                "rough": (channels,),
                "joint": (channels,),
                "pools": (channels, MEMORY - 1),
                "raw": (channels, POOL - 1),
                "pooled": (1,),
                "stay": (channels,),
            }
        )

    def _begin(self, memory: Memory, rows: NDArray[np.bool_]) -> None:
        super()._begin(memory, rows)
        Level.begin(memory, rows)
        memory["rough"][rows] = 1.0
        memory["joint"][rows] = np.nan
        memory["pools"][rows] = np.nan
        for name in ("raw", "pooled", "stay"):
            memory[name][rows] = 0.0

    def _advance(self, held: Floats, mask: Mask, places: NDArray[np.int64], memory: Memory) -> View:
        residual, _ = self._residuals(held, mask, places, memory)
        raw = np.clip(np.nan_to_num(residual, nan=1.0), -LARGEST_RESIDUAL, LARGEST_RESIDUAL)
        rough = ewma(raw**2, _SURPRISE_SPAN, memory["rough"])
        memory["rough"] = rough[:, -1].copy()
        doubles = held.astype(np.float64)
        distance, left, expected = self.level_.see(doubles, mask, places, memory)
        together, parts = self.joint_.see(doubles, memory)
        channels = held.shape[2]
        views = [np.sqrt(rough), distance]
        signs = (Sign.NONE,) * 2 * channels
        if self.stays_:
            views.append(self._stay(doubles, places, memory))
            signs += (Sign.STAY,) * channels
        of = tuple(range(channels)) * len(views)
        views = [np.where(mask, view, np.nan) for view in views]
        if channels > 1:
            views.append(np.where(mask.all(axis=2), together, np.nan)[..., None])
            of, signs = (*of, EVERY), (*signs, Sign.TOGETHER)
        errors = np.concatenate(views, axis=2).astype(np.float32)
        # Noise has no direction: one is told only where the level itself is near its edge.
        tilt = np.where(np.nan_to_num(distance) > _TILTED, left, 0.0)
        return View(
            errors,
            parts.astype(np.float32),
            tilt.astype(np.float32),
            expected.astype(np.float32),
            of,
            signs,
        )

    def _stay(self, held: Doubles, places: NDArray[np.int64], memory: Memory) -> Doubles:
        """Return each stay beside the longest usual one at its level, (tanks, steps, channels)."""
        found = np.empty_like(held)
        phases = memory["pooled"][:, 0].astype(np.int64)
        for phase in np.unique(phases):
            rows = np.flatnonzero(phases == phase)
            self._stay_in_phase(held, rows, places, memory, found, phase=int(phase))
        return found

    def _stay_in_phase(
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
        steps = held.shape[1]
        before = memory["raw"][rows][:, :, POOL - 1 - phase :]
        series = np.concatenate([before, np.moveaxis(held[rows], 1, 2)], axis=2)
        pools = series.shape[2] // POOL
        means = series[:, :, : pools * POOL].reshape(*series.shape[:2], pools, POOL).mean(axis=3)
        pooled = np.concatenate([memory["pools"][rows], means], axis=2)
        ends = np.arange(pools) * POOL + POOL - 1 - phase
        newest = np.searchsorted(ends, np.arange(steps), side="right")
        for index, row in enumerate(rows):
            for channel in range(held.shape[2]):
                ratio = np.array([memory["stay"][row, channel]])
                if pools and places[row] >= 0:
                    norm = self.stays_[places[row]][channel]
                    ratio = np.concatenate([ratio, _ratio(pooled[index, channel], norm)])
                elif pools:
                    ratio = np.zeros(pools + 1)
                found[row, :, channel] = ratio[newest]
                memory["stay"][row, channel] = ratio[-1]
        memory["pools"][rows] = pooled[:, :, pooled.shape[2] - (MEMORY - 1) :]
        rest = series[:, :, pools * POOL :]
        memory["pooled"][rows, 0] = rest.shape[2]
        memory["raw"][rows] = 0.0
        if rest.shape[2]:
            kept = memory["raw"][rows]
            kept[:, :, POOL - 1 - rest.shape[2] :] = rest
            memory["raw"][rows] = kept

    def _learned(self) -> dict[str, Any]:
        stays_of = [[norm.to_json() for norm in tank] for tank in self.stays_]
        return super()._learned() | {
            "level": self.level_.to_json(),
            "joint": self.joint_.to_json(),
            "stays": stays_of,
        }

    def _relearn(self, learned: dict[str, Any]) -> None:
        super()._relearn(learned)
        self.level_ = Level.from_json(learned["level"])
        self.joint_ = Joint.from_json(learned["joint"])
        self.stays_ = [[DwellNorm.from_json(norm) for norm in tank] for tank in learned["stays"]]


def _ratio(pooled: Doubles, norm: DwellNorm) -> Doubles:
    """Return each stay over the longest usual one, 0 at a level that was never passed."""
    length, level = stays(pooled[None], np.array([norm.width]))
    usual = norm.usual(level[0])
    ratio = length[0] / np.fmax(usual, _LEAST_STAY)
    return np.where(np.isfinite(usual), ratio, 0.0)
