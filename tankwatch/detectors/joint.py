"""Where all channels stand together: a pressure that no longer goes with its temperature."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import MinCovDet

from tankwatch.detectors.smoothing import Doubles, ewma
from tankwatch.detectors.view import Mask

SPAN = 10
_MOST_ROWS = 5000
_CLIP = 10.0
_RIDGE = 1e-3
_TRUST_ROWS = 2.0


@dataclass(slots=True)
class Joint:
    """Turns held readings into the Mahalanobis distance of their smoothed values.

    The fleet's covariance is that of the minimum covariance determinant (Rousseeuw and Van Driessen
    1999); a tank's own is drawn towards it while its history is short.  With the exponentially
    weighted mean this is the multivariate control chart of Lowry et al. 1992.

    Attributes:
        middle: float64 (tanks, channels).
        inverse: float64 (tanks, channels, channels), of the covariance.
    """

    middle: Doubles
    inverse: Doubles

    def see(
        self, held: Doubles, places: NDArray[np.int64], memory: dict[str, Doubles]
    ) -> tuple[Doubles, Doubles]:
        """Return distance (tanks, steps), and each channel's part of its square."""
        smooth = ewma(held, SPAN, memory["joint"])
        memory["joint"] = smooth[:, -1].copy()
        rows = np.maximum(places, 0)
        away = smooth - self.middle[rows][:, None]
        shares = away * np.einsum("tsc,tcd->tsd", away, self.inverse[rows])
        parts, square = np.maximum(shares, 0.0), np.maximum(shares.sum(axis=2), 0.0)
        return np.sqrt(square / held.shape[2]), parts

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values."""
        return {"middle": self.middle.tolist(), "inverse": self.inverse.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Joint":
        """Return what `to_json` gave."""
        return cls(np.array(stored["middle"]), np.array(stored["inverse"]))


def learn_joint(held: Doubles, mask: Mask, *, seed: int) -> Joint:
    """Return the usual place of all channels together, for each tank.

    Args:
        held: float64 (tanks, steps, channels), scaled, held where unknown.
        mask: bool, same shape; only steps at which every channel is known are learned from.
        seed: of the draw of steps.
    """
    tanks, _, channels = held.shape
    smooth = ewma(held, SPAN, np.full((tanks, channels), np.nan))
    smooth = np.clip(smooth, -_CLIP, _CLIP)
    known = np.asarray(mask.all(axis=2))
    fleet_middle, fleet = _of_fleet(smooth[known], seed=seed)
    middle: Doubles = np.tile(fleet_middle, (tanks, 1))
    covariance: Doubles = np.tile(fleet, (tanks, 1, 1))
    for tank in range(tanks):
        rows = smooth[tank, known[tank]]
        # Steps within one span of the mean tell hardly more than one of them.
        count = len(rows) / SPAN
        trust = count / (count + _TRUST_ROWS * channels)
        if count > 1.0:
            own = np.atleast_2d(np.cov(rows, rowvar=False))
            middle[tank] += trust * (np.median(rows, axis=0) - fleet_middle)
            covariance[tank] += trust * (own - fleet)
    inverse = np.linalg.inv(covariance + _RIDGE * np.eye(channels))
    return Joint(middle, np.asarray(inverse, dtype=np.float64))


def _of_fleet(rows: Doubles, *, seed: int) -> tuple[Doubles, Doubles]:
    """Return robust middle and covariance of the fleet's steps (n, channels)."""
    channels = rows.shape[1]
    if len(rows) < 10 * channels:
        return np.zeros(channels), np.eye(channels)
    drawn = np.random.default_rng(seed).permutation(len(rows))[:_MOST_ROWS]
    # A channel that hardly moves must not make the covariance singular.
    jitter = np.random.default_rng(seed).normal(0.0, _RIDGE, (drawn.size, channels))
    found = MinCovDet(random_state=seed).fit(rows[drawn] + jitter)
    return found.location_, found.covariance_
