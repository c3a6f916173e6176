"""A tank too new for any model, judged by what its own first hours and the fleet's tell.

Two cheap views of each channel: how far it stands from its middle, and how rough it is.  Middle and
scale are learned from half hours as they go by; the scale begins as the fleet's and becomes the
tank's own.  How far is too far is learned from the fleet: its tanks are taken for new ones, from
several beginnings, and what they reached at each age sets the threshold, wide at first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.smoothing import Doubles
from tankwatch.detectors.view import Judgement, Mask

NEWCOMER: Final = "newcomer"

POOL = 30
MEMORY = 336
FEWEST_STEPS = 360
LOOK_BACK = 32
_SMOOTH = 10
_OWN_SCALE = 48.0
_OWN_NOISE = 12.0
_FLAGGED_SHARE = 3
_MOST_LEFT_OUT = 48
_SMALLEST = 1e-9
# Roughness has no direction: one is told only where the level itself is near its edge.
_TILTED = 0.7
_RANGE = (0.01, 0.99)
_NOISE_OF_MEDIAN = 1.6522  # median bend of normal noise with a deviation of 1


@dataclass(frozen=True, slots=True)
class NewcomerNorms:
    """What the fleet tells of a new tank.

    Attributes:
        scale: float64 (channels,), usual spread of a tank's half hours, canonical units.
        noise: float64 (channels,), usual noise of a tank.
        ages: int64 (ages,), known steps from which each row of `level` holds.
        level: float64 (ages, 2 channels), threshold of distance, then of roughness.
    """

    scale: Doubles
    noise: Doubles
    ages: NDArray[np.int64]
    level: Doubles

    def level_at(self, seen: NDArray[np.int64]) -> Doubles:
        """Return the thresholds of tanks of some ages, float64 (..., 2 channels)."""
        place = np.searchsorted(self.ages, seen, side="right") - 1
        return np.asarray(self.level[np.maximum(place, 0)])

    def to_json(self) -> dict[str, Any]:
        """Return the norms as plain values."""
        return {
            "scale": self.scale.tolist(),
            "noise": self.noise.tolist(),
            "ages": self.ages.tolist(),
            "level": [[v if np.isfinite(v) else None for v in row] for row in self.level.tolist()],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "NewcomerNorms":
        """Return the norms that `to_json` gave."""
        return cls(
            np.array(stored["scale"], dtype=np.float64),
            np.array(stored["noise"], dtype=np.float64),
            np.array(stored["ages"], dtype=np.int64),
            np.array(stored["level"], dtype=np.float64),
        )


@dataclass(slots=True)
class NewcomerMemory:
    """What is remembered of new tanks, one a row.

    Attributes:
        level: float64 (tanks, channels, MEMORY), middle of each past half hour, the newest last.
        noise: float64, same shape, its noise.
        seen: int64 (tanks,), steps with a reading so far.
        flagged: int64 (tanks,), flagged steps of the half hour under way.
        left_out: int64 (tanks,), half hours in a row that were not learned from.
    """

    level: Doubles
    noise: Doubles
    seen: NDArray[np.int64]
    flagged: NDArray[np.int64]
    left_out: NDArray[np.int64]

    @classmethod
    def fresh(cls, tanks: int, channels: int) -> "NewcomerMemory":
        """Return the memory of tanks that were never seen."""
        nothing = np.full((tanks, channels, MEMORY), np.nan)
        none = (np.zeros(tanks, dtype=np.int64) for _ in range(3))
        return cls(nothing, nothing.copy(), *none)


def watch_new(
    norms: NewcomerNorms,
    values: Doubles,
    mask: Mask,
    memory: NewcomerMemory,
    *,
    first: int,
    phase: int,
) -> tuple[Judgement, Doubles]:
    """Return the judgement of the steps from `first` on and its features, and bring memory there.

    A step that is taken in parts is judged as in one piece.

    Args:
        norms: of the fleet.
        values: float64 (tanks, steps, channels), canonical units, `LOOK_BACK` steps and more
            before `first`, if there are any.
        mask: bool, same shape.
        memory: of the same tanks; changed in place.
        first: first new step.
        phase: steps of the half hour under way that lie before step 0 of the block.

    Returns:
        Judgement, NaN before `first` and while a tank is younger than `FEWEST_STEPS`; and features,
        float64 (tanks, steps, 2 channels): distance, then roughness.
    """
    tanks, steps, channels = values.shape
    smooth, rough = _smooth(values, mask), _rough(values, mask)
    known: Mask = np.any(mask, axis=2)
    features = np.full((tanks, steps, 2 * channels), np.nan)
    score = np.full((tanks, steps), np.nan)
    residual = np.zeros(values.shape)
    begin = first
    while begin < steps:
        end = min(begin + POOL - (begin + phase) % POOL, steps)
        part = slice(begin, end)
        middle, scale, noise = _own(norms, memory)
        left = smooth[:, part] - middle[:, None]
        residual[:, part] = np.nan_to_num(left)
        distance = np.abs(left) / scale[:, None]
        features[:, part] = np.concatenate([distance, rough[:, part] / noise[:, None]], axis=2)
        age = memory.seen[:, None] + np.cumsum(known[:, part], axis=1)
        ready = known[:, part] & (age >= FEWEST_STEPS)
        features[:, part] = np.where(ready[..., None], features[:, part], np.nan)
        relative = np.nan_to_num(features[:, part] / norms.level_at(age), nan=-1.0)
        worst = relative.max(axis=2)
        score[:, part] = np.where(worst >= 0, worst, np.nan)
        memory.seen = age[:, -1].astype(np.int64)
        memory.flagged = memory.flagged + (worst >= 1.0).sum(axis=1)
        if (end + phase) % POOL == 0:
            _learn_pool(memory, values, mask, slice(max(end - POOL, 0), end))
        begin = end
    return _judgement(norms, features, score, residual, memory), features


def _judgement(
    norms: NewcomerNorms,
    features: Doubles,
    score: Doubles,
    residual: Doubles,
    memory: NewcomerMemory,
) -> Judgement:
    channels = residual.shape[2]
    # Which feature is worst hardly depends on the age; that of the end serves all steps.
    level = norms.level_at(memory.seen)[:, None]
    relative = np.nan_to_num(features / level, nan=0.0)
    worst = relative.argmax(axis=2)
    channel = worst % channels
    squares = (relative**2).reshape(*relative.shape[:2], 2, channels).max(axis=2)
    own = np.take_along_axis(squares, channel[..., None], axis=2)[..., 0]
    total = np.maximum(squares.sum(axis=2), _SMALLEST)
    away = np.take_along_axis(relative, channel[..., None], axis=2)[..., 0]
    side = np.sign(np.take_along_axis(residual, channel[..., None], axis=2)[..., 0])
    return Judgement(
        score.astype(np.float32),
        channel.astype(np.int64),
        (own / total).astype(np.float32),
        np.where(away > _TILTED, side, 0).astype(np.int64),
    )


def _own(norms: NewcomerNorms, memory: NewcomerMemory) -> tuple[Doubles, Doubles, Doubles]:
    """Return middle, scale and noise of each tank and channel, drawn to the fleet's while new."""
    count = np.isfinite(memory.level).sum(axis=2)
    low, high = _quantiles(memory.level, count, _RANGE)
    middle = (low + high) / 2.0
    spread = np.maximum((high - low) / 2.0, _SMALLEST)
    scale = _drawn(spread, norms.scale, count / (count + _OWN_SCALE))
    (typical,) = _quantiles(memory.noise, np.isfinite(memory.noise).sum(axis=2), (0.5,))
    noise = _drawn(np.maximum(typical, _SMALLEST), norms.noise, count / (count + _OWN_NOISE))
    # A tank that happened to be calm so far is not calmer than this.
    return middle, np.maximum(scale, 0.2 * norms.scale), np.maximum(noise, 0.2 * norms.noise)


def _drawn(own: Doubles, fleet: Doubles, trust: Doubles) -> Doubles:
    ratio = np.log(np.where(np.isfinite(own), own, fleet) / fleet)
    return np.asarray(fleet * np.exp(trust * ratio))


def _learn_pool(memory: NewcomerMemory, values: Doubles, mask: Mask, part: slice) -> None:
    """Remember a half hour, unless much of it was flagged: a fault must not become normal.

    What has been so for a day is taken for the tank's new way.
    """
    known = np.where(mask[:, part], values[:, part], np.nan)
    level, noise = pool_of(known)
    wrong = memory.flagged * _FLAGGED_SHARE >= POOL
    memory.left_out = np.where(wrong, memory.left_out + 1, 0)
    learned = (~wrong | (memory.left_out > _MOST_LEFT_OUT)) & np.isfinite(level).any(axis=1)
    for name, newest in (("level", level), ("noise", noise)):
        past = getattr(memory, name)
        # As it is stored, so that a pass that begins here goes on with the very same numbers.
        rounded = newest.astype(np.float32).astype(np.float64)
        moved = np.concatenate([past[:, :, 1:], rounded[..., None]], axis=2)
        setattr(memory, name, np.where(learned[:, None, None], moved, past))
    memory.flagged = np.zeros_like(memory.flagged)


def pool_of(known: Doubles) -> tuple[Doubles, Doubles]:
    """Return middle and noise of a stretch, float64 (tanks, channels), NaN where nothing is known.

    Args:
        known: float64 (tanks, steps, channels), NaN where nothing was read.
    """
    series = np.moveaxis(known, 1, 2)
    (level,) = _quantiles(series, np.isfinite(series).sum(axis=2), (0.5,))
    bend = np.abs(np.diff(series, n=2, axis=2))
    (median,) = _quantiles(bend, np.isfinite(bend).sum(axis=2), (0.5,))
    return level, median / _NOISE_OF_MEDIAN


def _quantiles(
    values: Doubles, count: NDArray[np.int64], shares: tuple[float, ...]
) -> list[Doubles]:
    """Return quantiles along the last axis of what is known, NaN where nothing is."""
    ordered = np.sort(values, axis=-1)  # what is not known comes last
    found = []
    for share in shares:
        place = np.round(share * np.maximum(count - 1, 0)).astype(np.int64)
        found.append(np.take_along_axis(ordered, place[..., None], axis=-1)[..., 0])
    return found


def _smooth(values: Doubles, mask: Mask) -> Doubles:
    total, count = _window(np.where(mask, values, 0.0), _SMOOTH), _window(mask, _SMOOTH)
    return np.where(mask, total / np.maximum(count, 1), np.nan)


def _rough(values: Doubles, mask: Mask) -> Doubles:
    """Return the root mean square of the last half hour's bends, NaN where few are known.

    A bend is how far a value is from the line through the two before it: a steady rise has none.
    """
    three = np.zeros(mask.shape, dtype=bool)
    three[:, 2:] = mask[:, 2:] & mask[:, 1:-1] & mask[:, :-2]
    bend = np.zeros(values.shape)
    bend[:, 2:] = np.diff(values, n=2, axis=1)
    total = _window(np.where(three, bend, 0.0) ** 2, POOL)
    count = _window(three, POOL)
    mean = np.sqrt(total / np.maximum(count, 1) / 6.0)
    return np.where(mask & (3 * count >= POOL), mean, np.nan)


def _window(values: NDArray[Any], span: int) -> Doubles:
    """Return the sum over the last `span` steps, each over its own steps."""
    padded = np.pad(values, ((0, 0), (span - 1, 0), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(padded, span, axis=1)
    return np.asarray(view.sum(axis=-1), dtype=np.float64)
