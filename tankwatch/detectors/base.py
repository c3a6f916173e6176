"""What every detector is: a scikit-learn style estimator over blocks, with 1.0 as its threshold."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from tankwatch.detectors.attribution import direction_of, shared_out, taken
from tankwatch.detectors.given import checked, grouped
from tankwatch.detectors.threshold import (
    AlarmBudget,
    Threshold,
    cluster_peaks,
    fit_threshold,
    running_minimum,
    worst_feature,
)
from tankwatch.detectors.view import Floats, Judgement, LeftOut, Mask, View
from tankwatch.errors import ModelError, ShapeError
from tankwatch.shaping.scaling import TankScaling, apply_scaling, fit_scaling
from tankwatch.shaping.windows import split_time

RECENT_STEPS = 10
_BAND_QUANTILE = 0.995


class Detector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the detectors.

    ``fit(X, mask)`` learns on the early part of the block and sets thresholds on the late part,
    which the learning has not seen.  ``X`` is float (tanks, steps, channels) in canonical units,
    ``mask`` bool of the same shape, true where a value is known (default: where it is finite).
    Scoring looks back only: the score of a step needs the `context_steps` steps before it, and
    scoring a stretch gives what scoring it step by step gives.

    Learned attributes: ``scaling_``, ``threshold_``, ``band_`` (tanks, channels) half width of the
    expected band in scaled units, ``n_channels_``, ``groups_``, ``left_out_``, what the detector
    chose not to learn from, and, until it is stored, ``unseen_score_`` float32 (tanks, steps of the
    late part), scores by what had not learned from them.
    """

    name: ClassVar[str]
    window: int
    budget: float
    step_s: int
    on_delay: int
    merge_gap: int
    calibration_share: float

    # Steps at which the history given to `fit` goes on at another time; before each is a hole in
    # which a memory begins anew.  Set by whoever fits; not a parameter of the estimator.
    seams: Sequence[int] = ()

    left_out_: tuple[LeftOut, ...] = ()

    @property
    @abstractmethod
    def context_steps(self) -> int:
        """Return how many steps before a step its score depends on."""

    @property
    def least_steps(self) -> int:
        """Return how many steps the early and the late part of a history must each hold."""
        return self.context_steps + 1

    @abstractmethod
    def _learn(self, scaled: Floats, mask: Mask, held_out: slice) -> None:
        """Learn normal behaviour from ``scaled`` outside `held_out`."""

    @abstractmethod
    def _view(self, scaled: Floats, mask: Mask, places: NDArray[np.int64]) -> View:
        """Return what is seen in a scaled block of the tanks at `places` of those learned."""

    @abstractmethod
    def _learned(self) -> dict[str, Any]:
        """Return what `_learn` learned, as JSON-able values."""

    @abstractmethod
    def _relearn(self, learned: dict[str, Any]) -> None:
        """Take over what `_learned` gave."""

    def fit(
        self,
        X: NDArray[np.floating[Any]],
        mask: Mask | None = None,
        *,
        groups: Sequence[int] | None = None,
    ) -> Self:
        """Learn normal behaviour and the thresholds; return self.

        Args:
            X: float (tanks, steps, channels), canonical units.
            mask: bool, same shape, true where a value is known.
            groups: site of each tank, as a number; tanks of one site are siblings.  Default: one.

        Raises:
            ShapeError: `X` is not a block, or too short to be split.
            TrainingError: the training of a network failed.
        """
        values, known = checked(X, mask)
        tanks, steps, self.n_channels_ = values.shape
        early, late = split_time(steps, self.calibration_share, window=self.least_steps)
        self.groups_ = grouped(tanks, groups)
        self.scaling_ = fit_scaling(values[:, early], known[:, early])
        scaled = apply_scaling(values, self.scaling_)
        self._learn(scaled, known, late)
        view = self._view(scaled[:, late], known[:, late], np.arange(values.shape[0]))
        self.threshold_ = self._fitted_threshold(view.errors)
        self.band_ = expected_half_width(scaled[:, late], known[:, late], view.expected)
        self._look_back_on(view.errors)
        return self

    def judge(
        self,
        X: NDArray[np.floating[Any]],
        mask: Mask | None = None,
        *,
        rows: Sequence[int] | None = None,
    ) -> Judgement:
        """Return the judgement of a block.

        Args:
            X: float (tanks, steps, channels), canonical units.
            mask: bool, same shape.
            rows: position of each tank among the tanks of `fit`, -1 for one that was not there
                and cannot be judged; default: the same tanks in the same order.
        """
        values, known, places = self._prepared(X, mask, rows)
        view = self._view(apply_scaling(values, self._scaling(places)), known, places)
        return self._judgement(view, places)

    def score_samples(self, X: NDArray[np.floating[Any]], mask: Mask | None = None) -> Floats:
        """Return scores, float32 (tanks, steps); 1.0 is the threshold, higher more anomalous."""
        return self.judge(X, mask).score

    def predict(self, X: NDArray[np.floating[Any]], mask: Mask | None = None) -> NDArray[np.int64]:
        """Return -1 for anomalous and 1 for normal or unjudged steps, (tanks, steps)."""
        return np.where(self.score_samples(X, mask) >= 1.0, -1, 1)

    def expected_band(
        self,
        X: NDArray[np.floating[Any]],
        mask: Mask | None = None,
        *,
        rows: Sequence[int] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and upper edge of what is expected, canonical units, NaN where unknown.

        The half width is the 99.5 % quantile of the residuals on calibration time.
        """
        values, known, places = self._prepared(X, mask, rows)
        view = self._view(apply_scaling(values, self._scaling(places)), known, places)
        middle = self._unscaled(view.expected.astype(np.float64), places)
        half = self.half_width(places)[:, None, :]
        return middle - half, middle + half

    def half_width(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return half the width of the expected band of tanks, (tanks, channels), canonical units.

        `places` are theirs among the tanks of `fit`, -1 for one that was not there.
        """
        half = self.band_[np.maximum(places, 0)] * self._scaling(places).scale
        return np.where((places >= 0)[:, None], half, np.nan)

    def to_manifest(self) -> dict[str, Any]:
        """Return parameters and everything learned, as JSON-able values."""
        check_is_fitted(self, "threshold_")
        return {
            "parameters": _plain(self.get_params()),
            "channels": self.n_channels_,
            "location": _listed(self.scaling_.location),
            "scale": _listed(self.scaling_.scale),
            "level": _listed(self.threshold_.level),
            "peaks": self.threshold_.peaks,
            "tank_months": self.threshold_.tank_months,
            "band": _listed(self.band_),
            "calibration_rate": self.calibration_rate_,
            "learned": self._learned(),
        }

    def restore(self, manifest: dict[str, Any]) -> Self:
        """Take over what `to_manifest` gave; return self."""
        self.n_channels_ = int(manifest["channels"])
        self.scaling_ = TankScaling(_array(manifest["location"]), _array(manifest["scale"]))
        level, months = _array(manifest["level"]), manifest["tank_months"]
        self.threshold_ = Threshold(level, manifest["peaks"], months)
        self.band_ = _array(manifest["band"])
        self.calibration_rate_ = float(manifest["calibration_rate"])
        self._relearn(manifest["learned"])
        return self

    def _judgement(self, view: View, places: NDArray[np.int64]) -> Judgement:
        relative = view.errors / self._levels(places)[:, None, :]
        score = self._score(relative).astype(np.float32)
        contribution = shared_out(view, relative)
        channel = contribution.argmax(axis=2)
        total = contribution.sum(axis=2)
        own = taken(contribution, channel)
        share = np.divide(own, total, out=np.zeros_like(total), where=total > 0)
        sign = None
        if view.signs is not None:
            sign = np.array(view.signs, dtype=np.int64)[np.nan_to_num(relative).argmax(axis=2)]
        expected = self._unscaled(view.expected, places).astype(np.float32)
        return Judgement(score, channel, share, direction_of(view, channel), sign, expected)

    def _fitted_threshold(self, errors: Floats) -> Threshold:
        """Return the thresholds for errors on calibration time, (tanks, steps, features)."""
        return fit_threshold(errors, self._budget())

    def _score(self, relative: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one score of errors over their levels, (tanks, steps), 1.0 at the threshold."""
        return worst_feature(relative)

    def _look_back_on(self, unseen: Floats) -> None:
        """Take note of the scores of time not learned from, and of the alarms among them."""
        score = self._score(unseen / self.threshold_.level[:, None])
        self.unseen_score_ = score.astype(np.float32)
        held = running_minimum(score, self.on_delay)
        alarms = cluster_peaks(held, 1.0, merge_gap=self.merge_gap).size
        self.calibration_rate_ = alarms / max(self.threshold_.tank_months, 1e-9)

    def _budget(self) -> AlarmBudget:
        return AlarmBudget(self.budget, self.step_s, self.on_delay, self.merge_gap)

    def _prepared(
        self, X: NDArray[np.floating[Any]], mask: Mask | None, rows: Sequence[int] | None
    ) -> tuple[NDArray[np.float64], Mask, NDArray[np.int64]]:
        check_is_fitted(self, "threshold_")
        values, known = checked(X, mask)
        fitted = self.scaling_.location.shape
        if values.shape[2] != fitted[1]:
            message = f"this detector learned {fitted[1]} channels, the block has {values.shape[2]}"
            raise ShapeError(message)
        places = np.arange(values.shape[0]) if rows is None else np.asarray(rows, dtype=np.int64)
        if places.shape != (values.shape[0],) or (places >= fitted[0]).any():
            message = (
                f"this detector learned {fitted[0]} tanks and got a block of {values.shape[0]}: "
                "say with `rows` which of them these are"
            )
            raise ShapeError(message)
        return values, known & (places >= 0)[:, None, None], places

    def _scaling(self, places: NDArray[np.int64]) -> TankScaling:
        chosen = np.maximum(places, 0)
        return TankScaling(self.scaling_.location[chosen], self.scaling_.scale[chosen])

    def _unscaled(
        self, expected: NDArray[np.floating[Any]], places: NDArray[np.int64]
    ) -> NDArray[np.floating[Any]]:
        scaling = self._scaling(places)
        return expected * scaling.scale[:, None, :] + scaling.location[:, None, :]

    def _levels(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.threshold_.level[np.maximum(places, 0)]


def expected_half_width(scaled: Floats, mask: Mask, expected: Floats) -> NDArray[np.float64]:
    """Return the 99.5 % quantile of the residuals of each tank and channel, in scaled units."""
    residual = np.where(mask, np.abs(scaled - expected), np.nan)
    tanks, _, channels = residual.shape
    band = np.full((tanks, channels), np.nan)
    for tank in range(tanks):
        for channel in range(channels):
            known = residual[tank, np.isfinite(residual[tank, :, channel]), channel]
            if known.size:
                band[tank, channel] = np.quantile(known, _BAND_QUANTILE)
    fleet = [
        np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 3.0
        for column in band.T
    ]
    return np.where(np.isfinite(band), band, np.array(fleet))


def _listed(values: NDArray[np.float64]) -> list[list[float | None]]:
    return [[float(v) if np.isfinite(v) else None for v in row] for row in values]


def _array(stored: list[list[float | None]]) -> NDArray[np.float64]:
    return np.array(stored, dtype=np.float64)


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in parameters.items()}


def require_graph(graph: bytes | None, detector: str) -> bytes:
    """Return `graph`.

    Raises:
        ModelError: there is none.
    """
    if graph is None:
        message = f"this {detector} has no network: train it with `tankwatch train`"
        raise ModelError(message)
    return graph
