"""What a tank is expected to do next, and when it reaches a limit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Grid
from tankwatch.detectors.forecaster import ForecastingDetector
from tankwatch.detectors.rollout import TimeToLimit, sample_paths, time_to_limit
from tankwatch.errors import ModelError, UsageError
from tankwatch.jobs.context import Context, load_block
from tankwatch.jobs.scoring import limits_of, load_plan
from tankwatch.shaping.grid import step_floor
from tankwatch.store.engine import reading
from tankwatch.store.watermarks import load_watermarks

LED_IN_BY = 1500


@dataclass(frozen=True, slots=True)
class LimitAhead:
    """A limit of a channel, and when it is reached."""

    channel: str
    unit: str
    side: str
    limit: float
    when: TimeToLimit


@dataclass(frozen=True, slots=True)
class Forecast:
    """The next steps of a tank.

    Attributes:
        channels: names along the last axis.
        units: unit of each.
        from_ms: beginning of the first step ahead, epoch milliseconds.
        step_s: length of a step in seconds.
        bands: float64 (3, steps, channels), the 5 %, 50 % and 95 % quantile of the paths.
        limits: each engineering limit of the channels.
    """

    channels: tuple[str, ...]
    units: tuple[str, ...]
    from_ms: int
    step_s: int
    bands: NDArray[np.float64]
    limits: tuple[LimitAhead, ...]


def forecast(context: Context, tank: str, *, steps: int, paths: int) -> Forecast:
    """Return what `tank` is expected to do in the next `steps`.

    Raises:
        UsageError: there is no such tank, or it has no readings.
        ModelError: no model with a forecaster is in use, or it does not know the tank.
    """
    plan = load_plan(context.engine, context.settings)
    found = next((one for one in plan.tanks.values() if one.name == tank), None)
    with reading(context.engine) as connection:
        marks = {mark.tank_id: mark for mark in load_watermarks(connection)}
    if found is None or found.tank_id not in marks:
        message = f"there is no tank {tank!r} with readings: `tankwatch tanks` lists them"
        raise UsageError(message)
    scorer = plan.primary
    if scorer is None or not isinstance(scorer.detector, ForecastingDetector):
        message = "the detector in use forecasts nothing: train `fused` or `forecaster`"
        raise ModelError(message)
    if tank not in scorer.tanks:
        message = (
            f"the model in use does not know {tank!r} yet: it needs more history, then a training"
        )
        raise ModelError(message)
    step_ms = context.step_ms
    end_ms = step_floor(marks[found.tank_id].last_reading_ms, context.settings.grid.step_s)
    grid = Grid(end_ms + step_ms - LED_IN_BY * step_ms, LED_IN_BY, context.settings.grid.step_s)
    block = load_block(context, [found], plan.channels, grid)
    columns = [block.channels.index(name) for name in scorer.channels]
    drawn = sample_paths(
        scorer.detector,
        block.values[0][:, columns],
        block.mask[0][:, columns],
        place=scorer.tanks.index(tank),
        horizon=steps,
        paths=paths,
    )
    low, high = limits_of(plan, context.settings, [found.tank_id])
    units = [plan.channels[column].unit for column in columns]
    limits = [
        LimitAhead(name, unit, side, float(edge[0, column]), when)
        for place, (name, unit, column) in enumerate(
            zip(scorer.channels, units, columns, strict=True)
        )
        for side, edge in (("low", low), ("high", high))
        if np.isfinite(edge[0, column])
        for when in [
            time_to_limit(drawn[:, :, place], float(edge[0, column]), above=side == "high")
        ]
    ]
    bands = np.quantile(drawn, (0.05, 0.5, 0.95), axis=0)
    return Forecast(
        scorer.channels,
        tuple(units),
        grid.end_ms,
        grid.step_s,
        bands,
        tuple(limits),
    )
