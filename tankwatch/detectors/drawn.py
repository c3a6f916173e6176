"""Windows that are drawn from a history for each network, and where they were."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.view import Floats, LeftOut, Mask
from tankwatch.errors import TrainingError
from tankwatch.models.child import WindowSet
from tankwatch.shaping.windows import hold_fill, sample_places, sliding_windows, window_validity

REBUILT_WORST = "rebuilt worst"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Windows that were drawn.

    Attributes:
        places: int64 (n, 2), tank and first step of each in the whole block.
        windows: scaled values and mask.
    """

    places: NDArray[np.int64]
    windows: WindowSet


def draw(
    scaled: Floats,
    mask: Mask,
    part: slice,
    numbers: NDArray[np.int64],
    *,
    window: int,
    count: int,
    seed: int,
    seams: Sequence[int] = (),
) -> list[Drawn]:
    """Return at most `count` windows of a part of the time for each network.

    Args:
        scaled: float32 (tanks, steps, channels).
        mask: bool, same shape.
        part: steps that windows lie in.
        numbers: int64 (tanks,), network of each tank.
        window: steps in a window.
        count: most windows of a network.
        seed: equal seeds draw equal windows.
        seams: steps at which the block goes on at another time.

    Raises:
        TrainingError: a network has no window that is known well enough.
    """
    known = mask[:, part]
    within = [seam - part.start for seam in seams]
    valid = window_validity(known, window, seams=within)
    values = sliding_windows(hold_fill(scaled[:, part], known), window)
    seen = sliding_windows(known, window)
    found = []
    for number in range(int(numbers.max()) + 1):
        own = valid & (numbers == number)[:, None]
        at = sample_places(own, count=count, seed=seed)
        if not len(at):
            message = (
                f"no stretch of {window} known steps to train on: give more history, or a "
                "shorter model.window"
            )
            raise TrainingError(message)
        where = (at[:, 0], at[:, 1])
        windows = WindowSet(values[where], seen[where])
        found.append(Drawn(at + np.array([0, part.start]), windows))
    return found


def merged(places: NDArray[np.int64], window: int) -> tuple[LeftOut, ...]:
    """Return the stretches that windows at `places` (n, 2) cover, by tank and time."""
    found: list[LeftOut] = []
    for tank, first in sorted((int(tank), int(first)) for tank, first in places):
        if found and found[-1].tank == tank and first <= found[-1].last:
            begin = found.pop().first
        else:
            begin = first
        found.append(LeftOut(tank, begin, first + window, REBUILT_WORST))
    return tuple(found)
