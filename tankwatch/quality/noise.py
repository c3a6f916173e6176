"""Noise beside what is usual for the sensor: far more is a bad contact, far less a damped signal.

Noise is told from second differences, which a ramp of any slope leaves at nothing, averaged over an
hour of steps; each is cut at five times its usual size, so that a few spikes are no noise.
"""

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.core.shapes import turning
from tankwatch.quality.rules import RuleVerdict
from tankwatch.quality.stuck import equal_runs
from tankwatch.quality.window import HOUR, known_values, pieces, shifted, trailing_sum

BURST, COLLAPSE = "noise_burst", "noise_collapse"
BURST_MARGIN, COLLAPSE_MARGIN = 1.5, 3.0
LEAST_QUIET = 0.3
_CUT = 5.0
_WHOLE = 1024
_OF_WHITE = np.sqrt(6.0)  # standard deviation of the second difference of white noise
_MEAN_SIZE = 0.798  # mean of |x| of a standard normal x
_WHITE = -0.2
_REPEATS = 10

Floats = NDArray[np.float64]


def check_burst(block: Block, scale: Floats, noisiest: Floats) -> RuleVerdict:
    """Return how much noisier a channel is than ever in its clean history, over 1.5 times that.

    Only noise counts, not a signal that swings: the changes from step to step must turn back at
    once (white noise has a correlation of -0.5 between neighbouring changes).

    Args:
        block: readings.
        scale: float64 (tanks, channels), usual noise, NaN if unknown.
        noisiest: float64 (tanks, channels), most noise in an hour, over `scale`.
    """
    ratio = noise_level(block, scale) / (BURST_MARGIN * noisiest[:, None])
    high = np.nan_to_num(ratio) >= 1.0
    places, last = pieces(known_values(block.values, block.mask), high, HOUR)
    is_noise = np.zeros_like(high)
    is_noise[places] = turning(last) < _WHITE
    return _verdict(BURST, ratio, is_noise)


def check_collapse(
    block: Block, scale: Floats, quietest: Floats, most_repeats: int = _REPEATS
) -> RuleVerdict:
    """Return how much quieter a channel is than ever, over a third of that; 0 if it repeats.

    A channel that gives the same reading again and again is left to the stuck and flat-line rules,
    and one that may be almost still anyway, for its coarse resolution, is not judged.
    """
    judged = np.where(quietest >= LEAST_QUIET, quietest, np.nan)
    level = noise_level(block, scale)
    with np.errstate(divide="ignore"):
        ratio = np.minimum(judged[:, None] / COLLAPSE_MARGIN / level, 10.0)
    low = np.nan_to_num(ratio) >= 1.0
    repeats = equal_runs(block, within=HOUR) >= most_repeats
    repeated = trailing_sum(repeats, HOUR) > 0  # it is still quiet when it begins to move again
    return _verdict(COLLAPSE, ratio, low & ~repeated)


def learn_noise(block: Block) -> tuple[Floats, Floats, Floats]:
    """Return usual noise, and least and most in an hour over it, float64 (tanks, channels)."""
    size = np.abs(_second_differences(block)) / _OF_WHITE
    scale = np.full((len(block.tanks), len(block.channels)), np.nan)
    for tank, channel in np.ndindex(scale.shape):
        known = size[tank, np.isfinite(size[tank, :, channel]), channel]
        if known.size >= HOUR:
            three_quarters, mean = np.quantile(known, 0.75) / 1.15, known.mean() / _MEAN_SIZE
            scale[tank, channel] = max(three_quarters, 0.5 * mean)
    scale = np.where(scale > 0, scale, np.nan)
    level = noise_level(block, scale)
    known_level = np.isfinite(level)
    quietest = np.where(known_level, level, np.inf).min(axis=1, initial=np.inf)
    noisiest = np.where(known_level, level, -np.inf).max(axis=1, initial=-np.inf)
    found = np.isfinite(quietest)
    return scale, np.where(found, quietest, np.nan), np.where(found, noisiest, np.nan)


def noise_level(block: Block, scale: Floats) -> Floats:
    """Return the noise of the last hour of steps over the usual, (tanks, steps, channels).

    NaN where less than half of the hour is known, and within an hour of the block's beginning.
    """
    size = np.abs(_second_differences(block)) / _OF_WHITE / scale[:, None]
    known = np.isfinite(size)
    whole = np.round(np.minimum(np.where(known, size, 0.0), _CUT) * _WHOLE).astype(np.int64)
    count = trailing_sum(known, HOUR)
    total = trailing_sum(whole, HOUR)
    mean = total / np.maximum(count, 1) / _WHOLE / _MEAN_SIZE
    enough = (2 * count >= HOUR) & (np.arange(block.steps) >= HOUR + 1)[:, None] & known
    return np.where(enough, mean, np.nan)


def _second_differences(block: Block) -> Floats:
    values = known_values(block.values, block.mask)
    return values - 2.0 * shifted(values, 1) + shifted(values, 2)


def _verdict(name: str, ratio: Floats, flagged: NDArray[np.bool_]) -> RuleVerdict:
    # Below 1 the score says nothing of a fault.
    shown = np.where(np.isfinite(ratio), np.where(flagged, np.maximum(ratio, 1.0), 0.0), np.nan)
    return RuleVerdict(name, shown, np.zeros(shown.shape, dtype=np.int64), flagged)
