"""Robust scaling for each tank and channel, so that one network can serve the whole fleet."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IQR_OF_NORMAL = 1.349
_SMALLEST = 1e-9


@dataclass(frozen=True, slots=True)
class TankScaling:
    """Location and scale of each tank and channel, in canonical units.

    Attributes:
        location: float64 (tanks, channels), median; NaN for a tank that had no data.
        scale: float64 (tanks, channels), interquartile range over 1.349, always positive.
    """

    location: NDArray[np.float64]
    scale: NDArray[np.float64]


def fit_scaling(
    values: NDArray[np.floating[Any]], mask: NDArray[np.bool_], *, floor_share: float = 0.05
) -> TankScaling:
    """Return the robust location and scale of each tank and channel.

    A channel that hardly moves in one tank gets at least `floor_share` of the fleet's median
    scale, so that its noise is not blown up.

    Args:
        values: float (tanks, steps, channels), canonical units.
        mask: bool, same shape; unknown values are left out.
        floor_share: smallest scale as a share of the fleet's.
    """
    tanks, _, channels = values.shape
    location = np.full((tanks, channels), np.nan)
    spread = np.full((tanks, channels), np.nan)
    for tank in range(tanks):
        for channel in range(channels):
            known = values[tank, mask[tank, :, channel], channel]
            if known.size:
                low, middle, high = np.quantile(known.astype(np.float64), (0.25, 0.5, 0.75))
                location[tank, channel] = middle
                spread[tank, channel] = (high - low) / IQR_OF_NORMAL
    return TankScaling(location, _floored(spread, floor_share))


def apply_scaling(values: NDArray[np.floating[Any]], scaling: TankScaling) -> NDArray[np.float32]:
    """Return `values` less location, over scale, as float32 (tanks, steps, channels)."""
    scaled = (values - scaling.location[:, None, :]) / scaling.scale[:, None, :]
    return scaled.astype(np.float32)


def undo_scaling(scaled: NDArray[np.floating[Any]], scaling: TankScaling) -> NDArray[np.float64]:
    """Return scaled values in canonical units, float64 (tanks, steps, channels)."""
    back = scaled.astype(np.float64) * scaling.scale[:, None, :]
    return back + scaling.location[:, None, :]


def _floored(spread: NDArray[np.float64], floor_share: float) -> NDArray[np.float64]:
    floors = np.full(spread.shape[1], _SMALLEST)
    for channel in range(spread.shape[1]):
        moving = spread[:, channel][spread[:, channel] > 0]
        if moving.size:
            floors[channel] = max(float(np.median(moving)) * floor_share, _SMALLEST)
        else:
            floors[channel] = 1.0  # flat everywhere: a unit of the channel is a unit of score
    return np.where(np.isnan(spread), 1.0, np.maximum(spread, floors))
