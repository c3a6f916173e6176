"""From a block to what each source says of each tank: rules and detectors side by side."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.episodes import EpisodeRule, SourceScores
from tankwatch.core.feedback import apply_factors, factor_row
from tankwatch.detectors.streaming import StreamingDetector
from tankwatch.detectors.view import Judgement
from tankwatch.quality.chatter import NAME as CHATTER
from tankwatch.quality.chatter import OF_LIMIT
from tankwatch.quality.noise import BURST, COLLAPSE
from tankwatch.quality.rules import RuleVerdict, context_steps
from tankwatch.quality.window import HOUR
from tankwatch.scoring.plan import Plan
from tankwatch.scoring.rules import channel_rules, stale_steps
from tankwatch.scoring.sensors import SENSOR_CONTEXT
from tankwatch.settings import Settings

Floats = NDArray[np.float64]

# What is judged by an hour of steps comes and goes at its edge.
_HOURLY = (BURST, COLLAPSE, CHATTER, OF_LIMIT)
_DELAYED = ("limit", "out_of_range")
AT_ONCE = EpisodeRule(on_delay=1, off_delay=10, deadband=0.0)


def raised(judgement: Judgement, factors: Floats) -> Judgement:
    """Return a judgement at thresholds that operators' labels have raised, factors (tanks,)."""
    return replace(judgement, score=apply_factors(judgement.score, factors))


def factors_of(plan: Plan, tank_ids: Sequence[int]) -> Floats:
    """Return by how much the threshold of each tank is raised, float64 (tanks,)."""
    return factor_row(plan.factors, tank_ids)


def lookback_steps(plan: Plan, settings: Settings, *, led_in: bool = False) -> int:
    """Return how many steps before the first new one a pass loads.

    Args:
        plan: what scores.
        settings: what the rules look back at.
        led_in: whether the detectors with a memory have one of every tank.
    """
    rules = context_steps(channel_rules(plan.channels, settings), stale_steps(settings))
    lookers = [
        scorer.detector.context_steps
        for scorer in plan.scorers
        if not (led_in and isinstance(scorer.detector, StreamingDetector))
    ]
    return max([rules, SENSOR_CONTEXT, *lookers])


def sources_of(
    row: int,
    new: slice,
    *,
    verdicts: Sequence[RuleVerdict],
    judgement: Judgement | None,
    settings: Settings,
) -> list[SourceScores]:
    """Return what each source says of one tank's new steps, the plainest source first."""
    sources = [_rule_source(verdict, row, new, settings) for verdict in verdicts]
    if judgement is not None:
        detect = settings.detect
        sources.append(
            SourceScores(
                detect.detector,
                EpisodeRule(detect.on_delay_steps, detect.off_delay_steps, detect.deadband),
                judgement.score[row, new],
                judgement.channel[row, new],
                judgement.share[row, new],
                judgement.direction[row, new],
                None if judgement.sign is None else judgement.sign[row, new],
            )
        )
    return sources


def _rule_source(verdict: RuleVerdict, row: int, new: slice, settings: Settings) -> SourceScores:
    scores = verdict.score[row, new]
    known = np.isfinite(scores)
    filled = np.where(known, scores, -1.0)
    channel = filled.argmax(axis=1)
    steps = np.arange(filled.shape[0])
    worst = np.where(known.any(axis=1), filled[steps, channel], np.nan)
    rule = AT_ONCE
    if verdict.name in _HOURLY:
        rule = EpisodeRule(on_delay=1, off_delay=HOUR, deadband=0.0)
    elif verdict.name in _DELAYED:
        rule = EpisodeRule(settings.detect.on_delay_steps, settings.detect.off_delay_steps, 0.0)
    return SourceScores(
        verdict.name,
        rule,
        worst,
        channel,
        np.ones(worst.size),
        verdict.direction[row, new][steps, channel],
    )
