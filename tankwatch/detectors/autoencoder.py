"""The sequence autoencoder as a detector: reconstruction error over a window and its last steps."""

import warnings
from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.base import RECENT_STEPS, Detector, require_graph
from tankwatch.detectors.drawn import Drawn, draw, merged
from tankwatch.detectors.growth import FEW_STRETCHES, believed, growth_of, trust_in
from tankwatch.detectors.networks import (
    FLEET,
    TRAINING_FACTS,
    networks,
    number_networks,
    pack,
    training_facts,
)
from tankwatch.detectors.runtime import BATCH, OnnxNetwork
from tankwatch.detectors.threshold import Threshold, fit_peak_threshold, fit_threshold
from tankwatch.detectors.view import Floats, Mask, View
from tankwatch.detectors.whitening import Whitening, learn_whitening
from tankwatch.errors import CalibrationWarning
from tankwatch.models.child import Progress, Run, train_autoencoders
from tankwatch.models.spec import AutoencoderSpec
from tankwatch.shaping.windows import hold_fill, sliding_windows, split_time, window_validity

_EARLY_STOPPING_SHARE = 0.15


class LSTMAutoencoder(Detector):
    """Stacked LSTM encoder, repeated or fed-back code, stacked decoder (Malhotra et al. 2016).

    Each tank has its own scaling and, as its history allows, its own threshold.  The errors of all
    channels are whitened by their covariance on normal time; a step's features are the root mean
    square of them over the window that ends there, and over the last ten steps of that window.

    The threshold is set on time that the network has not learned from.  Where its errors there are
    larger than on what it learned, and that time is short, they are expected to grow on; where it
    holds fewer than five windows, `fit` warns with a `CalibrationWarning`.

    Args:
        window: steps in a window.
        budget: false alarms per tank-month that the threshold is fitted to.
        units: cells of each encoder layer; the decoder mirrors them.
        cell: ``lstm`` or ``gru``.
        decoder: given the code at every step (``repeat``), or its own last output (``feedback``).
        head: last layer, ``dense`` or ``lstm``, which gives scaled values within -1 and 1 only.
        per: one network for the ``fleet``, for each ``group``, or for each ``tank``.
        trim: share of the training windows, those rebuilt worst, that a second fit leaves out; 0
            for no second fit.
        epochs: most passes over the training windows.
        batch: windows in a gradient step.
        learning_rate: step size of Adam.
        patience: epochs without a better held-out loss that end training.
        max_windows: training windows that are sampled for a network.
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
        decoder: str = "repeat",
        head: str = "dense",
        per: str = FLEET,
        trim: float = 0.0,
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
        self.decoder = decoder
        self.head = head
        self.per = per
        self.trim = trim
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

    @property
    def spec(self) -> AutoencoderSpec:
        """Return network and training.

        Raises:
            ModelError: a parameter is out of range.
        """
        return AutoencoderSpec(
            window=self.window,
            units=tuple(self.units),
            cell=self.cell,
            decoder=self.decoder,
            head=self.head,
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            patience=self.patience,
            trim=self.trim,
            seed=self.random_state,
        )

    def _learn(self, scaled: Floats, mask: Mask, held_out: slice) -> None:
        part = self._early_stopping_part(held_out)
        train = slice(0, part.start)
        self.numbers_ = number_networks(self.per, self.groups_)
        few = max(self.max_windows // 4, 1)
        learned = self._draw(scaled, mask, train, count=self.max_windows)
        later = self._draw(scaled, mask, part, count=few)
        run = Run(self.on_progress, self.should_stop, self.timeout_s, self.warm_start_)
        sets = [(one.windows, two.windows) for one, two in zip(learned, later, strict=True)]
        trained = train_autoencoders(sets, spec=self.spec, run=run)
        self.keras_ = pack([one.keras for one in trained])
        self.onnx_ = pack([one.onnx for one in trained])
        self.held_out_error_ = mean([one.held_out_error for one in trained])
        self.training_ = training_facts(trained)
        dropped = [one.places[list(net.dropped)] for one, net in zip(learned, trained, strict=True)]
        self.left_out_ = merged(np.concatenate(dropped), self.window)
        self.whitening_ = learn_whitening(*self._errors_of(later))
        unseen = self._draw(scaled, mask, held_out, count=few)
        self.growth_ = growth_of(
            *(self.whitening_.parts(*self._errors_of(drawn)) for drawn in (learned, unseen)),
            trust=trust_in((held_out.stop - held_out.start) / self.window),
        )
        self._warn_if_short(held_out)

    def _fitted_threshold(self, errors: Floats) -> Threshold:
        budget = self._budget()
        return believed(
            fit_threshold(errors, budget),
            fit_peak_threshold(errors, budget),
            trust=trust_in(errors.shape[1] / self.window),
            growth=self.growth_,
        )

    def _warn_if_short(self, calibration: slice) -> None:
        steps = calibration.stop - calibration.start
        if steps < FEW_STRETCHES * self.window:
            message = (
                f"thresholds of the autoencoder are set on {steps} steps, fewer than "
                f"{FEW_STRETCHES} windows of {self.window}: they say little of other time; give "
                "more history or a shorter model.window"
            )
            warnings.warn(message, CalibrationWarning, stacklevel=4)

    def _early_stopping_part(self, calibration: slice) -> slice:
        """Return the time that ends training: just before calibration, or it if that is short."""
        early = calibration.start
        if round(early * _EARLY_STOPPING_SHARE) < self.window + RECENT_STEPS:
            return calibration
        return split_time(early, _EARLY_STOPPING_SHARE, window=self.window)[1]

    def _draw(self, scaled: Floats, mask: Mask, part: slice, *, count: int) -> list[Drawn]:
        """Return windows of a part of the time for each network."""
        return draw(
            scaled,
            mask,
            part,
            self.numbers_,
            window=self.window,
            count=count,
            seed=self.random_state,
            seams=self.seams,
        )

    def _errors_of(self, drawn: Sequence[Drawn]) -> tuple[Floats, Mask]:
        """Return the errors of windows of every network, and where they are known."""
        windows = [one.windows for one in drawn]
        pairs = zip(self._networks, windows, strict=True)
        errors = [each.values - net.reconstruct(each.values) for net, each in pairs]
        return np.concatenate(errors), np.concatenate([each.mask for each in windows])

    @property
    def _networks(self) -> tuple[OnnxNetwork, ...]:
        return networks(require_graph(self.onnx_, self.name))

    def _view(self, scaled: Floats, mask: Mask, places: NDArray[np.int64]) -> View:
        tanks, steps, channels = scaled.shape
        errors = np.full((tanks, steps, 2), np.nan, np.float32)
        contribution, tilt, expected = (
            np.full((tanks, steps, channels), np.nan, np.float32) for _ in range(3)
        )
        if steps >= self.window:
            out = (errors, contribution, tilt, expected)
            numbers = self.numbers_[np.maximum(places, 0)]
            filled = hold_fill(scaled, mask)
            for number, net in enumerate(self._networks):
                self._reconstruct(net, filled, mask & (numbers == number)[:, None, None], out)
        return View(errors, contribution, tilt, expected)

    def _reconstruct(
        self, net: OnnxNetwork, filled: Floats, mask: Mask, out: tuple[Floats, ...]
    ) -> None:
        """Fill `out` with both views, each channel's part, latest residual and expectation."""
        errors, contribution, tilt, expected = out
        tank, start = np.nonzero(window_validity(mask, self.window))
        windows, known = sliding_windows(filled, self.window), sliding_windows(mask, self.window)
        last = slice(-min(RECENT_STEPS, self.window), None)
        for begin in range(0, tank.size, BATCH):
            batch = slice(begin, begin + BATCH)
            where = (tank[batch], start[batch])
            observed, seen = windows[where], known[where]
            rebuilt = net.reconstruct(observed)
            residual = np.where(seen, observed - rebuilt, np.float32(0.0))
            parts = self.whitening_.parts(residual, seen)
            counted = np.asarray(seen.any(axis=2))
            end = (where[0], where[1] + self.window - 1)
            errors[end] = np.stack(
                [
                    _root_mean(parts, counted),
                    _root_mean(parts[:, last], counted[:, last]),
                ],
                axis=1,
            )
            contribution[end] = np.maximum(parts[:, last].mean(axis=1), 0.0)
            tilt[end] = residual[:, -1] * self.whitening_.sharpness
            expected[end] = rebuilt[:, -1]

    def _learned(self) -> dict[str, Any]:
        return {
            "held_out_error": self.held_out_error_,
            "networks": self.numbers_.tolist(),
            "whitening": self.whitening_.to_json(),
            "growth": self.growth_,
            **self.training_,
        }

    def _relearn(self, learned: dict[str, Any]) -> None:
        self.held_out_error_ = learned["held_out_error"]
        self.numbers_ = np.array(learned["networks"], dtype=np.int64)
        self.whitening_ = Whitening.from_json(learned["whitening"])
        self.growth_ = learned["growth"]
        self.training_ = {name: learned[name] for name in TRAINING_FACTS}


def _root_mean(parts: Floats, counted: Mask) -> Floats:
    """Return the root mean square over the steps of each window that are known, (n,)."""
    count = counted.sum(axis=1)
    unknown = np.full(count.shape, np.nan, np.float32)
    total = np.maximum(parts.sum(axis=(1, 2)), 0.0)
    return np.asarray(np.sqrt(np.divide(total, count, out=unknown, where=count > 0)))
