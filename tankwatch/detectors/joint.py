"""Where all channels stand together: a pressure that no longer goes with its temperature."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from tankwatch.detectors.smoothing import Doubles
from tankwatch.detectors.view import Mask

LAGS = 10
_MOST_ROWS = 40_000
_CLIP = 10.0
_RIDGE = 1e-3


@dataclass(slots=True)
class Joint:
    """Turns held readings into the Mahalanobis distance of their last ten steps.

    All channels at ten lags together, as in dynamic principal component analysis (Ku, Storer and
    Georgakis 1995): how channels stand to each other shows, and how each moves.  Each tank has its
    own middle; the covariance about it is the fleet's, shrunk as Ledoit and Wolf (2004) have it.

    Attributes:
        middle: float64 (tanks, channels), in scaled units.
        inverse: float64 (LAGS * channels, LAGS * channels), of the covariance; lag 0 first.
    """

    middle: Doubles
    inverse: Doubles

    @staticmethod
    def layout(channels: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each part of a tank's memory."""
        return {"joint": (LAGS - 1, channels)}

    @staticmethod
    def begin(memory: dict[str, Doubles], rows: NDArray[np.bool_]) -> None:
        """Make the memory of `rows` that of a tank that was never seen."""
        memory["joint"][rows] = np.nan

    def see(
        self, held: Doubles, places: NDArray[np.int64], memory: dict[str, Doubles]
    ) -> tuple[Doubles, Doubles]:
        """Return distance (tanks, steps), about 1 usually, and each channel's part of its square.

        Both float64; the parts are (tanks, steps, channels) and not negative.
        """
        tanks, steps, channels = held.shape
        before = np.where(np.isnan(memory["joint"]), held[:, :1], memory["joint"])
        series = np.concatenate([before, held], axis=1)
        memory["joint"] = series[:, steps:].copy()
        rows = _lagged(series) - np.tile(self.middle[np.maximum(places, 0)], LAGS)[:, None]
        parts = rows * (rows @ self.inverse)
        square = np.maximum(parts.sum(axis=2), 0.0)
        by_channel = parts.reshape(tanks, steps, LAGS, channels).sum(axis=2)
        return np.sqrt(square / self.inverse.shape[0]), np.maximum(by_channel, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values."""
        return {"middle": self.middle.tolist(), "inverse": self.inverse.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Joint":
        """Return what `to_json` gave."""
        return cls(np.array(stored["middle"]), np.array(stored["inverse"]))


def learn_joint(held: Doubles, mask: Mask, learned: NDArray[np.bool_], *, seed: int) -> Joint:
    """Return the usual place of all channels together.

    Args:
        held: float64 (tanks, steps, channels), scaled, held where unknown.
        mask: bool, same shape.
        learned: bool (steps,), which steps are learned from; only those at which every channel is
            known count.
        seed: of the draw of steps.
    """
    tanks, steps, channels = held.shape
    usable = mask.all(axis=2) & learned
    usable[:, : LAGS - 1] = False
    middle = np.stack(
        [
            np.clip(held[tank, usable[tank]], -_CLIP, _CLIP).mean(axis=0)
            if usable[tank].any()
            else np.zeros(channels)
            for tank in range(tanks)
        ]
    )
    at = np.flatnonzero(usable)
    drawn = np.sort(np.random.default_rng(seed).permutation(at)[:_MOST_ROWS])
    tank, step = np.divmod(drawn, steps)
    if drawn.size < LAGS * channels:
        return Joint(middle, np.eye(LAGS * channels))
    lagged = held[tank[:, None], step[:, None] - np.arange(LAGS)]
    rows = np.clip(lagged - middle[tank][:, None], -_CLIP, _CLIP).reshape(drawn.size, -1)
    shrunk = LedoitWolf(assume_centered=True).fit(rows).covariance_
    return Joint(middle, np.linalg.inv(shrunk + _RIDGE * np.eye(LAGS * channels)))


def _lagged(series: Doubles) -> Doubles:
    """Return each step's last values, newest first, float64 (rows, steps, LAGS * channels)."""
    windows = np.lib.stride_tricks.sliding_window_view(series, LAGS, axis=1)
    newest_first = np.moveaxis(windows[..., ::-1], 3, 2)
    return newest_first.reshape(*newest_first.shape[:2], -1)
