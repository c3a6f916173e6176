"""Errors that grow with the time since training, and thresholds that allow for it."""

from dataclasses import replace

import numpy as np

from tankwatch.detectors.threshold import Threshold
from tankwatch.detectors.view import Floats

FEW_STRETCHES = 5
_SHRINK_STRETCHES = 10.0
_SMALLEST = 1e-9


def growth_of(learned: Floats, unseen: Floats, *, stretches: float) -> float:
    """Return by what factor errors are expected to grow beyond those of calibration time.

    A network that fits what it has seen better than what followed, will fit what comes later worse
    still.  The best guess is that errors grow once more as they grew from learned to unseen time;
    it is believed as far as the unseen time is short, since a long one has shown what comes later.

    Args:
        learned: float (n, window, channels), parts of squared errors on windows learned from.
        unseen: likewise on calibration time.
        stretches: windows that calibration time would hold side by side.
    """
    typical = [float(np.median(parts.sum(axis=2).mean(axis=1))) for parts in (learned, unseen)]
    ratio = np.sqrt(max(typical[1], _SMALLEST) / max(typical[0], _SMALLEST))
    doubt = _SHRINK_STRETCHES / (_SHRINK_STRETCHES + stretches)
    return float(max(ratio, 1.0) ** doubt)


def carried_on(threshold: Threshold, growth: float) -> Threshold:
    """Return a threshold that allows for errors `growth` times as large."""
    return replace(threshold, level=threshold.level * growth)
