"""Limit, range, flat-line and stale rules: 1.0 and above is a violation, further above is worse.

Each rule looks back only, and tells from a block alone what it tells from a longer one, if the
block begins `context_steps` before the steps that matter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from tankwatch.core.block import Block
from tankwatch.shaping.grid import last_known

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What a rule says of a block.

    Attributes:
        name: of the rule.
        score: float64 (tanks, steps, channels), 1.0 and above is a violation, NaN where unknown.
        direction: int64, same shape, +1 above, -1 below, 0 neither.
        bad: bool, same shape, readings that no detector may see; None for none.
    """

    name: str
    score: Scores
    direction: NDArray[np.int64]
    bad: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """What is plainly wrong for a channel; None switches a rule off."""

    flat_steps: int | None
    flat_tolerance: float
    range_low: float | None = None
    range_high: float | None = None
    most_per_minute: float | None = None
    watch_noise: bool = True


def context_steps(rules: Sequence[ChannelRule], stale_steps: int) -> int:
    """Return how many steps before a step the rules look at."""
    return max([rule.flat_steps or 0 for rule in rules] + [stale_steps]) + 1


def check_limits(block: Block, low: Scores, high: Scores) -> RuleVerdict:
    """Return how far readings are beyond their engineering limits.

    The score is 1 at the limit and grows by 1 for each span between the limits (for a single limit:
    each multiple of its size, at least 1) beyond it; 0 inside.

    Args:
        block: readings.
        low: float (tanks, channels), NaN for no limit.
        high: float (tanks, channels), NaN for no limit.
    """
    values = np.where(block.mask, block.values, np.nan)
    single = np.maximum(np.abs(np.where(np.isnan(low), high, low)), 1.0)
    span = np.where(np.isnan(high - low), single, np.maximum(high - low, 1e-9))[:, None]
    over, under = values - high[:, None], low[:, None] - values
    beyond = np.fmax(np.nan_to_num(over, nan=-np.inf), np.nan_to_num(under, nan=-np.inf))
    score = np.where(beyond > 0, 1.0 + np.maximum(beyond, 0) / span, 0.0)
    direction = np.where(over > 0, 1, np.where(under > 0, -1, 0))
    return RuleVerdict("limit", np.where(block.mask, score, np.nan), direction)


def check_range(block: Block, rules: Sequence[ChannelRule]) -> RuleVerdict:
    """Return how far readings are beyond the range of their instrument, scored as limits are.

    No tank is there: it is the instrument, its wire or the scaling that is wrong (NAMUR NE 43 keeps
    signals beyond the range for that), so the reading is hidden from the detectors.
    """
    low = np.array([np.nan if rule.range_low is None else rule.range_low for rule in rules])
    high = np.array([np.nan if rule.range_high is None else rule.range_high for rule in rules])
    shape = (len(block.tanks), len(rules))
    found = check_limits(block, np.broadcast_to(low, shape), np.broadcast_to(high, shape))
    return RuleVerdict(
        "out_of_range", found.score, found.direction, np.nan_to_num(found.score) >= 1.0
    )


def check_flat_line(block: Block, rules: Sequence[ChannelRule]) -> RuleVerdict:
    """Return 1 where a channel has not moved for its `flat_steps`, else 0.

    A channel has not moved if at least half of its last `flat_steps` steps are known and these lie
    within the tolerance of one another.
    """
    score = np.full(block.values.shape, np.nan)
    for channel, rule in enumerate(rules):
        if rule.flat_steps is None:
            continue
        known = block.mask[:, :, channel]
        values = block.values[:, :, channel]
        highest = _trailing(maximum_filter1d, np.where(known, values, -np.inf), rule.flat_steps)
        lowest = _trailing(minimum_filter1d, np.where(known, values, np.inf), rule.flat_steps)
        total = np.cumsum(known, axis=1)
        earlier = np.zeros_like(total)
        earlier[:, rule.flat_steps :] = total[:, : -rule.flat_steps]
        enough = 2 * (total - earlier) >= rule.flat_steps
        full = np.arange(block.steps) >= rule.flat_steps - 1
        with np.errstate(invalid="ignore"):  # infinite where nothing is known
            flat = enough & full & (highest - lowest <= rule.flat_tolerance)
        score[:, :, channel] = np.where(known, flat, np.nan)
    flagged = np.nan_to_num(score) >= 1.0
    return RuleVerdict("flat_line", score, np.zeros(score.shape, dtype=np.int64), flagged)


def check_stale(block: Block, stale_steps: int, seen_before: NDArray[np.bool_]) -> RuleVerdict:
    """Return 1 where a channel has had no reading for `stale_steps`, else 0.

    Args:
        block: readings; it begins at least `stale_steps` before the steps that matter.
        stale_steps: steps without a reading that make a channel stale.
        seen_before: bool (tanks, channels), whether there ever was a reading before the block; a
            channel that a tank does not have cannot go stale.
    """
    last = last_known(block.mask)
    age = np.arange(block.steps)[None, :, None] - last
    stale = np.where(last >= 0, age >= stale_steps, seen_before[:, None, :])
    judged = (last >= 0) | seen_before[:, None, :]
    score = np.where(judged, stale.astype(np.float64), np.nan)
    return RuleVerdict("stale", score, np.zeros(score.shape, dtype=np.int64))


def _trailing(
    extreme: Callable[..., NDArray[np.float64]], values: NDArray[np.float64], steps: int
) -> NDArray[np.float64]:
    """Return the extreme of the last `steps` values of each row, the block's edge held."""
    return extreme(values, size=steps, axis=1, mode="nearest", origin=steps - 1 - steps // 2)
