"""The stateful forecaster as a detector: evidence of one-step residuals over several horizons."""

from collections.abc import Callable
from statistics import mean
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from tankwatch.detectors.base import require_graph
from tankwatch.detectors.networks import (
    FLEET,
    TRAINING_FACTS,
    ServedForecasters,
    forecasters,
    number_networks,
    pack,
    training_facts,
)
from tankwatch.detectors.smoothing import Doubles, ewma
from tankwatch.detectors.streaming import Memory, StreamingDetector
from tankwatch.detectors.surprise import Surprise, learn_changes
from tankwatch.detectors.view import Floats, Mask, View
from tankwatch.models.child import Progress, Run, train_forecasters
from tankwatch.models.forecaster_spec import ForecasterSpec
from tankwatch.shaping.windows import hold_fill

LARGEST_RESIDUAL = 40.0
_ROUGH = (10, 60)
_DRIFT = (60, 240)


class ForecastingDetector(StreamingDetector):
    """What detectors with a stateful forecaster share: parameters, training and residuals.

    Args:
        budget: false alarms per tank-month that the threshold is fitted to.
        units: cells of each recurrent layer.
        cell: ``lstm`` or ``gru``.
        chunk: steps through which a gradient is followed back.
        epochs: most passes over the series.
        learning_rate: first step size of Adam.
        patience: epochs without a better held-out loss that end training.
        per: one network for the ``fleet``, for each ``group``, or for each ``tank``.
        max_steps: tank-steps that a network learns from in an epoch, however large the fleet.
        calibration_share: last share of the block, which sets the threshold only.
        step_s: length of a step in seconds, for the budget.
        on_delay: steps in a row that make an alarm, for the budget.
        merge_gap: steps that separate two alarms, for the budget.
        random_state: seed of everything random.
    """

    # An estimator lists its parameters.
    def __init__(  # noqa: PLR0913
        self,
        budget: float = 0.5,
        *,
        units: tuple[int, ...] = (32,),
        cell: str = "lstm",
        per: str = FLEET,
        chunk: int = 120,
        epochs: int = 12,
        learning_rate: float = 0.004,
        patience: int = 4,
        max_steps: int = 800_000,
        calibration_share: float = 0.3,
        step_s: int = 60,
        on_delay: int = 3,
        merge_gap: int = 40,
        random_state: int = 0,
    ) -> None:
        self.budget = budget
        self.units = units
        self.cell = cell
        self.per = per
        self.chunk = chunk
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.patience = patience
        self.max_steps = max_steps
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
    def spec(self) -> ForecasterSpec:
        """Return network and training.

        Raises:
            ModelError: a parameter is out of range.
        """
        return ForecasterSpec(
            units=tuple(self.units),
            cell=self.cell,
            chunk=self.chunk,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            patience=self.patience,
            seed=self.random_state,
        )

    def served(self, places: NDArray[np.int64]) -> ServedForecasters:
        """Return the networks of the tanks at `places` of those learned, ready to run.

        Raises:
            ModelError: there is none.
        """
        numbers = self.numbers_[np.maximum(places, 0)]
        return ServedForecasters(forecasters(require_graph(self.onnx_, self.name)), numbers)

    def _learn(self, scaled: Floats, mask: Mask, held_out: slice) -> None:
        early = slice(0, held_out.start)
        known = mask[:, early]
        self.surprise_ = Surprise(learn_changes(scaled[:, early], known), self.groups_)
        filled = hold_fill(scaled[:, early], known)
        self.numbers_ = number_networks(self.per, self.groups_)
        sets = self.surprise_.series(
            filled,
            known,
            numbers=self.numbers_,
            most_steps=self.max_steps,
            seed=self.random_state,
        )
        run = Run(self.on_progress, self.should_stop, self.timeout_s, self.warm_start_)
        trained = train_forecasters(sets, spec=self.spec, run=run)
        self.keras_ = pack([one.keras for one in trained])
        self.onnx_ = pack([one.onnx for one in trained])
        self.held_out_error_ = mean([one.held_out_error for one in trained])
        self.training_ = training_facts(trained)

    def _residuals(
        self, held: Floats, mask: Mask, places: NDArray[np.int64], memory: Memory
    ) -> tuple[Doubles, Doubles]:
        return self.surprise_.residuals(self.served(places), held, mask, places, memory)

    def _layout(self, channels: int) -> dict[str, tuple[int, ...]]:
        return Surprise.layout(channels, self.served(np.zeros(0, np.int64)).state_size)

    def _begin(self, memory: Memory, rows: NDArray[np.bool_]) -> None:
        Surprise.begin(memory, rows)

    def _learned(self) -> dict[str, Any]:
        return {
            "surprise": self.surprise_.to_json(),
            "groups": self.groups_.tolist(),
            "networks": self.numbers_.tolist(),
            "held_out_error": self.held_out_error_,
            **self.training_,
        }

    def _relearn(self, learned: dict[str, Any]) -> None:
        self.surprise_ = Surprise.from_json(learned["surprise"])
        self.groups_ = np.array(learned["groups"], dtype=np.int64)
        self.numbers_ = np.array(learned["networks"], dtype=np.int64)
        self.held_out_error_ = learned["held_out_error"]
        self.training_ = {name: learned[name] for name in TRAINING_FACTS}


class LSTMForecaster(ForecastingDetector):
    """Stateful LSTM that forecasts the next step with a Student-t likelihood.

    Residuals are made normal by their probabilities (as for control charts of data that are not
    normal), and gathered by exponentially weighted means of their squares over 10 and 60 steps and
    of themselves over 60 and 240 (Roberts 1959; Lowry et al. 1992): spikes and steps show in the
    first, noise and oscillation in the second, drift in the last two.
    """

    name: ClassVar[str] = "forecaster"

    def _layout(self, channels: int) -> dict[str, tuple[int, ...]]:
        return super()._layout(channels) | {
            "rough": (len(_ROUGH), channels),
            "drift": (len(_DRIFT), channels),
        }

    def _begin(self, memory: Memory, rows: NDArray[np.bool_]) -> None:
        super()._begin(memory, rows)
        memory["rough"][rows] = 1.0
        memory["drift"][rows] = 0.0

    def _advance(self, held: Floats, mask: Mask, places: NDArray[np.int64], memory: Memory) -> View:
        residual, forecast = self._residuals(held, mask, places, memory)
        normal = made_normal(residual, self.spec.dof)
        raw = np.clip(np.nan_to_num(residual, nan=1.0), -LARGEST_RESIDUAL, LARGEST_RESIDUAL)
        squares = (raw**2, np.nan_to_num(normal, nan=1.0) ** 2)
        features: list[Doubles] = []
        tilt = np.zeros(held.shape)
        for index, (span, square) in enumerate(zip(_ROUGH, squares, strict=True)):
            mean = ewma(square, span, memory["rough"][:, index])
            memory["rough"][:, index] = mean[:, -1]
            features.append(np.sqrt(mean))
        for index, span in enumerate(_DRIFT):
            mean = ewma(np.nan_to_num(normal, nan=0.0), span, memory["drift"][:, index])
            memory["drift"][:, index] = mean[:, -1]
            features.append(np.abs(mean))
            tilt = mean if index == 0 else tilt
        channels = held.shape[2]
        errors = np.concatenate(features, axis=2).astype(np.float32)
        of = tuple(range(channels)) * (len(_ROUGH) + len(_DRIFT))
        tilted = tilt.astype(np.float32)
        return View(errors, np.abs(tilted), tilted, forecast.astype(np.float32), of)


def made_normal(residual: Doubles, dof: float) -> Doubles:
    """Return residuals of a Student-t forecast as standard normal ones of equal probability."""
    return np.asarray(ndtri(np.clip(stdtr(dof, residual), 1e-12, 1.0 - 1e-12)))
