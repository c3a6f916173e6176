"""What a tank is expected to do next, and when it reaches a limit."""

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block, Grid
from tankwatch.core.times import human_duration, to_ms
from tankwatch.detectors.forecaster import ForecastingDetector
from tankwatch.detectors.rollout import TimeToLimit, sample_paths, time_to_limit
from tankwatch.detectors.trend import LATEST, context_steps, span_mean, trend_paths
from tankwatch.errors import ModelError, UsageError
from tankwatch.quality.rules import context_steps as rule_steps
from tankwatch.scoring.blocks import load_block
from tankwatch.scoring.plan import Plan, limits_of, load_tank_plan
from tankwatch.scoring.rules import channel_rules, judge_rules, stale_steps
from tankwatch.scoring.scorer import Scorer
from tankwatch.scoring.sensors import bad_of, without_bad
from tankwatch.settings import Settings
from tankwatch.shaping.grid import last_known, step_floor
from tankwatch.store.engine import Engine, reading
from tankwatch.store.plant import Tank
from tankwatch.store.watermarks import load_watermarks

LED_IN_BY = 1500
QUANTILES = (0.05, 0.5, 0.95)
MOST_STEPS = 2880
_LEAST_S = 3600

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LimitAhead:
    """A limit of a channel, and when it is reached.

    Attributes:
        channel, unit: whose limit.
        side: ``low`` or ``high``.
        limit: in the channel's unit.
        is_passed: whether the latest reading lies beyond it already.
        when: how many of the paths cross it, and after how many steps.
    """

    channel: str
    unit: str
    side: str
    limit: float
    is_passed: bool
    when: TimeToLimit


@dataclass(frozen=True, slots=True)
class Forecast:
    """The next steps of a tank.

    Attributes:
        model_version_id: what looked ahead.
        channels: names along the last axis, of those that have been read lately by a sensor that
            is to be believed.
        units: unit of each.
        by_trend: for each, whether its trend was carried on, as it is beyond what is usual.
        from_ms: beginning of the first step ahead, epoch milliseconds.
        step_s: length of a step in seconds.
        bands: float64 (3, steps, channels), the 5 %, 50 % and 95 % quantile of the paths.
        limits: each engineering limit of the channels.
        untrusted: names of the channels whose sensor is not to be believed now.
    """

    model_version_id: int
    channels: tuple[str, ...]
    units: tuple[str, ...]
    by_trend: tuple[bool, ...]
    from_ms: int
    step_s: int
    bands: Doubles
    limits: tuple[LimitAhead, ...]
    untrusted: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """Return how many steps it looks ahead."""
        return int(self.bands.shape[1])


def usual_horizon(tank: Tank, settings: Settings) -> int:
    """Return how many steps ahead a tank is looked at: its response time, an hour at least.

    It is never more than `MOST_STEPS`, which is less than an hour where steps are of one second.
    """
    own = tank.response_s
    seconds = settings.limit_ahead.response_s if own is None else own
    return min(math.ceil(max(seconds, _LEAST_S) / settings.grid.step_s), MOST_STEPS)


def forecast(
    engine: Engine,
    settings: Settings,
    tank: Tank,
    *,
    steps: int,
    paths: int,
    now: datetime | None = None,
) -> Forecast:
    """Return what `tank` is expected to do in the next `steps`.

    Where a channel is, the same two look ahead as warn of limits: the forecaster's paths within
    what the tank usually reaches, its own trend beyond.  Neither believes a bad sensor.

    Args:
        engine: where readings and versions are.
        settings: grid, detector and limits.
        tank: which.
        steps: how many, up to `MOST_STEPS`.
        paths: how many continuations are drawn.
        now: the present, at which the tank must not be silent; None to go by its last reading,
            however old.

    Raises:
        UsageError: the tank has no readings.
        ModelError: no model with a forecaster is in use, it does not know the tank, the tank is
            silent, or none of its channels has been read lately by a sensor to be believed.
    """
    with reading(engine) as connection:
        plan = load_tank_plan(connection, tank, settings)
        marks = load_watermarks(connection, [tank.tank_id])
    if not marks:
        message = f"tank {tank.name!r} has no readings yet: send some first"
        raise UsageError(message)
    scorer, detector = _forecaster(plan, tank)
    last_ms = marks[0].last_reading_ms
    if now is not None:
        _check_heard(tank, settings, silent_s=(to_ms(now) - last_ms) / 1000)
    block, bad = _believed(engine, settings, tank, plan, last_ms=last_ms, steps=steps)
    columns = [block.channels.index(name) for name in scorer.channels]
    drawn = sample_paths(
        detector,
        block.values[0, -LED_IN_BY:][:, columns],
        block.mask[0, -LED_IN_BY:][:, columns],
        place=scorer.tanks.index(tank.name),
        horizon=steps,
        paths=paths,
    )
    # Of a channel that is silent, or was in training, the network would only make something up.
    recent = block.mask[0, -stale_steps(settings) :].any(axis=0) & ~bad
    known = recent[columns] & np.isfinite(drawn).all(axis=(0, 1))
    told = [(place, column) for place, column in enumerate(columns) if known[place]]
    columns = [column for _, column in told]
    each = [drawn[:, :, place] for place, _ in told]
    if not each:
        why = "read lately by a sensor to be believed" if bad.any() else "read lately"
        message = f"no channel that the model in use knows of {tank.name!r} has been {why}"
        raise ModelError(message)
    trended = [_trend(scorer, block, column, steps) for column in columns]
    ahead = [own if own is not None else path for own, path in zip(trended, each, strict=True)]
    return Forecast(
        scorer.model_version_id,
        tuple(plan.channels[column].name for column in columns),
        tuple(plan.channels[column].unit for column in columns),
        tuple(own is not None for own in trended),
        block.end_ms,
        block.step_s,
        np.stack([np.nanquantile(paths, QUANTILES, axis=0) for paths in ahead], axis=-1),
        tuple(_limits(plan, settings, block, columns, ahead)),
        tuple(np.array(block.channels)[bad].tolist()),
    )


def _check_heard(tank: Tank, settings: Settings, *, silent_s: float) -> None:
    """Raise if the time that is left would be counted from a reading of long ago."""
    # As the rule counts it, in whole steps, and one more for the step that is under way.
    steps_s = (stale_steps(settings) + 1) * settings.grid.step_s
    if silent_s > max(settings.detect.stale_s, steps_s):
        message = f"{tank.name!r} has sent nothing for {human_duration(silent_s)}"
        raise ModelError(message)


def _believed(
    engine: Engine, settings: Settings, tank: Tank, plan: Plan, *, last_ms: int, steps: int
) -> tuple[Block, NDArray[np.bool_]]:
    """Return what led to a tank's last reading without bad sensors, and whose are bad now.

    Returns:
        the block; bool (channels,), whether the newest reading of each is not to be believed.
    """
    step_s = settings.grid.step_s
    rules = rule_steps(channel_rules(plan.channels, settings), stale_steps(settings))
    back = max(LED_IN_BY, context_steps(steps), rules)
    end_ms = step_floor(last_ms, step_s) + step_s * 1000
    grid = Grid(end_ms - back * step_s * 1000, back, step_s)
    block = load_block(engine, settings, [tank], plan.channels, grid)
    seen = np.ones((1, len(plan.channels)), dtype=bool)
    verdicts = judge_rules(block, plan, settings, tank_ids=[tank.tank_id], seen=seen)
    newest = last_known(block.mask)[:, -1:]
    bad = np.take_along_axis(bad_of(block, verdicts), np.maximum(newest, 0), axis=1)
    return without_bad(block, verdicts), (bad & (newest >= 0))[0, 0]


def _forecaster(plan: Plan, tank: Tank) -> tuple[Scorer, ForecastingDetector]:
    scorer = plan.primary
    if scorer is None or not isinstance(scorer.detector, ForecastingDetector):
        message = "the detector in use forecasts nothing: train `fused` or `forecaster`"
        raise ModelError(message)
    if tank.name not in scorer.tanks:
        message = (
            f"the model in use does not know {tank.name!r} yet: it needs more history, then a "
            "training"
        )
        raise ModelError(message)
    return scorer, scorer.detector


def _trend(scorer: Scorer, block: Block, column: int, steps: int) -> Doubles | None:
    """Return where a channel's trend leads, None within what is usual or if too little is known."""
    usual = scorer.usual_of(block.tanks, block.channels)
    if usual is None:
        return None
    values, mask = block.values[0, :, column], block.mask[0, :, column]
    level = span_mean(values[None, -LATEST:, None], mask[None, -LATEST:, None], LATEST)[0, -1, 0]
    if not (level < usual.low[0, column] or level > usual.high[0, column]):
        return None
    paths = trend_paths(values.astype(np.float64), mask, horizon=steps)
    return None if np.isnan(paths).all(axis=0).any() else paths


def _limits(
    plan: Plan, settings: Settings, block: Block, columns: list[int], ahead: list[Doubles]
) -> list[LimitAhead]:
    edges = dict(zip(("low", "high"), limits_of(plan, settings, list(plan.tanks)), strict=True))
    found = []
    for paths, column in zip(ahead, columns, strict=True):
        latest = block.values[0, -1, column] if block.mask[0, -1, column] else np.nan
        for side, edge in edges.items():
            limit = float(edge[0, column])
            if np.isnan(limit):
                continue
            above = side == "high"
            found.append(
                LimitAhead(
                    plan.channels[column].name,
                    plan.channels[column].unit,
                    side,
                    limit,
                    bool(latest >= limit if above else latest <= limit),
                    time_to_limit(paths[np.isfinite(paths).any(axis=1)], limit, above=above),
                )
            )
    return found
