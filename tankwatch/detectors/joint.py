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


@dataclass(slots=True)
class Joint:
    """Turns held readings into the Mahalanobis distance of their smoothed values.

    Middle and covariance are those of the fleet's scaled values, by the minimum covariance
    determinant (Rousseeuw and Van Driessen 1999); with the exponentially weighted mean this is the
    multivariate control chart of Lowry et al. 1992.

    Attributes:
        middle: float64 (channels,).
        inverse: float64 (channels, channels), of the covariance.
    """

    middle: Doubles
    inverse: Doubles

    def see(self, held: Doubles, memory: dict[str, Doubles]) -> tuple[Doubles, Doubles]:
        """Return distance (tanks, steps), and each channel's part of its square."""
        smooth = ewma(held, SPAN, memory["joint"])
        memory["joint"] = smooth[:, -1].copy()
        away = smooth - self.middle
        parts = np.maximum(away * np.einsum("tsc,cd->tsd", away, self.inverse), 0.0)
        square = np.maximum(np.einsum("tsc,cd,tsd->ts", away, self.inverse, away), 0.0)
        return np.sqrt(square / held.shape[2]), parts

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values."""
        return {"middle": self.middle.tolist(), "inverse": self.inverse.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Joint":
        """Return what `to_json` gave."""
        return cls(np.array(stored["middle"]), np.array(stored["inverse"]))


def learn_joint(held: Doubles, mask: Mask, *, seed: int) -> Joint:
    """Return the usual place of all channels together.

    Args:
        held: float64 (tanks, steps, channels), scaled, held where unknown.
        mask: bool, same shape; only steps at which every channel is known are learned from.
        seed: of the draw of steps.
    """
    channels = held.shape[2]
    smooth = ewma(held, SPAN, np.full((held.shape[0], channels), np.nan))
    rows: NDArray[np.float64] = np.clip(smooth[mask.all(axis=2)], -_CLIP, _CLIP)
    if len(rows) < 10 * channels:
        return Joint(np.zeros(channels), np.eye(channels))
    drawn = np.random.default_rng(seed).permutation(len(rows))[:_MOST_ROWS]
    # A channel that hardly moves must not make the covariance singular.
    jitter = np.random.default_rng(seed).normal(0.0, _RIDGE, (drawn.size, channels))
    found = MinCovDet(random_state=seed).fit(rows[drawn] + jitter)
    covariance = found.covariance_ + _RIDGE * np.eye(channels)
    return Joint(found.location_, np.linalg.inv(covariance))
