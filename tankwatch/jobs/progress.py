"""How far each tank and its site have come, and which steps are judged next.

Every tank has a watermark, up to where it was scored.  The memories of a site's tanks end at one
step, since siblings are judged side by side: the step that every tank has reached that is not far
behind.  What a tank is ahead of its site is judged with what there is, and judged again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tankwatch.core.times import to_ms
from tankwatch.jobs.context import Context
from tankwatch.jobs.rounds import Round
from tankwatch.scoring.plan import Plan
from tankwatch.scoring.rules import stale_steps
from tankwatch.shaping.grid import step_floor
from tankwatch.store.checkpoints import SiteMemory
from tankwatch.store.watermarks import BEFORE_ALL_MS, DirtyWindow, Watermark

ROUND_STEPS = 60_000


@dataclass(frozen=True, slots=True)
class Survey:
    """Where a site stands: its memories, its tanks that have readings, what late ones touched."""

    site: str
    memory: SiteMemory | None
    marks: tuple[Watermark, ...]
    dirty: tuple[DirtyWindow, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a site can be scored, in epoch milliseconds.

    Attributes:
        final_ms: where each tank's steps stop being final.
        memory_ms: how far the memories of the site can go.
        end_ms: how far the tank that is furthest can.
    """

    final_ms: Mapping[int, int]
    memory_ms: int
    end_ms: int


def first_step_ms(mark: Watermark, context: Context) -> int:
    """Return the beginning of a tank's first step."""
    return step_floor(mark.first_reading_ms, context.settings.grid.step_s)


def lateness_ms(tank_id: int, plan: Plan, context: Context) -> int:
    """Return how long a tank's steps are kept open: its own time, else its site's, else all's."""
    tank, late = plan.tanks[tank_id], context.settings.late
    by_site = late.sites.get(tank.site, context.settings.grid.lateness_s)
    return late.tanks.get(tank.name, by_site) * 1000


def silent_from_ms(mark: Watermark, context: Context) -> int:
    """Return when a tank counts as silent: as many empty steps as the stale rule needs."""
    empty = stale_steps(context.settings) + context.settings.grid.max_fill_steps + 2
    return step_floor(mark.last_reading_ms, context.settings.grid.step_s) + empty * context.step_ms


def reach_of(survey: Survey, plan: Plan, context: Context, *, now: datetime) -> Reach:
    """Return how far a site can be scored as of `now`.

    A step is final once a reading of a later step has come, and the allowed lateness has passed by
    the tank's own readings.  A tank that has fallen silent is advanced by the clock.  Neither it
    nor one that is far behind keeps the memories of its site from going on; what it sends of that
    time later is late.
    """
    final, waited_for = {}, []
    for mark in survey.marks:
        by_readings = mark.last_reading_ms - lateness_ms(mark.tank_id, plan, context)
        silent_ms = silent_from_ms(mark, context)
        is_silent = to_ms(now) >= silent_ms
        end_ms = silent_ms if is_silent else step_floor(by_readings, context.settings.grid.step_s)
        final[mark.tank_id] = max(end_ms, mark.scored_ms, first_step_ms(mark, context))
        if not is_silent:
            waited_for.append(mark.tank_id)
    end_ms = max(final.values())
    behind_ms = step_floor(
        end_ms - context.settings.late.wait_s * 1000, context.settings.grid.step_s
    )
    near = [final[tank] for tank in waited_for if final[tank] >= behind_ms]
    memory_ms = min([*near, end_ms])
    if survey.memory is not None:
        memory_ms = max(memory_ms, survey.memory.until_ms)
    return Reach(final, memory_ms, max(end_ms, memory_ms))


def next_round(survey: Survey, plan: Plan, context: Context, *, now: datetime) -> Round | None:
    """Return what is judged next of a site whose memories have begun, None if nothing is."""
    memory = survey.memory
    if memory is None or not survey.marks:
        return None
    behind = _catching_up(survey, memory, context)
    if behind is not None:
        return behind
    reach = reach_of(survey, plan, context, now=now)
    seen = {mark.tank_id: mark.scored_ms for mark in survey.marks}
    first = {mark.tank_id: first_step_ms(mark, context) for mark in survey.marks}
    begin_ms = memory.until_ms
    if begin_ms < reach.memory_ms:
        at_once = min(max(1, ROUND_STEPS // len(seen)), context.settings.detect.chunk_steps)
        end_ms = min(begin_ms + at_once * context.step_ms, reach.memory_ms)
        every_ms = checkpoint_ms(context)
        oldest_ms = oldest_kept_ms(reach, context)
        border_ms = (max(begin_ms, oldest_ms - 1) // every_ms + 1) * every_ms
        end_ms = min(end_ms, border_ms)
        return Round(
            survey.site,
            memory,
            first,
            seen,
            {tank: max(mark_ms, end_ms) for tank, mark_ms in seen.items()},
            begin_ms,
            end_ms,
            is_kept=end_ms == border_ms,
            is_last=end_ms == reach.end_ms,
        )
    until = {tank: max(mark_ms, reach.final_ms[tank]) for tank, mark_ms in seen.items()}
    if reach.end_ms > begin_ms and (until != seen or memory.is_due):
        return Round(
            survey.site,
            memory,
            first,
            seen,
            until,
            begin_ms,
            reach.end_ms,
            is_ahead=True,
            is_last=True,
        )
    return None


def checkpoint_ms(context: Context) -> int:
    """Return the time between checkpoints, whole steps of it."""
    return max(int(context.settings.late.checkpoint_h * 3_600_000) // context.step_ms, 1) * (
        context.step_ms
    )


def oldest_kept_ms(reach: Reach, context: Context) -> int:
    """Return from where on checkpoints are kept."""
    horizon_ms = int(context.settings.late.horizon_h * 3_600_000)
    return reach.end_ms - horizon_ms - checkpoint_ms(context)


def _catching_up(survey: Survey, memory: SiteMemory, context: Context) -> Round | None:
    """Return a round of tanks that are behind the memories of their site, without the others.

    These are new ones with an older history than scoring can go back to.
    """
    begins: dict[int, list[Watermark]] = {}
    for mark in survey.marks:
        is_new = mark.scored_ms == BEFORE_ALL_MS
        begin_ms = first_step_ms(mark, context) if is_new else mark.scored_ms
        if begin_ms < memory.until_ms:
            begins.setdefault(begin_ms, []).append(mark)
    if not begins:
        return None
    begin_ms = min(begins)
    mine = begins[begin_ms]
    at_once = min(max(1, ROUND_STEPS // len(mine)), context.settings.detect.chunk_steps)
    # No further than where the next of them begins, so that they go on side by side from there.
    borders = [*(other for other in begins if other > begin_ms), memory.until_ms]
    end_ms = min(begin_ms + at_once * context.step_ms, *borders)
    seen = {mark.tank_id: mark.scored_ms for mark in mine}
    first = {mark.tank_id: first_step_ms(mark, context) for mark in mine}
    return Round(survey.site, None, first, seen, dict.fromkeys(seen, end_ms), begin_ms, end_ms)
