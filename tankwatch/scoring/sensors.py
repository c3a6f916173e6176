"""Is the sensor to be believed: every rule of a block that speaks of the instrument."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.quality.chatter import check_chatter, check_limit_chatter
from tankwatch.quality.noise import check_burst, check_collapse
from tankwatch.quality.norms import SensorNorms
from tankwatch.quality.rate import LOOKBACK, WITHIN, check_rate
from tankwatch.quality.rules import ChannelRule, RuleVerdict, check_range
from tankwatch.quality.stuck import check_stuck

# Further back than the rules for noise and chatter, which take an hour of steps.
SENSOR_CONTEXT = WITHIN + LOOKBACK + 1

Edges = NDArray[np.float64]


def judge_sensors(
    block: Block,
    rules: Sequence[ChannelRule],
    norms: SensorNorms | None,
    *,
    low: Edges,
    high: Edges,
) -> list[RuleVerdict]:
    """Return what each rule says of the instruments, the plainest first.

    Args:
        block: readings.
        rules: of each channel.
        norms: what is usual for these tanks; None before anything was learned.
        low: float64 (tanks, channels), engineering limits, NaN for none.
        high: float64 (tanks, channels).
    """
    verdicts = [
        check_range(block, rules),
        check_rate(block, [rule.most_per_minute for rule in rules]),
        check_limit_chatter(block, low, high),
    ]
    if norms is None:
        return verdicts
    scale = np.where([rule.watch_noise for rule in rules], norms.scale, np.nan)
    return [
        check_stuck(block, norms.longest, [rule.flat_steps for rule in rules]),
        *verdicts,
        check_chatter(block, scale, norms.flip),
        check_burst(block, scale, norms.noisiest),
        check_collapse(block, scale, norms.quietest),
    ]


def bad_of(block: Block, verdicts: Sequence[RuleVerdict]) -> NDArray[np.bool_]:
    """Return where a reading is not to be believed, bool (tanks, steps, channels)."""
    bad = np.zeros(block.mask.shape, dtype=bool)
    for verdict in verdicts:
        if verdict.bad is not None:
            bad |= verdict.bad
    return bad


def without_bad(block: Block, verdicts: Sequence[RuleVerdict]) -> Block:
    """Return a block in which the detectors do not see what a bad sensor says."""
    mask = block.mask & ~bad_of(block, verdicts)
    return Block(block.tanks, block.channels, block.start_ms, block.step_s, block.values, mask)
