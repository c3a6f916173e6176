"""Errors on time that was not learned from, for all of a history: cross-fitting in time.

A view that learns little (a range, a covariance, the longest stays) need not give up a third of the
history for its threshold.  It learns from all folds but one and judges that one, for each in turn;
the threshold then knows every day of the history, and what is kept has learned from all of it.
Blocks in time rather than drawn steps, since neighbours are alike (Bergmeir and Benítez 2012).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.smoothing import Doubles

FOLDS = 4

Learned_co = TypeVar("Learned_co", covariant=True)


class Learn(Protocol[Learned_co]):
    """Learns a view from the steps that are true in `learned`, bool (steps,)."""

    def __call__(self, learned: NDArray[np.bool_]) -> Learned_co:
        """Return what was learned."""
        ...


def cross_fitted(
    learn: Learn[Learned_co],
    see: Callable[[Learned_co], Doubles],
    steps: int,
    *,
    purge: int = 0,
) -> Doubles:
    """Return what each fold's view sees there, float64 (..., steps, ...), steps on axis 1.

    Args:
        learn: learns from some of the steps.
        see: what a learned view makes of all steps, float64 (tanks, steps, ...).
        steps: length of the history.
        purge: steps after a fold that are not learned from either, since they look back into it.
    """
    parts = []
    for fold in folds(steps):
        learned = np.ones(steps, dtype=bool)
        learned[fold.start : min(fold.stop + purge, steps)] = False
        parts.append(see(learn(learned))[:, fold])
    return np.concatenate(parts, axis=1)


def folds(steps: int) -> list[slice]:
    """Return consecutive parts of `steps` that are about equally long."""
    borders = np.linspace(0, steps, FOLDS + 1).astype(int).tolist()
    return [slice(first, last) for first, last in pairwise(borders)]
