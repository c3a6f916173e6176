"""What the rules in engineering units say of a block, by the settings of each channel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.quality.rules import (
    ChannelRule,
    RuleVerdict,
    check_flat_line,
    check_limits,
    check_stale,
)
from tankwatch.scoring.plan import Plan, limits_of
from tankwatch.scoring.sensors import judge_sensors
from tankwatch.settings import Settings
from tankwatch.settings_channels import ChannelRules
from tankwatch.store.plant import Channel


def stale_steps(settings: Settings) -> int:
    """Return the steps without a reading that make a channel stale."""
    return max(settings.detect.stale_s // settings.grid.step_s, 1)


def channel_rules(channels: Sequence[Channel], settings: Settings) -> list[ChannelRule]:
    """Return what is plainly wrong for each channel; one that is not declared has no rules."""
    declared = settings.channels
    return [
        _rule_of(declared[channel.name])
        if channel.name in declared
        else ChannelRule(None, 0.0, watch_noise=False)
        for channel in channels
    ]


def _rule_of(rules: ChannelRules) -> ChannelRule:
    return ChannelRule(
        rules.flat_steps,
        rules.flat_tolerance,
        rules.range_low,
        rules.range_high,
        rules.most_per_minute,
        rules.watch_noise,
    )


def judge_rules(
    block: Block,
    plan: Plan,
    settings: Settings,
    *,
    tank_ids: Sequence[int],
    seen: NDArray[np.bool_],
) -> list[RuleVerdict]:
    """Return what the rules in engineering units say of a block."""
    low, high = limits_of(plan, settings, tank_ids)
    rules = channel_rules(plan.channels, settings)
    verdicts = [
        check_limits(block, low, high),
        check_stale(block, stale_steps(settings), seen),
        check_flat_line(block, rules),
    ]
    norms = plan.primary.norms_of(block.tanks, block.channels) if plan.primary else None
    # The sensor first: of two rules that flag the same step, the first opens the incident.
    return judge_sensors(block, rules, norms, low=low, high=high) + verdicts
