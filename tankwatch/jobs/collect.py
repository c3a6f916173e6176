"""What a backtest's scratch store holds in the end, as a result in the history's own time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from tankwatch.core.block import Block, Grid
from tankwatch.core.episodes import Change, EpisodeRule, SourceScores, TankState, fold
from tankwatch.core.times import from_ms, to_ms
from tankwatch.errors import UsageError
from tankwatch.evaluate.result import BacktestResult, DetectorRun, ScoreSeries
from tankwatch.jobs.contenders import cheap_baselines
from tankwatch.jobs.context import Context
from tankwatch.jobs.replay import Clocks
from tankwatch.scoring.blocks import load_block
from tankwatch.scoring.plan import load_plan
from tankwatch.settings import Detect, Settings
from tankwatch.shaping.grid import step_floor
from tankwatch.store.engine import reading
from tankwatch.store.incidents import load_incidents
from tankwatch.store.plant import Channel, Tank
from tankwatch.store.scores import load_scores
from tankwatch.store.siblings import load_site_incidents

COLUMNS = ("tank", "start", "raised", "end", "peak_score", "channel", "symptom")


@dataclass(frozen=True, slots=True)
class _Judged:
    """A tank and the time that is judged, in epoch milliseconds of the scratch store."""

    tank: Tank
    from_ms: int
    until_ms: int
    moved_ms: int

    def own_time(self, scratch_ms: int) -> datetime:
        return from_ms(scratch_ms - self.moved_ms)


def collect(
    context: Context,
    clocks: Clocks,
    *,
    title: str,
    labels: pd.DataFrame | None,
    seconds: Mapping[str, float],
) -> BacktestResult:
    """Return what a finished backtest found.

    Raises:
        UsageError: no tank has readings both in training and after it.
    """
    plan = load_plan(context.engine, context.settings)
    judged = _judged(context, clocks, list(plan.tanks.values()))
    first_ms = min(one.from_ms for one in judged.values())
    watched = set(plan.primary.channels) if plan.primary else set()
    channels = [channel for channel in plan.channels if channel.name in watched]
    detect = context.settings.detect
    runs = [_alone(context, name, judged, channels) for name in (detect.detector, *detect.shadow)]
    production = DetectorRun(
        f"tankwatch ({detect.detector} and rules)",
        "tankwatch",
        runs[0].scores,
        _stored_incidents(context, judged),
    )
    with reading(context.engine) as connection:
        grouped = [s for s in load_site_incidents(connection) if to_ms(s.raised_at) >= first_ms]
    return BacktestResult(
        title=title,
        tanks=tuple(judged),
        channels=tuple(channel.name for channel in channels),
        units=tuple(channel.unit for channel in channels),
        step_s=context.settings.grid.step_s,
        spans={n: (j.own_time(j.from_ms), j.own_time(j.until_ms)) for n, j in judged.items()},
        budget=context.settings.train.false_alarms_per_tank_month,
        labels=labels,
        runs=(production, *runs),
        blocks={name: _block(context, one, channels) for name, one in judged.items()},
        settings=_told(context.settings),
        seconds=seconds,
        site_incidents=len(grouped),
        grouped_incidents=sum(len(one.incident_ids) for one in grouped),
    )


def _judged(context: Context, clocks: Clocks, tanks: Sequence[Tank]) -> dict[str, _Judged]:
    found = {}
    for tank in sorted(tanks, key=lambda t: t.name):
        start_ms = clocks.trained_ms.get(tank.name)
        last_ms = clocks.last_ms.get(tank.name, 0)
        end_ms = step_floor(last_ms, context.settings.grid.step_s)
        if start_ms is not None and end_ms > start_ms:
            found[tank.name] = _Judged(tank, start_ms, end_ms, clocks.moved_ms[tank.name])
    if not found:
        message = "no tank has readings both before and after the end of training"
        raise UsageError(message)
    return found


def _stored_incidents(context: Context, judged: Mapping[str, _Judged]) -> pd.DataFrame:
    """Return what the production path opened after training, rules and all."""
    with reading(context.engine) as connection:
        stored = [found.incident for found in load_incidents(connection)]
    rows = []
    for incident in reversed(stored):
        one = judged.get(incident.tank)
        if one is None or to_ms(incident.raised_at) > one.until_ms:
            continue
        end_ms = to_ms(incident.ended_at) if incident.ended_at else one.until_ms
        if end_ms <= one.from_ms:
            continue
        # One that stands since training stands on the operator's page: it begins with the span.
        start_ms = max(to_ms(incident.started_at), one.from_ms)
        raised_ms = max(to_ms(incident.raised_at), one.from_ms)
        rows.append(
            (
                incident.tank,
                one.own_time(start_ms),
                one.own_time(raised_ms),
                one.own_time(end_ms),
                incident.peak_score,
                incident.channel,
                incident.symptom.value,
            )
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _alone(
    context: Context, name: str, judged: Mapping[str, _Judged], channels: Sequence[Channel]
) -> DetectorRun:
    """Return what a detector would have said without rules beside it."""
    place = {channel.channel_id: index for index, channel in enumerate(channels)}
    scores = {tank: _scores(context, name, one, place) for tank, one in judged.items()}
    names = [channel.name for channel in channels]
    detect, step_ms = context.settings.detect, context.step_ms
    rows = [
        row
        for tank, series in scores.items()
        for row in episodes_alone(name, tank, series, detect=detect, step_ms=step_ms, names=names)
    ]
    is_chosen = name == detect.detector
    role = "baseline" if name in cheap_baselines() and not is_chosen else "detector"
    return DetectorRun(name, role, scores, pd.DataFrame(rows, columns=list(COLUMNS)))


def _scores(context: Context, name: str, one: _Judged, place: Mapping[int, int]) -> ScoreSeries:
    with reading(context.engine) as connection:
        rows = load_scores(
            connection, name, [one.tank.tank_id], from_ms=one.from_ms, until_ms=one.until_ms
        )
    steps = (one.until_ms - one.from_ms) // context.step_ms
    score = np.full(steps, np.nan, dtype=np.float32)
    channel = np.full(steps, -1, dtype=np.int64)
    at = (rows.observed_ms - one.from_ms) // context.step_ms
    score[at] = rows.score
    channel[at] = [place.get(key, -1) for key in rows.channel_id.tolist()]
    times_ms = one.from_ms - one.moved_ms + np.arange(steps, dtype=np.int64) * context.step_ms
    return ScoreSeries(times_ms, score, channel)


def episodes_alone(
    name: str,
    tank: str,
    series: ScoreSeries,
    *,
    detect: Detect,
    step_ms: int,
    names: Sequence[str],
) -> list[tuple[Any, ...]]:
    """Return the incidents that one detector alone would have raised for a tank.

    Args:
        name: of the detector.
        tank: as shown.
        series: its scores, every step.
        detect: delays, deadband and merging.
        step_ms: length of a step in milliseconds.
        names: of the channels, as `series` counts them.
    """
    steps = series.score.size
    if not steps:
        return []
    source = SourceScores(
        name,
        EpisodeRule(detect.on_delay_steps, detect.off_delay_steps, detect.deadband),
        series.score,
        np.maximum(series.channel, 0),
        np.ones(steps),
        np.zeros(steps, dtype=np.int64),
    )
    events = fold(
        TankState(),
        series.times_ms,
        [source],
        step_ms=step_ms,
        merge_gap=detect.merge_gap_steps,
    )
    raised = [event for event in events if event.change is Change.RAISE]
    returned = [event for event in events if event.change is Change.RETURN]
    last_ms = int(series.times_ms[-1]) + step_ms
    ends = [event.end_ms for event in returned] + [last_ms] * (len(raised) - len(returned))
    peaks = [e.peak for e in returned] + [e.peak for e in raised[len(returned) :]]
    return [
        (
            tank,
            from_ms(event.start_ms),
            from_ms(event.at_ms),
            from_ms(end_ms),
            peak,
            names[event.channel],
            event.symptom.value,
        )
        for event, end_ms, peak in zip(raised, ends, peaks, strict=True)
    ]


def _block(context: Context, one: _Judged, channels: Sequence[Channel]) -> Block:
    steps = (one.until_ms - one.from_ms) // context.step_ms
    grid = Grid(one.from_ms, steps, context.settings.grid.step_s)
    block = load_block(context.engine, context.settings, [one.tank], channels, grid)
    start_ms = one.from_ms - one.moved_ms
    return Block(block.tanks, block.channels, start_ms, block.step_s, block.values, block.mask)


def _told(settings: Settings) -> dict[str, Any]:
    """Return the settings that decide the result."""
    return settings.model_dump(mode="json", include={"grid", "model", "train", "detect"})
