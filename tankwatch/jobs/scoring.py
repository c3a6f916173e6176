"""From a block to what each source says of each tank: rules and detectors side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.core.episodes import EpisodeRule, SourceScores
from tankwatch.core.feedback import apply_factors, factor_row, tank_factors
from tankwatch.detectors.catalogue import restore_detector
from tankwatch.detectors.newcomer import NewcomerNorms
from tankwatch.detectors.streaming import StreamingDetector
from tankwatch.detectors.trend import UsualRange
from tankwatch.detectors.view import Judgement
from tankwatch.errors import ModelError
from tankwatch.jobs.context import LOG
from tankwatch.jobs.scorer import Scorer
from tankwatch.jobs.sensors import SENSOR_CONTEXT, judge_sensors
from tankwatch.quality.chatter import NAME as CHATTER
from tankwatch.quality.chatter import OF_LIMIT
from tankwatch.quality.noise import BURST, COLLAPSE
from tankwatch.quality.norms import SensorNorms
from tankwatch.quality.rules import (
    ChannelRule,
    RuleVerdict,
    check_flat_line,
    check_limits,
    check_stale,
    context_steps,
)
from tankwatch.quality.window import HOUR
from tankwatch.settings import Settings
from tankwatch.settings_channels import ChannelRules
from tankwatch.store.champions import Champion, find_champion, find_shadows
from tankwatch.store.engine import Connection, Engine, reading
from tankwatch.store.operators import load_labelled_alarms
from tankwatch.store.plant import Channel, Tank, load_channels, load_limits, load_tanks
from tankwatch.store.registry import load_artefact

Floats = NDArray[np.float64]

# What is judged by an hour of steps comes and goes at its edge.
_HOURLY = (BURST, COLLAPSE, CHATTER, OF_LIMIT)
_DELAYED = ("limit", "out_of_range")
AT_ONCE = EpisodeRule(on_delay=1, off_delay=10, deadband=0.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a pass needs to know that is not a reading.

    `factors` says by how much operators' labels raise the threshold of which tank id.
    """

    tanks: dict[int, Tank]
    channels: tuple[Channel, ...]
    limits: dict[tuple[int, int], tuple[float | None, float | None]]
    primary: Scorer | None
    shadows: tuple[Scorer, ...]
    factors: dict[int, float] = field(default_factory=dict)

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        """Return every detector version that scores."""
        return (*((self.primary,) if self.primary else ()), *self.shadows)


def load_plan(engine: Engine, settings: Settings, *, now: datetime | None = None) -> Plan:
    """Return tanks, channels, limits, champions and shadows as they are.

    Whoever scores gives `now`, as of which labels raise thresholds; without it none is raised.
    """
    names = (settings.detect.detector, *settings.detect.shadow)
    with reading(engine) as connection:
        found = {name: _champion(connection, name) for name in names}
        primary = found.pop(settings.detect.detector)
        beside = [scorer for scorer in found.values() if scorer is not None]
        return replace(
            load_plant(connection),
            primary=primary,
            shadows=(*beside, *_in_shadow(connection)),
            factors=tank_factors(load_labelled_alarms(connection), now) if now else {},
        )


def load_plant(connection: Connection) -> Plan:
    """Return tanks, channels and limits without any version, for whoever does not score."""
    return Plan(
        tanks={tank.tank_id: tank for tank in load_tanks(connection)},
        channels=tuple(load_channels(connection)),
        limits=load_limits(connection),
        primary=None,
        shadows=(),
    )


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


def limits_of(
    plan: Plan, settings: Settings, tank_ids: Sequence[int]
) -> tuple[
    Floats,
    Floats,
]:
    """Return low and high limits (tanks, channels), NaN for none: a tank's own, else everyone's."""
    shape = (len(tank_ids), len(plan.channels))
    edges = (np.full(shape, np.nan), np.full(shape, np.nan))
    for column, channel in enumerate(plan.channels):
        rules = settings.channels.get(channel.name)
        common = (rules.low, rules.high) if rules else (None, None)
        for row, tank_id in enumerate(tank_ids):
            own = plan.limits.get((tank_id, channel.channel_id), common)
            for edge, limit in zip(edges, own, strict=True):
                edge[row, column] = np.nan if limit is None else limit
    return edges


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


def _champion(connection: Connection, detector: str) -> Scorer | None:
    champion = find_champion(connection, detector)
    return None if champion is None else load_scorer(connection, champion)


def _in_shadow(connection: Connection) -> list[Scorer]:
    """Return the versions in shadow; one that cannot score must not keep the champion from it."""
    scorers = []
    for shadow in find_shadows(connection):
        try:
            scorers.append(load_scorer(connection, shadow))
        except ModelError as error:
            LOG.warning("shadow cannot score", error=str(error))
    return scorers


def load_scorer(connection: Connection, champion: Champion) -> Scorer:
    """Return a stored version, ready to score."""
    if champion.sha256 not in _SCORERS:
        artefact = load_artefact(connection, champion.model_version_id)
        restored = restore_detector(artefact.detector, artefact.manifest, artefact.onnx)
        norms = artefact.manifest.get("sensor_norms")
        usual = artefact.manifest.get("usual_range")
        newcomer = artefact.manifest.get("newcomer")
        scorer = Scorer(
            restored,
            champion.model_version_id,
            tuple(artefact.manifest["tank_names"]),
            tuple(artefact.manifest["channel_names"]),
            SensorNorms.from_json(norms) if norms else None,
            UsualRange.from_json(usual) if usual else None,
            NewcomerNorms.from_json(newcomer) if newcomer else None,
        )
        while len(_SCORERS) >= _MOST_SCORERS:
            _SCORERS.pop(next(iter(_SCORERS)))
        _SCORERS[champion.sha256] = scorer
    return replace(_SCORERS[champion.sha256], model_version_id=champion.model_version_id)


# What has one hash never changes, so a restored detector serves every later pass.
_SCORERS: dict[str, Scorer] = {}
_MOST_SCORERS = 8
