"""How far a channel travels in an hour: one that hunts goes a long way and arrives nowhere."""

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.smoothing import Doubles, ewma

_QUICK = 5
_HOUR = 60


class Travel:
    """Turns held readings into the way that their lightly smoothed value goes at each step.

    The exponentially weighted mean over 60 steps of the size of the changes of the mean over 5.
    There is nothing to learn but the threshold.
    """

    @staticmethod
    def layout(channels: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each part of a tank's memory."""
        return {"quick": (channels,), "way": (channels,)}

    @staticmethod
    def begin(memory: dict[str, Doubles], rows: NDArray[np.bool_]) -> None:
        """Make the memory of `rows` that of a tank that was never seen."""
        memory["quick"][rows] = np.nan
        memory["way"][rows] = 0.0

    @staticmethod
    def see(held: Doubles, memory: dict[str, Doubles]) -> Doubles:
        """Return the way of each step, float64 (tanks, steps, channels), in scaled units."""
        before = np.where(np.isnan(memory["quick"]), held[:, 0], memory["quick"])
        quick = ewma(held, _QUICK, before)
        moved = np.abs(np.diff(np.concatenate([before[:, None], quick], axis=1), axis=1))
        way = ewma(moved, _HOUR, memory["way"])
        memory["quick"], memory["way"] = quick[:, -1].copy(), way[:, -1].copy()
        return way
