"""What forecaster is trained, and on what; plain values that travel to the training child."""

import math
from collections.abc import Iterator, Mapping, Sequence
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
        resets: bool (rows, steps), steps before which a row begins anew; None for nowhere.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]
    resets: NDArray[np.bool_] | None = None

    @property
    def counted(self) -> int:
        """Return how many targets count."""
        return int(self.mask.sum())

    def begins(self) -> NDArray[np.bool_]:
        """Return the steps before which a row begins anew, bool (rows, steps)."""
        nowhere = np.zeros(self.inputs.shape[:2], dtype=bool)
        return nowhere if self.resets is None else self.resets

    def cut(self, parts: Sequence[slice], rows: NDArray[np.intp]) -> "SeriesSet":
        """Return some rows, each cut into parts of equal length: first parts, second parts, ..."""
        names = (self.inputs, self.targets, self.mask, self.begins())
        return SeriesSet(
            *(np.concatenate([values[rows, part] for part in parts]) for values in names)
        )

    def chunks(self, steps: int) -> Iterator["Chunk"]:
        """Return the series in consecutive chunks of `steps` steps, the last one as it is left.

        Chunk k + 1 of a row continues chunk k.  A row that begins anew within a chunk waits for
        the next one: what lies between does not count, so that nothing is learned across a gap.
        """
        begins = self.begins()
        waiting = np.zeros(len(begins), dtype=bool)
        for begin in range(0, begins.shape[1], steps):
            part = slice(begin, begin + steps)
            within = begins[:, part].copy()
            fresh = waiting | within[:, 0]
            within[:, 0] = False
            after = np.logical_or.accumulate(within, axis=1)
            counted = self.mask[:, part] & ~after[..., None]
            yield Chunk(self.inputs[:, part], self.targets[:, part], counted, fresh)
            waiting = after[:, -1]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive steps of every row.

    Attributes:
        inputs, targets, mask: as those of a `SeriesSet`.
        fresh: bool (rows,), rows that begin anew; all others go on with the state they have.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]
    fresh: NDArray[np.bool_]
