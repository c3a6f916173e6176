"""Exponentially weighted means that can be stopped and taken up again."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Doubles = NDArray[np.float64]


def ewma(values: NDArray[np.floating[Any]], span: int, before: Doubles) -> Doubles:
    """Return the exponentially weighted mean of the last about `span` steps (Roberts 1959).

    ``y[t] = y[t-1] + 2 / (span + 1) (x[t] - y[t-1])``; a stretch taken in parts gives what it gives
    in one piece, if `before` is the last mean of the part before.

    Args:
        values: float (rows, steps, channels), finite.
        span: as of an ordinary mean with the same average age of its values.
        before: float64 (rows, channels), the mean so far; NaN begins with the first value.

    Returns:
        float64 (rows, steps, channels).
    """
    if not values.shape[1]:
        return np.empty(values.shape)
    weight = 2.0 / (span + 1.0)
    start = np.where(np.isfinite(before), before, values[:, 0])
    smooth, _ = lfilter(
        [weight],
        [1.0, weight - 1.0],
        values.astype(np.float64),
        axis=1,
        zi=((1.0 - weight) * start)[:, None],
    )
    return np.asarray(smooth)
