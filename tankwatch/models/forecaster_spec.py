"""What forecaster is trained, and on what; plain values that travel to the training child."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.errors import ModelError


@dataclass(frozen=True, slots=True)
class ForecasterSpec:
    """A stateful forecaster and its training.

    Attributes:
        units: cells of each recurrent layer.
        cell: ``lstm`` or ``gru``.
        chunk: steps through which a gradient is followed back.
        epochs: most passes over the series.
        learning_rate: step size of Adam at the beginning; it falls to nearly 0 as a half cosine.
        patience: epochs without a better held-out loss that end training.
        dof: degrees of freedom of the Student-t likelihood.
        seed: seed of initial weights.
    """

    units: tuple[int, ...] = (32,)
    cell: str = "lstm"
    chunk: int = 120
    epochs: int = 12
    learning_rate: float = 0.004
    patience: int = 4
    dof: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        whole = (*self.units, self.chunk, self.epochs, self.patience)
        fits = (
            bool(self.units)
            and min(whole) >= 1
            and self.cell in {"lstm", "gru"}
            and math.isfinite(self.learning_rate)
            and self.learning_rate > 0
            and self.dof > 1
            and 0 <= self.seed < 2**32
        )
        if not fits:
            message = f"no forecaster can be built with {self}"
            raise ModelError(message)

    def to_json(self) -> dict[str, Any]:
        """Return the spec as plain values."""
        return {**asdict(self), "units": list(self.units)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ForecasterSpec":
        """Return the spec that `to_json` gave.

        Raises:
            ModelError: a value is missing, unknown or out of range.
        """
        names = {field.name for field in fields(cls)}
        if set(stored) != names:
            message = f"a spec has the keys {sorted(names)}, got {sorted(stored)}"
            raise ModelError(message)
        return cls(**{**stored, "units": tuple(stored["units"])})


@dataclass(frozen=True, slots=True)
class SeriesSet:
    """Series to learn one step ahead.

    Attributes:
        inputs: float32 (rows, steps, features), what is known at a step.
        targets: float32 (rows, steps, channels), what follows it.
        mask: bool (rows, steps, channels), which targets count.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]

    @property
    def counted(self) -> int:
        """Return how many targets count."""
        return int(self.mask.sum())
