"""What passes between a detector and whoever asks it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

EVERY = -1


@dataclass(frozen=True, slots=True)
class Judgement:
    """A detector's judgement of a block.

    Attributes:
        score: float32 (tanks, steps), 1.0 is the threshold, NaN where nothing could be judged.
        channel: int64 (tanks, steps), channel that contributed most.
        share: float32 (tanks, steps), its contribution, 0 to 1.
        direction: int64 (tanks, steps), +1 above what was expected, -1 below, 0 neither.
        sign: int64 (tanks, steps), the `Sign` of the worst feature; None if the detector has none.
        expected: float32 (tanks, steps, channels), what the detector expected, canonical units, NaN
            where unknown; None if it expects nothing.
    """

    score: Floats
    channel: NDArray[np.int64]
    share: Floats
    direction: NDArray[np.int64]
    sign: NDArray[np.int64] | None = None
    expected: Floats | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What a detector sees in a scaled block, before any threshold.

    Attributes:
        errors: float32 (tanks, steps, features), higher is more anomalous, NaN where not judged.
        contribution: float32 (tanks, steps, channels), part of each channel, not negative.
        residual: float32 (tanks, steps, channels), latest observed minus expected.
        expected: float32 (tanks, steps, channels), what the detector expected, NaN where unknown.
        feature_channels: channel that each feature speaks of, `EVERY` for one that speaks of all
            as `contribution` shares it out; None if all features do.
        signs: `Sign` of each feature; None if they have none.
    """

    errors: Floats
    contribution: Floats
    residual: Floats
    expected: Floats
    feature_channels: tuple[int, ...] | None = None
    signs: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A stretch that a detector chose not to learn from.

    Attributes:
        tank: place among the tanks of `fit`.
        first, last: steps of the block, the last one not in the stretch.
        why: in a few words.
    """

    tank: int
    first: int
    last: int
    why: str
