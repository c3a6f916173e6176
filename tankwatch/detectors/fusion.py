"""Several views on one scale of surprise, and one score of them all.

Errors over their thresholds say when a view alarms, and little below that: one view's noise may lie
at nine tenths of its threshold all the time and another's at one tenth.  So each is turned into its
surprise ``-log10 p``, p being the share of unseen time on which it was higher, and the views'
surprises are added up, as Fisher (1932) combines independent tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tankwatch.detectors.smoothing import Doubles
from tankwatch.detectors.threshold import AlarmBudget, fit_peak_threshold, worst_feature

_SHARES = np.array([0.5, 0.1, 0.01, 1e-3, 1e-4])
_BEYOND = 1.0
_MARGIN = 1.4
# From here on one view's own error counts, so that an episode ends by its deadband and not at once.
_NEAR = 0.8


@dataclass(slots=True)
class Fusion:
    """Turns errors over thresholds into one score, 1 at the threshold.

    A tank alarms when one view alone is beyond its threshold, or when all together are more
    surprising than unseen time has ever been, by a margin.  Below that, and above, the score is the
    sum of the views' surprises; of a view's channels the most surprising one counts.

    Attributes:
        view_of: view of each feature, as a number.
        quantiles: float64 (features, 5), errors over thresholds that half, a tenth, ... a
            ten-thousandth of unseen time exceeds.
        enough: sum of surprises at which all together alarm.
    """

    view_of: tuple[int, ...]
    quantiles: Doubles
    enough: float

    @classmethod
    def fit(cls, relative: Doubles, view_of: Sequence[int], budget: AlarmBudget) -> "Fusion":
        """Return a fusion fitted to unseen time.

        Args:
            relative: float (tanks, steps, features), errors over thresholds, NaN where not judged.
            view_of: view of each feature.
            budget: allowed false alarms of the sum.
        """
        features = relative.shape[2]
        quantiles = np.empty((features, _SHARES.size))
        for feature in range(features):
            known = relative[..., feature][np.isfinite(relative[..., feature])]
            found = np.quantile(known, 1.0 - _SHARES) if known.size else np.linspace(0.1, 0.9, 5)
            # Strictly rising and below the threshold, so that each surprise has one error.
            found = np.minimum(found, 0.95 + 0.01 * np.arange(_SHARES.size))
            quantiles[feature] = np.maximum.accumulate(found + 1e-9 * np.arange(_SHARES.size))
        fusion = cls(tuple(view_of), quantiles, 1.0)
        total = fusion.surprise(relative)[..., None]
        beyond = fit_peak_threshold(total, budget, margin=_MARGIN, by_tank=False)
        fusion.enough = float(beyond.level[0, 0])
        return fusion

    def surprise(self, relative: Doubles) -> Doubles:
        """Return the sum of the views' surprises, float64 (tanks, steps), NaN where not judged."""
        levels = np.append(-np.log10(_SHARES), -np.log10(_SHARES[-1]) + _BEYOND)
        total = np.zeros(relative.shape[:2])
        for view in sorted(set(self.view_of)):
            highest = np.zeros(relative.shape[:2])
            for feature in np.flatnonzero(np.array(self.view_of) == view):
                error = np.nan_to_num(relative[..., feature], nan=0.0)
                places = np.append(self.quantiles[feature], 1.0)
                inside = np.interp(error, places, levels, left=0.0)
                np.maximum(highest, np.where(error > 1.0, levels[-1] * error, inside), out=highest)
            total += highest
        return np.where(np.isfinite(relative).any(axis=2), total, np.nan)

    def score(self, relative: Doubles) -> Doubles:
        """Return the score of each step, float64 (tanks, steps), NaN where not judged."""
        together = self.surprise(relative) / self.enough
        alone = np.minimum(worst_feature(relative), 1.0)
        return np.where(alone >= _NEAR, np.fmax(together, alone), together)

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values."""
        quantiles = self.quantiles.tolist()
        return {"view_of": list(self.view_of), "quantiles": quantiles, "enough": self.enough}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Fusion":
        """Return what `to_json` gave."""
        return cls(tuple(stored["view_of"]), np.array(stored["quantiles"]), stored["enough"])
