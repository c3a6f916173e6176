"""Cheap detectors that a network must beat: smoothed robust z, PCA with T² and Q, and a forest."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from tankwatch.detectors.base import RECENT_STEPS, Detector
from tankwatch.detectors.view import Floats, Mask, View
from tankwatch.shaping.windows import hold_fill, rolling_mean, sliding_windows, window_validity

_VARIANCE_KEPT = 0.95
_SMALLEST = 1e-9
_TREES = 100
_FOREST_WINDOWS = 4000
_AT_ONCE = 50_000


class WindowedBaseline(Detector):
    """What the baselines share: few parameters, and a look at the last steps only.

    Args:
        window: steps that are looked at.
        budget: false alarms per tank-month that the threshold is fitted to.
        calibration_share: last share of the block, which sets the threshold only.
        step_s: length of a step in seconds, for the budget.
        on_delay: steps in a row that make an alarm, for the budget.
        merge_gap: steps that separate two alarms, for the budget.
    """

    def __init__(
        self,
        window: int = RECENT_STEPS,
        budget: float = 0.5,
        *,
        calibration_share: float = 0.3,
        step_s: int = 60,
        on_delay: int = 3,
        merge_gap: int = 40,
    ) -> None:
        self.window = window
        self.budget = budget
        self.calibration_share = calibration_share
        self.step_s = step_s
        self.on_delay = on_delay
        self.merge_gap = merge_gap

    @property
    def context_steps(self) -> int:
        """Return how many steps before a step its score depends on."""
        return self.window - 1


class RobustZBaseline(WindowedBaseline):
    """Smoothed robust z-score: distance from the median over the scale, mean of the last steps."""

    name: ClassVar[str] = "robust_z"

    def _learn(self, scaled: Floats, mask: Mask, held_out: slice) -> None:
        """Learn nothing beyond the scaling, which is the robust z."""

    def _view(self, scaled: Floats, mask: Mask, places: NDArray[np.int64]) -> View:
        del places
        smooth = rolling_mean(scaled, mask, self.window)
        smooth = np.where(mask, smooth, np.nan).astype(np.float32)
        expected = np.where(np.isfinite(smooth), 0.0, np.nan).astype(np.float32)
        return View(np.abs(smooth), smooth**2, smooth, expected)

    def _learned(self) -> dict[str, Any]:
        return {}

    def _relearn(self, learned: dict[str, Any]) -> None:
        del learned


class PCABaseline(WindowedBaseline):
    """Principal components of a short stretch of all channels, with Hotelling's T² and Q.

    T² is the squared distance within the kept components, Q the squared distance from them; their
    roots are the features (Jackson and Mudholkar 1979; lagged as dynamic PCA by Ku et al. 1995).
    """

    name: ClassVar[str] = "pca"

    def _learn(self, scaled: Floats, mask: Mask, held_out: slice) -> None:
        early = slice(0, held_out.start)
        valid = window_validity(mask[:, early], self.window, seams=self.seams)
        tank, start = np.nonzero(valid)
        filled = hold_fill(scaled[:, early], mask[:, early])
        flat = sliding_windows(filled, self.window)[tank, start].reshape(tank.size, -1)
        # A few wild values must not turn the components; they are what is looked for.
        pca = PCA(n_components=_VARIANCE_KEPT, svd_solver="full").fit(np.clip(flat, -10, 10))
        self.mean_ = pca.mean_.astype(np.float64)
        self.components_ = pca.components_.astype(np.float64)
        self.variance_ = np.maximum(pca.explained_variance_, _SMALLEST).astype(np.float64)

    def _view(self, scaled: Floats, mask: Mask, places: NDArray[np.int64]) -> View:
        del places
        tanks, steps, channels = scaled.shape
        errors = np.full((tanks, steps, 2), np.nan, np.float32)
        contribution, tilt, expected = (
            np.full((tanks, steps, channels), np.nan, np.float32) for _ in range(3)
        )
        if steps >= self.window:
            tank, start = np.nonzero(window_validity(mask, self.window))
            windows = sliding_windows(hold_fill(scaled, mask), self.window)[tank, start]
            end = (tank, start + self.window - 1)
            t2, rebuilt = self._project(windows.reshape(tank.size, -1).astype(np.float64))
            residual = windows - rebuilt.reshape(windows.shape)
            squares = np.stack([t2, (residual**2).mean(axis=(1, 2))], axis=1)
            errors[end] = np.sqrt(squares)
            contribution[end] = (windows**2).mean(axis=1)
            tilt[end] = windows[:, -1]
            expected[end] = rebuilt.reshape(windows.shape)[:, -1]
        return View(errors, contribution, tilt, expected)

    def _project(
        self, flat: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return T² (n,) and the part within the kept components (n, window x channels)."""
        # One product a row, so that a row's result does not depend on the rows beside it.
        latent = np.einsum("nf,kf->nk", flat - self.mean_, self.components_)
        t2 = (latent**2 / self.variance_).sum(axis=1)
        return t2, np.einsum("nk,kf->nf", latent, self.components_) + self.mean_

    def _learned(self) -> dict[str, Any]:
        return {
            "mean": self.mean_.tolist(),
            "components": self.components_.tolist(),
            "variance": self.variance_.tolist(),
        }

    def _relearn(self, learned: dict[str, Any]) -> None:
        self.mean_ = np.array(learned["mean"])
        self.components_ = np.array(learned["components"])
        self.variance_ = np.array(learned["variance"])


class IsolationForestBaseline(WindowedBaseline):
    """Isolation forest over short stretches of all channels (Liu, Ting and Zhou 2008).

    What is stored is a draw of training windows and the seed: the forest is grown again from them,
    to the last split, so nothing that could run code is ever loaded.
    """

    name: ClassVar[str] = "isolation_forest"

    def _learn(self, scaled: Floats, mask: Mask, held_out: slice) -> None:
        early = slice(0, held_out.start)
        valid = window_validity(mask[:, early], self.window, seams=self.seams)
        tank, start = np.nonzero(valid)
        filled = hold_fill(scaled[:, early], mask[:, early])
        drawn = np.random.default_rng(0).permutation(tank.size)[:_FOREST_WINDOWS]
        windows = sliding_windows(filled, self.window)[tank[drawn], start[drawn]]
        self._grow(np.clip(windows, -10, 10).reshape(drawn.size, -1))

    def _grow(self, windows: Floats) -> None:
        self.windows_ = windows.astype(np.float32)
        self.forest_ = IsolationForest(n_estimators=_TREES, random_state=0).fit(self.windows_)

    def _view(self, scaled: Floats, mask: Mask, places: NDArray[np.int64]) -> View:
        del places
        tanks, steps, channels = scaled.shape
        errors = np.full((tanks, steps, 1), np.nan, np.float32)
        contribution, tilt, expected = (
            np.full((tanks, steps, channels), np.nan, np.float32) for _ in range(3)
        )
        if steps >= self.window:
            tank, start = np.nonzero(window_validity(mask, self.window))
            windows = sliding_windows(hold_fill(scaled, mask), self.window)
            for begin in range(0, tank.size, _AT_ONCE):
                part = slice(begin, begin + _AT_ONCE)
                some = windows[tank[part], start[part]]
                end = (tank[part], start[part] + self.window - 1)
                flat = np.clip(some, -10, 10).reshape(len(some), -1)
                errors[end] = -self.forest_.score_samples(flat)[:, None]
                contribution[end] = (some**2).mean(axis=1)
                tilt[end] = some[:, -1]
                expected[end] = 0.0
        return View(errors, contribution, tilt, expected)

    def _learned(self) -> dict[str, Any]:
        return {"windows": self.windows_.tolist()}

    def _relearn(self, learned: dict[str, Any]) -> None:
        self._grow(np.array(learned["windows"], dtype=np.float32))
