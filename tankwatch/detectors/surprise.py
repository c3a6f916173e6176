"""What a stateful forecaster did not expect: its inputs, its training and its residuals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.networks import ServedForecasters
from tankwatch.detectors.silence import RESET_STEPS, silence
from tankwatch.detectors.smoothing import Doubles, ewma
from tankwatch.detectors.view import Floats, Mask
from tankwatch.models.forecaster_spec import SeriesSet

Memory = dict[str, Doubles]

HELD_OUT_SHARE = 0.15
ROWS = 160
_SLOW = 15
_FEWEST_SIBLINGS = 5
_LARGEST_CHANGE = 30.0
_FAR = 6.0


@dataclass(slots=True)
class Surprise:
    """Turns held readings into the standardised residuals of a one-step forecast.

    The network is told, for each channel, the scaled value, its last change, whether it is known,
    how it moved in the last quarter of an hour of steps, and how its siblings moved; it gives mean
    and scale of the next change.

    Attributes:
        change: float64 (tanks, channels), usual size of a change, in scaled units.
        groups: int64 (tanks,), site of each tank.
    """

    change: Doubles
    groups: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @staticmethod
    def layout(channels: int, state_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each part of a tank's memory."""
        each: tuple[int, ...] = (channels,)
        return {"network": (state_size,), **dict.fromkeys(("slow", "mean", "scale", "known"), each)}

    @staticmethod
    def begin(memory: Memory, rows: NDArray[np.bool_]) -> None:
        """Make the memory of `rows` that of a series that begins."""
        for name in ("network", "mean", "known"):
            memory[name][rows] = 0.0
        memory["slow"][rows] = np.nan
        memory["scale"][rows] = 1.0

    def inputs(
        self, held: Floats, mask: Mask, places: NDArray[np.int64], memory: Memory
    ) -> tuple[Floats, Floats]:
        """Return the network's inputs (tanks, steps, 5 channels), and the change of each step."""
        size = self.change[np.maximum(places, 0)][:, None, :]
        last = np.where(np.isnan(memory["last"]), held[:, 0], memory["last"])
        before = np.concatenate([last[:, None], held[:, :-1]], axis=1)
        change = np.clip((held - before) / size, -_LARGEST_CHANGE, _LARGEST_CHANGE)
        slow = ewma(held, _SLOW, memory["slow"])
        memory["slow"] = slow[:, -1].copy()
        move = np.arcsinh((held - slow) / size)
        siblings = self._siblings(move, mask, places)
        parts = (np.clip(held, -_FAR, _FAR), np.arcsinh(change), mask, move, siblings)
        return np.concatenate(parts, axis=2).astype(np.float32), change.astype(np.float32)

    def residuals(
        self,
        network: ServedForecasters,
        held: Floats,
        mask: Mask,
        places: NDArray[np.int64],
        memory: Memory,
    ) -> tuple[Doubles, Doubles]:
        """Return each step's change less its forecast, over its scale, and the value forecast.

        Each float64 (tanks, steps, channels), NaN where not known.
        """
        inputs, change = self.inputs(held, mask, places, memory)
        mean, scale, state = network.run(inputs, memory["network"].astype(np.float32))
        means = np.concatenate([memory["mean"][:, None], mean[:, :-1]], axis=1)
        scales = np.concatenate([memory["scale"][:, None], scale[:, :-1]], axis=1)
        was_known = np.concatenate([memory["known"][:, None] > 0, mask[:, :-1]], axis=1)
        memory["network"] = state.astype(np.float64)
        memory["mean"], memory["scale"] = mean[:, -1].astype(float), scale[:, -1].astype(float)
        memory["known"] = mask[:, -1].astype(np.float64)
        judged = mask & was_known
        size = self.change[np.maximum(places, 0)][:, None, :]
        forecast = np.where(judged, held - (change - means) * size, np.nan)
        return np.where(judged, (change - means) / scales, np.nan), forecast

    def series(
        self,
        held: Floats,
        mask: Mask,
        *,
        numbers: NDArray[np.int64],
        most_steps: int,
        seed: int,
    ) -> list[tuple[SeriesSet, SeriesSet]]:
        """Return for each network what to learn and what to hold out: the last part of the time.

        Each tank's time is cut into a few series, so that a batch holds about `ROWS` of them; of
        more than `most_steps` a draw that is even over the tanks is taken, so the cost does not
        grow with the tanks of a network.  A series begins anew after a long silence, as in service.

        Args:
            held: float32 (tanks, steps, channels), scaled, the last known value where unknown.
            mask: bool, same shape.
            numbers: int64 (tanks,), network of each tank.
            most_steps: tank-steps that a network learns from.
            seed: of the draws.
        """
        tanks, steps, channels = held.shape
        memory = fresh_memory(tanks, channels, 0)
        inputs, change = self.inputs(held, mask, np.arange(tanks), memory)
        known = np.asarray(mask.any(axis=2))
        resets = np.asarray(silence(known, np.zeros(tanks)) == RESET_STEPS)[:, :-1]
        counts = mask[:, 1:] & mask[:, :-1]
        whole = SeriesSet(inputs[:, :-1], change[:, 1:], counts, resets)
        border = steps - 1 - max(round(steps * HELD_OUT_SHARE), 1)
        found = []
        for number in range(int(numbers.max()) + 1):
            own = np.flatnonzero(numbers == number)
            later = own[np.random.default_rng(seed).permutation(own.size)[:ROWS]]
            held_out = whole.cut([slice(border, steps - 1)], later)
            pieces = min(max(round(ROWS / own.size), 1), max(border // 240, 1))
            length = border // pieces
            cuts = [slice(piece * length, (piece + 1) * length) for piece in range(pieces)]
            train = whole.cut(cuts, own)
            most = max(most_steps // max(length, 1), 1)
            found.append((_drawn(train, most, seed=seed), held_out))
        return found

    def _siblings(self, move: Doubles, mask: Mask, places: NDArray[np.int64]) -> Doubles:
        """Return the middle movement of each tank's site, 0 where it has few tanks."""
        found = np.zeros_like(move)
        group = np.where(places >= 0, self.groups[np.maximum(places, 0)], -1)
        for site in np.unique(group[group >= 0]):
            mine = group == site
            if mine.sum() >= _FEWEST_SIBLINGS:
                found[mine] = np.median(np.where(mask[mine], move[mine], 0.0), axis=0)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values."""
        return {"change": self.change.tolist(), "groups": self.groups.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Surprise":
        """Return what `to_json` gave."""
        return cls(np.array(stored["change"]), np.array(stored["groups"], dtype=np.int64))


def fresh_memory(tanks: int, channels: int, state_size: int) -> Memory:
    """Return the memory of tanks that were never seen."""
    shapes = Surprise.layout(channels, state_size).items()
    memory = {name: np.zeros((tanks, *shape)) for name, shape in shapes}
    memory["last"] = np.full((tanks, channels), np.nan)
    Surprise.begin(memory, np.ones(tanks, dtype=bool))
    return memory


def learn_changes(scaled: Floats, mask: Mask) -> Doubles:
    """Return the usual size of a change of each tank and channel, float64 (tanks, channels)."""
    tanks, _, channels = scaled.shape
    both = mask[:, 1:] & mask[:, :-1]
    change = np.abs(np.diff(scaled.astype(np.float64), axis=1))
    size = np.full((tanks, channels), np.nan)
    for tank in range(tanks):
        for channel in range(channels):
            known = change[tank, both[tank, :, channel], channel]
            if known.size:
                size[tank, channel] = max(np.quantile(known, 0.9) / 1.645, known.std() / 3.0)
    fleet = np.array([_middle(size[:, channel]) for channel in range(channels)])
    return np.where(np.isfinite(size), np.maximum(size, 0.05 * fleet), fleet)


def _middle(sizes: Doubles) -> float:
    moving = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(moving)) if moving.size else 1.0


def _drawn(series: SeriesSet, most: int, *, seed: int) -> SeriesSet:
    if len(series.inputs) <= most:
        return series
    rows = np.sort(np.random.default_rng(seed).permutation(len(series.inputs))[:most])
    return series.cut([slice(None)], rows)
