"""Which channel is behind a score, and in which direction."""

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.view import EVERY, Floats, View

_CLEAR_SHARE = 0.5


def shared_out(view: View, relative: NDArray[np.float64]) -> Floats:
    """Return what each channel contributes, float32 (tanks, steps, channels), 0 for nothing."""
    contribution = np.nan_to_num(view.contribution, nan=0.0)
    if view.feature_channels is None:
        return contribution
    total = np.maximum(contribution.sum(axis=2, keepdims=True), 1e-12)
    squares = np.nan_to_num(relative, nan=0.0) ** 2
    found = np.zeros_like(contribution)
    for feature, channel in enumerate(view.feature_channels):
        square = squares[:, :, feature]
        if channel == EVERY:
            found = np.maximum(found, square[..., None] * contribution / total)
        else:
            found[:, :, channel] = np.maximum(found[:, :, channel], square)
    return found.astype(np.float32)


def direction_of(view: View, channel: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return +1, -1 or 0: where `channel` stands beside what was expected, (tanks, steps)."""
    residual = taken(np.nan_to_num(view.residual, nan=0.0), channel)
    if view.feature_channels is not None:
        return np.sign(residual).astype(np.int64)
    error = np.sqrt(taken(np.nan_to_num(view.contribution, nan=0.0), channel))
    clear = np.abs(residual) > _CLEAR_SHARE * error
    return np.where(clear, np.sign(residual), 0).astype(np.int64)


def taken(values: Floats, channel: NDArray[np.int64]) -> Floats:
    """Return the value of one channel at each step, (tanks, steps)."""
    return np.take_along_axis(values, channel[..., None], axis=2)[..., 0]
