"""How long tanks have been silent; after an hour of steps a memory begins anew."""

import numpy as np
from numpy.typing import NDArray

RESET_STEPS = 60


def silence(known: NDArray[np.bool_], before: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many steps each tank has been silent at each step, int64 (tanks, steps)."""
    steps = np.arange(1, known.shape[1] + 1)
    last = np.maximum.accumulate(np.where(known, steps, 0), axis=1)
    return np.asarray(np.where(last > 0, steps - last, before[:, None].astype(np.int64) + steps))
