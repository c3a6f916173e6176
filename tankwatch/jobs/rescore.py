"""Scoring again what late readings touched."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from tankwatch.core.block import Block
from tankwatch.core.episodes import Change, SourceScores, TankEvent, TankState, fold
from tankwatch.core.incident import MessageKind
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.core.times import from_ms
from tankwatch.jobs.context import Context
from tankwatch.jobs.incidents import ACTOR, describe, mail_domain
from tankwatch.jobs.rounds import Stretch, load_stretches, new_steps, score_rows
from tankwatch.jobs.scoring import (
    Plan,
    judge_all,
    judge_rules,
    lookback_steps,
    sources_of,
)
from tankwatch.jobs.sensors import without_bad
from tankwatch.shaping.grid import step_floor
from tankwatch.store.engine import Connection, reading, writing
from tankwatch.store.incidents import apply_event, has_incident_between, open_incident
from tankwatch.store.operators import is_planned
from tankwatch.store.outbox import queue_message
from tankwatch.store.plant import Tank
from tankwatch.store.scores import store_scores
from tankwatch.store.watermarks import (
    DirtyWindow,
    clear_dirty_windows,
    load_dirty_windows,
    load_watermarks,
)

_STALE = "stale"


def rescore_dirty(context: Context, plan: Plan, *, now: datetime) -> int:
    """Score again every scored stretch that late readings touched; return the number of steps.

    What the readings prove abnormal in hindsight opens a historical incident, which pages nobody.
    """
    with reading(context.engine) as connection:
        windows = load_dirty_windows(connection)
        scored = {mark.tank_id: mark.scored_ms for mark in load_watermarks(connection)}
    steps = 0
    for tank_id in dict.fromkeys(window.tank_id for window in windows):
        mine = [window for window in windows if window.tank_id == tank_id]
        for stretch in stretches_of(mine, scored[tank_id], context, plan):
            if context.stop.is_set():
                return steps
            _rescore(context, plan, stretch, now=now)
            steps += (stretch.until_ms - stretch.from_ms) // context.step_ms
        with writing(context.engine) as connection:
            clear_dirty_windows(connection, [window.dirty_window_id for window in mine])
    return steps


def stretches_of(
    windows: Sequence[DirtyWindow], scored_ms: int, context: Context, plan: Plan
) -> list[Stretch]:
    """Return what is to be scored again: each touched step and those whose window holds it."""
    step_s, step_ms = context.settings.grid.step_s, context.step_ms
    reach_ms = (lookback_steps(plan, context.settings) + 1) * step_ms
    spans: list[list[int]] = []
    for window in sorted(windows, key=lambda w: w.from_ms):
        first = step_floor(window.from_ms, step_s)
        last = min(step_floor(window.until_ms, step_s) + reach_ms, scored_ms)
        if spans and first <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], last)
        elif last > first:
            spans.append([first, last])
    piece_ms = context.settings.detect.chunk_steps * step_ms
    return [
        Stretch(windows[0].tank_id, scored_ms, at, min(at + piece_ms, last))
        for first, last in spans
        for at in range(first, last, piece_ms)
    ]


def _rescore(context: Context, plan: Plan, stretch: Stretch, *, now: datetime) -> None:
    block = load_stretches(context, plan, [stretch])
    never_seen = np.zeros((1, len(block.channels)), dtype=bool)
    verdicts = judge_rules(
        block, plan, context.settings, tank_ids=[stretch.tank_id], seen=never_seen
    )
    judgements = judge_all(plan, without_bad(block, verdicts), [stretch.tank_id])
    primary = judgements[plan.primary.model_version_id] if plan.primary else None
    # Late readings have come after all, so nothing is stale in hindsight.
    lasting = [verdict for verdict in verdicts if verdict.name != _STALE]
    sources = sources_of(
        0,
        new_steps(block, stretch),
        verdicts=lasting,
        judgement=primary,
        settings=context.settings,
    )
    channel_ids = [channel.channel_id for channel in plan.channels]
    with writing(context.engine) as connection:
        for version, judgement in judgements.items():
            rows = score_rows(judgement, block, [stretch], channel_ids)
            store_scores(connection, version, rows)
        events = _events(block, stretch, sources, context)
        _open_historical(connection, context, plan, plan.tanks[stretch.tank_id], events, now=now)


def _events(
    block: Block, stretch: Stretch, sources: Sequence[SourceScores], context: Context
) -> list[tuple[TankEvent, int]]:
    """Return what was raised in a stretch taken by itself, each with its end."""
    state = TankState()
    times_ms = block.times_ms[new_steps(block, stretch)]
    gap = context.settings.detect.merge_gap_steps
    events = fold(state, times_ms, sources, step_ms=block.step_ms, merge_gap=gap)
    raised = [event for event in events if event.change is Change.RAISE]
    ends = [event.end_ms for event in events if event.change is Change.RETURN]
    return list(zip(raised, [*ends, stretch.until_ms], strict=False))


def _open_historical(
    connection: Connection,
    context: Context,
    plan: Plan,
    tank: Tank,
    events: Sequence[tuple[TankEvent, int]],
    *,
    now: datetime,
) -> None:
    for event, end_ms in events:
        start, end = from_ms(event.start_ms), from_ms(end_ms)
        if has_incident_between(connection, tank.tank_id, start, end):
            continue
        planned = is_planned(connection, tank.tank_id, start, end)
        opening = describe(
            event, plan, tank, context.settings, now=now, historical=True, planned=planned
        )
        key = open_incident(connection, opening, reason="seen in readings that came late")
        queue_message(
            connection,
            key,
            opening.uid,
            kind=MessageKind.ALARM,
            domain=mail_domain(context.settings),
            at=now,
        )
        apply_event(
            connection,
            key,
            IncidentEvent.RETURN,
            at=end,
            actor=ACTOR,
            reason="over before the readings came",
            ended_at=end,
        )
