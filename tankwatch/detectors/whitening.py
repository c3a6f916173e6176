"""Reconstruction errors of all channels together, each by what it usually is beside the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import oas

from tankwatch.detectors.view import Floats, Mask

_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class Whitening:
    """Turns errors into squared Mahalanobis distances (as Malhotra et al. 2016 score them).

    Attributes:
        precision: float64 (channels, channels), inverse of the errors' covariance on normal time.
    """

    precision: NDArray[np.float64]

    def parts(self, error: Floats, known: Mask) -> Floats:
        """Return each channel's part of a step's squared distance, float32 (..., channels).

        The parts of a step sum to the mean square of its whitened errors: 1 is usual, whatever the
        number of channels that are known.

        Args:
            error: float32 (..., channels), observed minus rebuilt, scaled.
            known: bool, same shape; where it is false, no error is counted.
        """
        counted = np.where(known, error, 0.0).astype(np.float32)
        count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
        found = counted * (counted @ self.precision.astype(np.float32)) / count
        return np.asarray(found, dtype=np.float32)

    @property
    def sharpness(self) -> NDArray[np.float64]:
        """Return what an error of each channel is multiplied by, others being as expected."""
        return np.asarray(np.sqrt(np.diag(self.precision)))

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values."""
        return {"precision": self.precision.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Whitening":
        """Return what `to_json` gave."""
        return cls(np.array(stored["precision"], dtype=np.float64))


def learn_whitening(error: Floats, known: Mask) -> Whitening:
    """Return the whitening of errors on time that a network has not learned from.

    The covariance is drawn towards a multiple of the unit matrix where there are few errors for
    their number of channels (oracle approximating shrinkage, Chen et al. 2010).

    Args:
        error: float32 (n, window, channels), scaled.
        known: bool, same shape; steps with an unknown channel are left out where others are there.
    """
    channels = error.shape[-1]
    rows, seen = error.reshape(-1, channels), known.reshape(-1, channels)
    whole = seen.all(axis=1)
    chosen = rows[whole] if whole.sum() > channels else np.where(seen, rows, 0.0)
    # Each channel on its own scale first: the shrinkage must not depend on their units.
    scale = np.sqrt(np.maximum(np.mean(np.square(chosen, dtype=np.float64), axis=0), _SMALLEST**2))
    shrunk, _ = oas(chosen / scale, assume_centered=True)
    inverse = np.linalg.inv(shrunk + _SMALLEST * np.eye(channels))
    return Whitening(inverse / np.outer(scale, scale))
