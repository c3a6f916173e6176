"""Sums and pieces over the last steps, exact wherever a block begins."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

HOUR = 60


def trailing_sum(counts: NDArray[Any], steps: int) -> NDArray[np.int64]:
    """Return the sum over the last `steps` steps, int64 (tanks, steps, channels).

    Whole numbers only: their sums are the same whichever step they were begun at.
    """
    total = np.cumsum(counts, axis=1, dtype=np.int64)
    total[:, steps:] -= total[:, :-steps].copy()
    return total


def shifted(values: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Return the values `steps` earlier, NaN before the beginning, (tanks, steps, channels)."""
    found = np.full_like(values, np.nan)
    found[:, steps:] = values[:, : values.shape[1] - steps]
    return found


def known_values(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the values, NaN where nothing is known."""
    return np.where(mask, values, np.nan)


def pieces(
    values: NDArray[np.float64], where: NDArray[np.bool_], steps: int
) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.float64]]:
    """Return the places where `where` holds, and the last `steps` values at each of them.

    Places within `steps` of the block's beginning are left out: their past is not there.

    Args:
        values: float64 (tanks, steps, channels).
        where: bool, same shape; few of them.
        steps: how many, the place's own step last.

    Returns:
        Indices (tank, step, channel), and float64 (places, steps).
    """
    whole = where.copy()
    whole[:, : steps - 1] = False
    tank, step, channel = np.nonzero(whole)
    back = step[:, None] + np.arange(1 - steps, 1)
    return (tank, step, channel), values[tank[:, None], back, channel[:, None]]
