"""What network is trained, and how; plain values that travel to the training child."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from tankwatch.errors import ModelError

MOST_TRIMMED = 0.5


@dataclass(frozen=True, slots=True)
class AutoencoderSpec:
    """A sequence autoencoder and its training.

    Attributes:
        window: steps in a window.
        units: cells of each encoder layer; the decoder mirrors them.
        cell: ``lstm`` or ``gru``.
        decoder: one-to-many by repeating the code at every step (``repeat``), or by giving each
            output to the next step (``feedback``).
        head: last layer, ``dense`` or a recurrent layer of ``channels`` cells (``lstm``).
        epochs: most passes over the training windows.
        batch: windows in a gradient step.
        learning_rate: step size of Adam.
        patience: epochs without a better held-out loss that end training.
        trim: share of the training windows, those rebuilt worst, that a second fit leaves out; 0
            for no second fit.
        seed: seed of initial weights and of the order of windows.
    """

    window: int = 60
    units: tuple[int, ...] = (32, 16)
    cell: str = "lstm"
    decoder: str = "repeat"
    head: str = "dense"
    epochs: int = 40
    batch: int = 128
    learning_rate: float = 0.003
    patience: int = 4
    trim: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [
            f"{name} = {value!r}"
            for name, value, fits in (
                ("window", self.window, _is_whole(self.window, 2)),
                ("units", self.units, _are_units(self.units)),
                ("cell", self.cell, self.cell in {"lstm", "gru"}),
                ("decoder", self.decoder, self.decoder in {"repeat", "feedback"}),
                ("head", self.head, self.head in {"dense", "lstm"}),
                ("epochs", self.epochs, _is_whole(self.epochs, 1)),
                ("batch", self.batch, _is_whole(self.batch, 1)),
                ("learning_rate", self.learning_rate, _is_positive(self.learning_rate)),
                ("patience", self.patience, _is_whole(self.patience, 1)),
                ("trim", self.trim, _is_share(self.trim)),
                ("seed", self.seed, _is_whole(self.seed, 0) and self.seed < 2**32),
            )
            if not fits
        ]
        if wrong:
            message = f"no autoencoder can be built with {', '.join(wrong)}"
            raise ModelError(message)

    def to_json(self) -> dict[str, Any]:
        """Return the spec as plain values."""
        return {**asdict(self), "units": list(self.units)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "AutoencoderSpec":
        """Return the spec that `to_json` gave.

        Raises:
            ModelError: a value is missing, unknown, of the wrong type or out of range.
        """
        names = {field.name for field in fields(cls)}
        if set(stored) != names:
            message = f"a spec has the keys {sorted(names)}, got {sorted(stored)}"
            raise ModelError(message)
        units = stored["units"]
        return cls(**{**stored, "units": tuple(units) if isinstance(units, list) else units})


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _are_units(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(_is_whole(item, 1) for item in value)


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


def _is_share(value: object) -> bool:
    """Return whether `value` is a share that leaves most of the windows."""
    return isinstance(value, int | float) and 0 <= value <= MOST_TRIMMED
