"""A pass: score what is new since each tank's watermark, and open or end incidents.

Site by site, in rounds of at most a few tens of thousands of tank-steps: claim, load, judge, fold,
commit.  A round commits scores, incidents, messages, carried state and watermarks in one
transaction, so a pass that is cut off anywhere is simply taken up again.  Readings that came late
take the memories of their site back to before them; what follows is the same as ever.
"""

from dataclasses import replace
from datetime import datetime

import numpy as np

from tankwatch.core.block import Block
from tankwatch.core.episodes import TIME_TO_LIMIT, fold
from tankwatch.jobs.ahead import ahead_steps, see_ahead
from tankwatch.jobs.carry import is_led_in, judge_new, load_memories
from tankwatch.jobs.commit import Judged, PassResult, TankOutcome, commit
from tankwatch.jobs.context import LOG, Context
from tankwatch.jobs.judging import sources_of
from tankwatch.jobs.memory import KIND, TankMemory
from tankwatch.jobs.newcomers import judge_newcomers, least_steps, load_newcomers
from tankwatch.jobs.progress import next_round
from tankwatch.jobs.rewind import begin, survey_site, take_back
from tankwatch.jobs.rounds import Round, TakenError, load_round, steps_of
from tankwatch.jobs.symptoms import SymptomTeller
from tankwatch.scoring.plan import Plan, load_plan
from tankwatch.scoring.rules import judge_rules
from tankwatch.scoring.sensors import without_bad
from tankwatch.store.engine import reading, writing
from tankwatch.store.scores import load_states
from tankwatch.store.watermarks import claim


def detect(context: Context, *, now: datetime) -> PassResult:
    """Score everything that is new as of `now`, and return what was done."""
    plan = load_plan(context.engine, context.settings, now=now)
    result = PassResult()
    for site in sorted({tank.site for tank in plan.tanks.values()}):
        _pass_site(context, plan, site, now=now, result=result)
    LOG.debug("pass", steps=result.steps, raised=len(result.settled.raised))
    return result


def _pass_site(
    context: Context, plan: Plan, site: str, *, now: datetime, result: PassResult
) -> None:
    """Bring one site up to date, round by round, and leave it to a pass that is quicker."""
    while not context.stop.is_set():
        turn = find_round(context, plan, site, now=now)
        if turn is None:
            return
        with writing(context.engine) as connection:
            free = claim(connection, turn.seen_ms, until_ms=turn.until_ms)
        if free != set(turn.seen_ms):
            return
        judged = judge(context, plan, turn, now=now)
        try:
            with writing(context.engine) as connection:
                commit(connection, context, plan, judged, now=now, result=result)
        except TakenError:
            LOG.debug("another pass was quicker", site=site)
            return


def find_round(context: Context, plan: Plan, site: str, *, now: datetime) -> Round | None:
    """Return the oldest steps of a site that are final and not scored yet, None if there are none.

    Where late readings touched what was scored, that begins before them.
    """
    survey = survey_site(context, plan, site)
    if survey.marks and survey.memory is None:
        begin(context, plan, survey)
        survey = survey_site(context, plan, site)
    if take_back(context, plan, survey, now=now):
        survey = survey_site(context, plan, site)
    return next_round(survey, plan, context, now=now)


def judge(context: Context, plan: Plan, turn: Round, *, now: datetime) -> Judged:
    """Load the block of a round, and return what rules and detectors say and what follows."""
    tank_ids = turn.tank_ids
    with reading(context.engine) as connection:
        stored = load_states(connection, KIND, tank_ids)
        carried = load_memories(connection, plan, tank_ids)
        first_hours = load_newcomers(connection, plan, tank_ids)
    begun = [tank for tank in tank_ids if turn.first_ms[tank] < turn.begin_ms]
    is_warm = is_led_in(carried, begun, turn.begin_ms)
    least = max(ahead_steps(plan, context.settings), least_steps(plan))
    block = load_round(context, plan, turn, led_in=is_warm, least=least)
    memories = {tank: TankMemory.from_json(stored.get(tank)) for tank in tank_ids}
    seen = np.array([[name in memories[t].seen for name in block.channels] for t in tank_ids])
    verdicts = judge_rules(block, plan, context.settings, tank_ids=tank_ids, seen=seen)
    usable = without_bad(block, verdicts)
    if turn.is_ahead:
        usable = _without_unfinished(usable, turn)
    followed = judge_new(plan, usable, tank_ids, steps_of(block, turn), carried)
    primary = followed.judgements[plan.primary.model_version_id] if plan.primary else None
    new_of = [steps_of(block, turn, tank) for tank in tank_ids]
    outlooks = see_ahead(plan, context.settings, usable, tank_ids, new_of, now=now)
    new_tanks = judge_newcomers(plan, context.settings, usable, tank_ids, new_of, first_hours)
    outcomes, teller = {}, SymptomTeller(context, plan)
    for row, (tank, new) in enumerate(zip(tank_ids, new_of, strict=True)):
        after = memories[tank].copy()
        judged = sources_of(
            row, new, verdicts=verdicts, judgement=primary, settings=context.settings
        )
        events = fold(
            after.state,
            block.times_ms[new],
            [*judged, *new_tanks.sources(row, new), *outlooks.sources(row, new)],
            step_ms=block.step_ms,
            merge_gap=context.settings.detect.merge_gap_steps,
        )
        events = teller.tell(plan.tanks[tank], events, memories[tank].incident_id)
        ahead = {
            event: outlook
            for event in events
            if event.source == TIME_TO_LIMIT and (outlook := outlooks.at(row, event.at_ms))
        }
        known = np.flatnonzero(block.mask[row, : new.stop].any(axis=0))
        after.seen |= {block.channels[channel] for channel in known}
        warns = after.state.is_open(TIME_TO_LIMIT) and new.stop > new.start
        last_ms = int(block.times_ms[new.stop - 1]) + block.step_ms
        outlook = outlooks.at(row, last_ms) if warns else None
        outcomes[tank] = TankOutcome(memories[tank], after, events, ahead, outlook)
    return Judged(turn, block, followed, outcomes, new_tanks)


def _without_unfinished(block: Block, turn: Round) -> Block:
    """Return a block in which siblings do not see what is not final yet of a tank."""
    mask = block.mask.copy()
    for row, tank in enumerate(turn.tank_ids):
        mask[row, steps_of(block, turn, tank).stop :] = False
    return replace(block, mask=mask)
