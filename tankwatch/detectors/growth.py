"""How far thresholds are believed that were set on little time after training."""

from dataclasses import replace

import numpy as np

from tankwatch.detectors.threshold import Threshold
from tankwatch.detectors.view import Floats

FEW_STRETCHES = 5
_HALF_TRUSTED = 10.0
_SMALLEST = 1e-9


def trust_in(stretches: float) -> float:
    """Return how far calibration time shows what comes later: 0 not at all, 1 wholly.

    Args:
        stretches: windows that it holds side by side.
    """
    return stretches / (stretches + _HALF_TRUSTED)


def growth_of(learned: Floats, unseen: Floats, *, trust: float) -> float:
    """Return by what factor errors are expected to grow beyond those of calibration time.

    A network that fits what it has seen better than what followed, will fit what comes later worse
    still.  The best guess is that errors grow once more as they grew from learned to unseen time;
    it is followed as far as the unseen time does not show by itself what comes later.

    Args:
        learned: float (n, window, channels), parts of squared errors on windows learned from.
        unseen: likewise on calibration time.
        trust: in calibration time, 0 to 1.
    """
    typical = [float(np.median(parts.sum(axis=2).mean(axis=1))) for parts in (learned, unseen)]
    ratio = np.sqrt(max(typical[1], _SMALLEST) / max(typical[0], _SMALLEST))
    return float(max(ratio, 1.0) ** (1.0 - trust))


def believed(tail: Threshold, peaks: Threshold, *, trust: float, growth: float) -> Threshold:
    """Return a threshold between one from a fitted tail and one beyond the highest peaks.

    A tail that is fitted to few windows of time says little of others: the shorter the time, the
    more the highest peaks count.

    Args:
        tail: from `fit_threshold`.
        peaks: from `fit_peak_threshold` on the same errors.
        trust: in calibration time, 0 to 1.
        growth: by what factor errors are expected to grow.
    """
    between = np.exp(trust * np.log(tail.level) + (1.0 - trust) * np.log(peaks.level))
    return replace(tail, level=growth * between)
