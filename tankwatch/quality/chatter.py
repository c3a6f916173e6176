"""A value that flips between two levels, and one that flips over its limit.

Alarms that chatter are a nuisance of their own (ISA-18.2, EEMUA 191): each crossing would be an
alarm and each return an all-clear.  Here it is one incident, for as long as the chatter lasts.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.core.shapes import count_flips
from tankwatch.quality.rules import RuleVerdict
from tankwatch.quality.window import HOUR, known_values, pieces, shifted, trailing_sum

NAME, OF_LIMIT = "chattering", "limit_chatter"
MARGIN = 1.5
FEWEST_FLIPS = 6
LEAST_NOISES = 6.0

Floats = NDArray[np.float64]


def check_chatter(block: Block, scale: Floats, flip: Floats) -> RuleVerdict:
    """Return how often a value flipped between two levels in the last hour of steps, over six.

    Two levels, not a swing or noise; the range must be half as wide again as any to and fro of the
    clean history, and six times the usual noise.

    Args:
        block: readings.
        scale: float64 (tanks, channels), usual noise, NaN if unknown.
        flip: float64 (tanks, channels), widest to and fro in the clean history, 0 for none.
    """
    width = np.fmax(MARGIN * flip, LEAST_NOISES * scale)
    values = known_values(block.values, block.mask)
    flips = _flips_where(values, width)
    known = block.mask & np.isfinite(width)[:, None]
    score = np.where(known, np.where(flips >= FEWEST_FLIPS, flips / FEWEST_FLIPS, 0.0), np.nan)
    return RuleVerdict(NAME, score, np.zeros(score.shape, np.int64), np.nan_to_num(score) >= 1.0)


def check_limit_chatter(block: Block, low: Floats, high: Floats) -> RuleVerdict:
    """Return how often a value crossed a limit in the last hour of steps, over six.

    Args:
        block: readings.
        low: float (tanks, channels), NaN for no limit.
        high: float (tanks, channels), NaN for no limit.
    """
    values = known_values(block.values, block.mask)
    earlier = shifted(values, 1)
    crossings = np.zeros(values.shape, dtype=np.int64)
    with np.errstate(invalid="ignore"):  # NaN is beyond no limit
        for limit, beyond in ((low, np.less), (high, np.greater)):
            crossings += _crossed(values, earlier, limit[:, None], beyond)
        above = (values > high[:, None]).astype(np.int64)
        below = (values < low[:, None]).astype(np.int64)
    score = trailing_sum(crossings, HOUR) / FEWEST_FLIPS
    shown = np.where(block.mask, np.where(score >= 1.0, score, 0.0), np.nan)
    return RuleVerdict(OF_LIMIT, shown, above - below)


def learn_flip(block: Block, scale: Floats) -> Floats:
    """Return the widest to and fro between two levels, float64 (tanks, channels), 0 for none."""
    values = known_values(block.values, block.mask)
    widest = np.zeros(scale.shape)
    for tank, channel in np.ndindex(scale.shape):
        least = LEAST_NOISES * scale[tank, channel]
        one = values[tank : tank + 1, :, channel : channel + 1]
        _, last = pieces(one, _may_flip(one, np.array([[least]])), HOUR)
        if last.size:
            span = np.nanmax(last, axis=1) - np.nanmin(last, axis=1)
            found = span[(count_flips(last) >= FEWEST_FLIPS) & (span > least)]
            widest[tank, channel] = found.max(initial=0.0)
    return widest


def _flips_where(values: Floats, width: Floats) -> NDArray[np.int64]:
    flips = np.zeros(values.shape, dtype=np.int64)
    places, last = pieces(values, _may_flip(values, width), HOUR)
    if last.size:
        tank, _, channel = places
        span = np.nanmax(last, axis=1) - np.nanmin(last, axis=1)
        flips[places] = np.where(span > width[tank, channel], count_flips(last), 0)
    return flips


def _may_flip(values: Floats, width: Floats) -> NDArray[np.bool_]:
    """Return where the last hour holds enough jumps of half the width; elsewhere nothing flips."""
    with np.errstate(invalid="ignore"):
        jumps = np.abs(values - shifted(values, 1)) > width[:, None] / 2.0
    return np.isfinite(values) & (trailing_sum(jumps, HOUR) >= FEWEST_FLIPS)


def _crossed(
    values: Floats, earlier: Floats, limit: Floats, beyond: Callable[..., NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    both = np.isfinite(values) & np.isfinite(earlier)
    return np.asarray(both & (beyond(values, limit) != beyond(earlier, limit)))
