"""Training a sequence autoencoder.  Imported by the training child only."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from tankwatch.errors import TrainingError
from tankwatch.models.network import build_autoencoder, masked_error
from tankwatch.models.spec import AutoencoderSpec

Report = Callable[[dict[str, float]], None]
_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Windows:
    """Scaled windows with their mask: float32 and bool, (n, window, channels)."""

    values: NDArray[np.float32]
    mask: NDArray[np.bool_]

    def target(self) -> NDArray[np.float32]:
        """Return what the loss needs, (n, window, 2 channels): values, then mask."""
        return np.concatenate([self.values, self.mask.astype(np.float32)], axis=-1)

    def without(self, places: Sequence[int]) -> "Windows":
        """Return all windows but those at `places`."""
        kept = np.setdiff1d(np.arange(len(self.values)), places)
        return Windows(self.values[kept], self.mask[kept])


def fit_autoencoder(
    spec: AutoencoderSpec,
    train: Windows,
    held_out: Windows,
    report: Report,
    *,
    initial: Path | None = None,
) -> keras.Model:
    """Return the network at the epoch with the lowest error on held-out windows.

    Training starts from the weights of the `.keras` archive `initial` if they fit the network.

    Raises:
        TrainingError: the loss is not a number any more.
    """
    keras.utils.set_random_seed(spec.seed)
    model = build_autoencoder(spec, train.values.shape[-1])
    if initial is not None:
        take_over(model, initial)
    model.compile(
        optimizer=keras.optimizers.Adam(spec.learning_rate, clipnorm=1.0), loss=masked_error
    )
    best = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=spec.patience, restore_best_weights=True
    )
    slower = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", factor=0.5, patience=max(spec.patience // 2, 1)
    )
    progress = _Progress(spec.epochs, report)
    model.fit(
        train.values,
        train.target(),
        batch_size=spec.batch,
        epochs=spec.epochs,
        validation_data=(held_out.values, held_out.target()),
        callbacks=[keras.callbacks.TerminateOnNaN(), best, slower, progress],
        shuffle=True,
        verbose=0,
    )
    if not np.isfinite(progress.best):
        message = (
            "training diverged (the loss is not a number): lower model.learning_rate, or look at "
            "the history for values out of all proportion"
        )
        raise TrainingError(message)
    return model


def worst_windows(model: keras.Model, train: Windows, *, share: float) -> list[int]:
    """Return the places of the `share` of windows with the largest mean squared error, rising.

    A window that few others are like is rebuilt badly even though it was learned from.  Fitting
    again without such windows is a step of least trimmed squares (Rousseeuw and Van Driessen 2006).
    """
    rebuilt = model.predict(train.values, batch_size=_AT_ONCE, verbose=0)
    known = np.maximum(train.mask.sum(axis=(1, 2)), 1)
    error = (np.square(train.values - rebuilt) * train.mask).sum(axis=(1, 2)) / known
    count = round(share * len(error))
    return sorted(np.argsort(error, kind="stable")[len(error) - count :].tolist())


def take_over(model: keras.Model, initial: Path) -> None:
    """Give `model` the weights of a `.keras` archive, if their shapes fit."""
    weights = keras.models.load_model(initial, compile=False).get_weights()
    if [each.shape for each in weights] == [each.shape for each in model.get_weights()]:
        model.set_weights(weights)


def package_versions() -> dict[str, str]:
    """Return the versions of what trained the network."""
    return {name: version(name) for name in ("tensorflow", "keras", "numpy", "onnx")}


class _Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Report each epoch: number, losses, time spent and time left at most."""

    def __init__(self, epochs: int, report: Report) -> None:
        super().__init__()
        self._epochs = epochs
        self._report = report
        self._began_s = 0.0
        self.best = float("inf")

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Start the clock."""
        del logs
        self._began_s = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Report one epoch."""
        losses = logs or {}
        spent_s = time.monotonic() - self._began_s
        held_out = float(losses.get("val_loss", float("nan")))
        self.best = min(self.best, held_out)
        done = epoch + 1
        self._report(
            {
                "epoch": done,
                "epochs": self._epochs,
                "loss": float(losses.get("loss", float("nan"))),
                "held_out_loss": held_out,
                "seconds": spent_s,
                "seconds_left": spent_s / done * (self._epochs - done),
            }
        )
