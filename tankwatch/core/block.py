"""The block: readings of several tanks on one regular grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Grid:
    """A stretch of regular steps.

    Attributes:
        start_ms: epoch milliseconds at which the first step begins.
        steps: number of steps.
        step_s: length of a step in seconds.
    """

    start_ms: int
    steps: int
    step_s: int

    @property
    def end_ms(self) -> int:
        """Return epoch milliseconds at which the last step ends."""
        return self.start_ms + self.steps * self.step_s * 1000


@dataclass(frozen=True, slots=True)
class Block:
    """Readings of several tanks on one regular grid.

    Attributes:
        tanks: names along the first axis.
        channels: names along the last axis.
        start_ms: epoch milliseconds at which the first step begins.
        step_s: length of one step in seconds.
        values: float64 (tanks, steps, channels), canonical units; NaN where nothing is known.
        mask: bool (tanks, steps, channels), true where `values` holds a reading or a short fill.
    """

    tanks: tuple[str, ...]
    channels: tuple[str, ...]
    start_ms: int
    step_s: int
    values: NDArray[np.float64]
    mask: NDArray[np.bool_]

    def __post_init__(self) -> None:
        wanted = (len(self.tanks), self.values.shape[1], len(self.channels))
        if self.values.shape != wanted or self.mask.shape != wanted:
            message = (
                f"a block of {len(self.tanks)} tanks and {len(self.channels)} channels needs "
                f"values and mask of shape (tanks, steps, channels), got {self.values.shape} "
                f"and {self.mask.shape}"
            )
            raise ShapeError(message)

    @property
    def steps(self) -> int:
        """Return the number of steps."""
        return int(self.values.shape[1])

    @property
    def step_ms(self) -> int:
        """Return the length of a step in milliseconds."""
        return self.step_s * 1000

    @property
    def end_ms(self) -> int:
        """Return epoch milliseconds at which the last step ends."""
        return self.start_ms + self.steps * self.step_ms

    @property
    def times_ms(self) -> NDArray[np.int64]:
        """Return int64 (steps,), epoch milliseconds at which each step begins."""
        return self.start_ms + np.arange(self.steps, dtype=np.int64) * self.step_ms

    def between(self, first: int, last: int) -> "Block":
        """Return the steps from index `first` up to but without `last`, as views."""
        return Block(
            self.tanks,
            self.channels,
            self.start_ms + first * self.step_ms,
            self.step_s,
            self.values[:, first:last],
            self.mask[:, first:last],
        )
