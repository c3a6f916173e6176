"""The sequence autoencoder as a detector: reconstruction error over a window and its last steps."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.base import RECENT_STEPS, Detector, require_graph
from tankwatch.detectors.runtime import BATCH, network
from tankwatch.detectors.view import Floats, Mask, View
from tankwatch.errors import TrainingError
from tankwatch.models.child import Progress, Run, WindowSet, train_autoencoders
from tankwatch.models.spec import AutoencoderSpec
from tankwatch.shaping.windows import (
    hold_fill,
    sample_windows,
    sliding_windows,
    split_time,
    window_validity,
)

_EARLY_STOPPING_SHARE = 0.15


class LSTMAutoencoder(Detector):
    """Stacked LSTM encoder, repeated code, stacked LSTM decoder (Malhotra et al. 2016).

    One network serves the fleet; each tank has its own scaling and, as its history allows, its own
    threshold.  A step's features are the root mean square error of each channel over the window
    that ends there, and over the last ten steps of that window.

    Args:
        window: steps in a window.
        budget: false alarms per tank-month that the threshold is fitted to.
        units: cells of each encoder layer; the decoder mirrors them.
        cell: ``lstm`` or ``gru``.
        head: last layer, ``dense`` or ``lstm``.
        epochs: most passes over the training windows.
        batch: windows in a gradient step.
        learning_rate: step size of Adam.
        patience: epochs without a better held-out loss that end training.
        max_windows: training windows that are sampled.
        calibration_share: last share of the block, which sets the threshold only.
        step_s: length of a step in seconds, for the budget.
        on_delay: steps in a row that make an alarm, for the budget.
        merge_gap: steps that separate two alarms, for the budget.
        random_state: seed of everything random.
    """

    name: ClassVar[str] = "autoencoder"

    def __init__(  # noqa: PLR0913 - an estimator lists its parameters
        self,
        window: int = 60,
        budget: float = 0.5,
        *,
        units: tuple[int, ...] = (32, 16),
        cell: str = "lstm",
        head: str = "dense",
        epochs: int = 40,
        batch: int = 128,
        learning_rate: float = 0.003,
        patience: int = 4,
        max_windows: int = 6000,
        calibration_share: float = 0.3,
        step_s: int = 60,
        on_delay: int = 3,
        merge_gap: int = 40,
        random_state: int = 0,
    ) -> None:
        self.window = window
        self.budget = budget
        self.units = units
        self.cell = cell
        self.head = head
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.patience = patience
        self.max_windows = max_windows
        self.calibration_share = calibration_share
        self.step_s = step_s
        self.on_delay = on_delay
        self.merge_gap = merge_gap
        self.random_state = random_state

    # Set by whoever wants to follow or to stop a training; not parameters of the estimator.
    on_progress: Callable[[Progress], None] | None = None
    should_stop: Callable[[], bool] | None = None
    timeout_s: float = float("inf")
    warm_start_: bytes | None = None  # a `.keras` archive to start from; other shapes are ignored

    keras_: bytes | None = None
    onnx_: bytes | None = None

    @property
    def context_steps(self) -> int:
        """Return how many steps before a step its score depends on."""
        return self.window - 1

    def _learn(self, scaled: Floats, mask: Mask, held_out: slice) -> None:
        early = slice(0, held_out.start)
        part = self._early_stopping_part(held_out)
        train = slice(0, part.start) if part is not held_out else early
        spec = AutoencoderSpec(
            window=self.window,
            units=tuple(self.units),
            cell=self.cell,
            head=self.head,
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            patience=self.patience,
            seed=self.random_state,
        )
        windows = (
            self._windows(scaled[:, train], mask[:, train], self.max_windows),
            self._windows(scaled[:, part], mask[:, part], max(self.max_windows // 4, 1)),
        )
        run = Run(self.on_progress, self.should_stop, self.timeout_s, self.warm_start_)
        (trained,) = train_autoencoders([windows], spec=spec, run=run)
        self.keras_, self.onnx_ = trained.keras, trained.onnx
        self.held_out_error_ = trained.held_out_error
        self.epochs_run_ = len(trained.history)
        self.versions_ = trained.versions
        self.export_difference_ = trained.export_difference

    def _early_stopping_part(self, calibration: slice) -> slice:
        """Return the time that ends training: just before calibration, or it if that is short."""
        early = calibration.start
        if round(early * _EARLY_STOPPING_SHARE) < self.window + RECENT_STEPS:
            return calibration
        return split_time(early, _EARLY_STOPPING_SHARE, window=self.window)[1]

    def _windows(self, scaled: Floats, mask: Mask, count: int) -> WindowSet:
        valid = window_validity(mask, self.window)
        both = np.concatenate([hold_fill(scaled, mask), mask.astype(np.float32)], axis=2)
        drawn = sample_windows(both, valid, self.window, count=count, seed=self.random_state)
        if not len(drawn):
            message = (
                f"no stretch of {self.window} known steps to train on: give more history, or a "
                "shorter model.window"
            )
            raise TrainingError(message)
        channels = scaled.shape[2]
        return WindowSet(drawn[..., :channels], drawn[..., channels:] > 0)

    def _view(self, scaled: Floats, mask: Mask, places: NDArray[np.int64]) -> View:
        del places
        tanks, steps, channels = scaled.shape
        shape = (tanks, steps, channels)
        whole, recent, tilt, expected = (np.full(shape, np.nan, np.float32) for _ in range(4))
        if steps >= self.window:
            self._reconstruct(hold_fill(scaled, mask), mask, (whole, recent, tilt, expected))
        errors = np.concatenate([whole, recent], axis=2)
        return View(errors, recent**2, tilt, expected)

    def _reconstruct(
        self, filled: Floats, mask: Mask, out: tuple[Floats, Floats, Floats, Floats]
    ) -> None:
        """Fill `out` with window error, recent error, latest residual and expectation."""
        whole, recent, tilt, expected = out
        graph = network(require_graph(self.onnx_, self.name))
        tank, start = np.nonzero(window_validity(mask, self.window))
        windows, known = sliding_windows(filled, self.window), sliding_windows(mask, self.window)
        last = slice(-min(RECENT_STEPS, self.window), None)
        for begin in range(0, tank.size, BATCH):
            part = slice(begin, begin + BATCH)
            where = (tank[part], start[part])
            observed = windows[where]
            seen = known[where].astype(np.float32)
            reconstruction = graph.reconstruct(observed)
            residual = (observed - reconstruction) * seen
            end = (where[0], where[1] + self.window - 1)
            whole[end] = np.sqrt(_mean(residual**2, seen))
            recent[end] = np.sqrt(_mean(residual[:, last] ** 2, seen[:, last]))
            tilt[end] = residual[:, -1]
            expected[end] = reconstruction[:, -1]

    def _learned(self) -> dict[str, Any]:
        return {
            "held_out_error": self.held_out_error_,
            "epochs_run": self.epochs_run_,
            "versions": self.versions_,
            "export_difference": self.export_difference_,
        }

    def _relearn(self, learned: dict[str, Any]) -> None:
        self.held_out_error_ = learned["held_out_error"]
        self.epochs_run_ = learned["epochs_run"]
        self.versions_ = learned["versions"]
        self.export_difference_ = learned["export_difference"]


def _mean(values: Floats, seen: Floats) -> Floats:
    """Return the mean over the known steps of each window, NaN where none is known."""
    count = seen.sum(axis=1)
    unknown = np.full(count.shape, np.nan, np.float32)
    return np.asarray(np.divide(values.sum(axis=1), count, out=unknown, where=count > 0))
