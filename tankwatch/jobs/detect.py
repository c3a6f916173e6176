"""A pass: score what is new since each tank's watermark, and open or end incidents.

Rounds of at most a few tens of thousands of tank-steps: claim, load, judge, fold, commit.  A round
commits scores, incidents, messages, carried state and watermarks in one transaction, so a pass that
is cut off anywhere is simply taken up again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from tankwatch.core.block import Block
from tankwatch.core.episodes import TIME_TO_LIMIT, Change, TankEvent, fold
from tankwatch.core.outlook import Outlook
from tankwatch.core.times import to_ms
from tankwatch.detectors.view import Judgement
from tankwatch.jobs.ahead import ahead_steps, see_ahead
from tankwatch.jobs.carry import Carried, is_led_in, judge_new, load_memories, memory_kind
from tankwatch.jobs.context import LOG, Context
from tankwatch.jobs.incidents import apply_events, mail_domain
from tankwatch.jobs.memory import KIND, TankMemory
from tankwatch.jobs.rescore import rescore_dirty
from tankwatch.jobs.rounds import Stretch, load_stretches, new_steps, score_rows
from tankwatch.jobs.scoring import (
    Plan,
    judge_rules,
    load_plan,
    sources_of,
    stale_steps,
)
from tankwatch.jobs.sensors import without_bad
from tankwatch.jobs.siblings import settle_siblings
from tankwatch.shaping.grid import step_floor
from tankwatch.store.engine import Connection, reading, writing
from tankwatch.store.scores import load_states, store_scores, store_states
from tankwatch.store.watermarks import (
    BEFORE_ALL_MS,
    Watermark,
    claim,
    load_watermarks,
    mark_scored,
)

ROUND_STEPS = 60_000


@dataclass(slots=True)
class PassResult:
    """What a pass did."""

    steps: int = 0
    raised: int = 0
    returned: int = 0
    rescored: int = 0
    incident_ids: list[int] = field(default_factory=list)
    site_incident_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a round found out, before it is stored."""

    block: Block
    stretches: Sequence[Stretch]
    judgements: dict[int, Judgement]
    memories: dict[int, TankMemory]
    events: dict[int, list[TankEvent]]
    carried: dict[int, Carried]
    outlooks: dict[int, dict[TankEvent, Outlook]]


def detect(context: Context, *, now: datetime) -> PassResult:
    """Score everything that is new as of `now`, and return what was done."""
    plan = load_plan(context.engine, context.settings, now=now)
    result = PassResult()
    while not context.stop.is_set():
        stretches = next_round(context, now=now)
        with writing(context.engine) as connection:
            free = claim(
                connection,
                {stretch.tank_id: stretch.seen_ms for stretch in stretches},
                until_ms={stretch.tank_id: stretch.until_ms for stretch in stretches},
            )
        if not free:
            break
        judged = judge(context, plan, [s for s in stretches if s.tank_id in free], now=now)
        with writing(context.engine) as connection:
            _commit(connection, context, plan, judged, now=now, result=result)
    if not context.stop.is_set():
        result.rescored = rescore_dirty(context, plan, now=now)
    LOG.debug("pass", steps=result.steps, raised=result.raised, returned=result.returned)
    return result


def next_round(context: Context, *, now: datetime) -> list[Stretch]:
    """Return the oldest steps that are final and not scored yet, at most a round of them."""
    with reading(context.engine) as connection:
        marks = load_watermarks(connection)
    pending = []
    for mark in marks:
        from_ms = mark.scored_ms
        if from_ms == BEFORE_ALL_MS:
            from_ms = step_floor(mark.first_reading_ms, context.settings.grid.step_s)
        until_ms = final_until(mark, context, now=now)
        if until_ms > from_ms:
            pending.append(Stretch(mark.tank_id, mark.scored_ms, from_ms, until_ms))
    if not pending:
        return []
    start_ms = min(stretch.from_ms for stretch in pending)
    at_once = max(1, ROUND_STEPS // len(pending))
    end_ms = start_ms + min(at_once, context.settings.detect.chunk_steps) * context.step_ms
    return [
        Stretch(s.tank_id, s.seen_ms, s.from_ms, min(s.until_ms, end_ms))
        for s in pending
        if s.from_ms < end_ms
    ]


def final_until(mark: Watermark, context: Context, *, now: datetime) -> int:
    """Return where a tank's steps stop being final, in epoch milliseconds.

    A step is final once a reading of a later step has come, and the allowed lateness has passed by
    the tank's own readings.  A tank that has fallen silent gets as many empty steps as the stale
    rule needs, and no more, so that a gateway's buffer that comes later is not late.
    """
    step_s = context.settings.grid.step_s
    by_readings = mark.last_reading_ms - context.settings.grid.lateness_s * 1000
    final_ms = step_floor(by_readings, step_s)
    empty = stale_steps(context.settings) + context.settings.grid.max_fill_steps + 2
    silent_ms = step_floor(mark.last_reading_ms, step_s) + empty * context.step_ms
    return silent_ms if to_ms(now) >= silent_ms else final_ms


def judge(context: Context, plan: Plan, stretches: Sequence[Stretch], *, now: datetime) -> Judged:
    """Load the block of a round, and return what rules and detectors say and what follows."""
    tank_ids = [stretch.tank_id for stretch in stretches]
    with reading(context.engine) as connection:
        stored = load_states(connection, KIND)
        carried = load_memories(connection, plan)
    led_in = is_led_in(carried, {stretch.tank_id: stretch.from_ms for stretch in stretches})
    least = ahead_steps(plan, context.settings)
    block = load_stretches(context, plan, stretches, led_in=led_in, least=least)
    new_of = [new_steps(block, stretch) for stretch in stretches]
    memories = {tank: TankMemory.from_json(stored.get(tank)) for tank in tank_ids}
    seen = np.array([[name in memories[t].seen for name in block.channels] for t in tank_ids])
    verdicts = judge_rules(block, plan, context.settings, tank_ids=tank_ids, seen=seen)
    usable = without_bad(block, verdicts)
    judgements, carried = judge_new(plan, usable, tank_ids, new_of, carried)
    primary = judgements[plan.primary.model_version_id] if plan.primary else None
    outlooks = see_ahead(plan, context.settings, usable, tank_ids, new_of, now=now)
    events, seen_ahead = {}, {}
    for row, (stretch, new) in enumerate(zip(stretches, new_of, strict=True)):
        memory = memories[stretch.tank_id]
        events[stretch.tank_id] = fold(
            memory.state,
            block.times_ms[new],
            [
                *sources_of(
                    row, new, verdicts=verdicts, judgement=primary, settings=context.settings
                ),
                *outlooks.sources(row, new),
            ],
            step_ms=block.step_ms,
            merge_gap=context.settings.detect.merge_gap_steps,
        )
        seen_ahead[stretch.tank_id] = {
            event: outlook
            for event in events[stretch.tank_id]
            if event.source == TIME_TO_LIMIT and (outlook := outlooks.at(row, event.at_ms))
        }
        known = np.flatnonzero(block.mask[row, : new.stop].any(axis=0))
        memory.seen |= {block.channels[channel] for channel in known}
    return Judged(block, stretches, judgements, memories, events, carried, seen_ahead)


def _commit(
    connection: Connection,
    context: Context,
    plan: Plan,
    judged: Judged,
    *,
    now: datetime,
    result: PassResult,
) -> None:
    """Store a round; a tank that another pass has moved meanwhile is left to that pass."""
    mine = []
    for row, stretch in enumerate(judged.stretches):
        seen, until = stretch.seen_ms, stretch.until_ms
        if mark_scored(connection, stretch.tank_id, seen_ms=seen, until_ms=until):
            mine.append(row)
    stretches = [judged.stretches[row] for row in mine]
    if not stretches:
        return
    channel_ids = [channel.channel_id for channel in plan.channels]
    for version, judgement in judged.judgements.items():
        chosen = Judgement(*(getattr(judgement, part)[mine] for part in _PARTS))
        rows = score_rows(chosen, judged.block, stretches, channel_ids)
        store_scores(connection, version, rows)
    raised_now: list[int] = []
    for stretch in stretches:
        memory, events = judged.memories[stretch.tank_id], judged.events[stretch.tank_id]
        tank = plan.tanks[stretch.tank_id]
        ahead = judged.outlooks[stretch.tank_id]
        raised = apply_events(
            connection, context, plan, tank, memory, events, now=now, outlooks=ahead
        )
        result.raised += len(raised)
        result.incident_ids += raised
        raised_now += raised
        result.returned += sum(event.change is Change.RETURN for event in events)
        result.steps += (stretch.until_ms - stretch.from_ms) // context.step_ms
    domain = mail_domain(context.settings)
    grouped = settle_siblings(connection, context, raised_now, domain=domain, now=now)
    result.site_incident_ids += grouped
    tank_ids = [stretch.tank_id for stretch in stretches]
    store_states(connection, KIND, {t: judged.memories[t].to_json() for t in tank_ids})
    for version, carried in judged.carried.items():
        store_states(connection, memory_kind(version), {t: carried[t].to_json() for t in tank_ids})


_PARTS = ("score", "channel", "share", "direction")
