"""Checks of what a detector is given."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.view import Mask
from tankwatch.errors import ShapeError


def checked(X: NDArray[np.floating[Any]], mask: Mask | None) -> tuple[NDArray[np.float64], Mask]:
    """Return a block as float64 (tanks, steps, channels), and where it is known.

    Raises:
        ShapeError: it is no block, it has no steps, or the mask does not fit it.
    """
    values = np.asarray(X, dtype=np.float64)
    if values.ndim != 3 or not values.shape[1]:
        message = f"a detector takes a block (tanks, steps, channels), got {values.shape}"
        raise ShapeError(message)
    known = np.isfinite(values)
    if mask is not None:
        if mask.shape != values.shape:
            message = f"the mask {mask.shape} does not fit the block {values.shape}"
            raise ShapeError(message)
        known = known & mask
    return values, known


def grouped(tanks: int, groups: Sequence[int] | None) -> NDArray[np.int64]:
    """Return the group of each tank, int64 (tanks,); without `groups` all are of one.

    Raises:
        ShapeError: there is not one group for each tank.
    """
    if groups is None:
        return np.zeros(tanks, np.int64)
    given = np.asarray(groups, dtype=np.int64)
    if given.shape != (tanks,):
        message = f"{tanks} tanks need as many groups, got {given.shape}"
        raise ShapeError(message)
    return given
