"""Going back to a checkpoint, so that readings that came late are scored in their order.

Nothing is scored here.  The memories of a site are made those of the newest checkpoint before the
first late reading, and the pass goes on from there as if it had never been further: so the result
is that of the readings in order.  What is older than every checkpoint is stored and not scored
again; that is recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tankwatch.core.times import from_ms, iso
from tankwatch.jobs.context import LOG, Context
from tankwatch.jobs.incidents import ACTOR
from tankwatch.jobs.memory import KIND, TankMemory
from tankwatch.jobs.progress import Survey, first_step_ms, oldest_kept_ms, reach_of
from tankwatch.jobs.rounds import TakenError
from tankwatch.scoring.plan import Plan
from tankwatch.shaping.grid import step_floor
from tankwatch.store.checkpoints import (
    begin_site_memory,
    keep_checkpoint,
    load_checkpoints,
    load_site_memory,
    move_site_memory,
    restore_checkpoint,
)
from tankwatch.store.engine import Connection, reading, writing
from tankwatch.store.runs import write_audit
from tankwatch.store.scores import store_states
from tankwatch.store.watermarks import (
    BEFORE_ALL_MS,
    DirtyWindow,
    clear_dirty_windows,
    load_dirty_windows,
    load_watermarks,
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to go back to, and which stretches lie before everything that is kept.

    Attributes:
        back_ms: end of the memories to go on from, epoch milliseconds.
        is_before_origin: whether that is before the first step of the site so far.
        too_old: stretches that begin before everything that is kept.
        is_needed: whether any step is to be scored again.
    """

    back_ms: int
    is_before_origin: bool = False
    too_old: tuple[DirtyWindow, ...] = ()
    is_needed: bool = True


def survey_site(context: Context, plan: Plan, site: str) -> Survey:
    """Return where a site stands."""
    ids = [tank.tank_id for tank in plan.tanks.values() if tank.site == site]
    with reading(context.engine) as connection:
        marks = load_watermarks(connection, ids)
        dirty = load_dirty_windows(connection, ids) if marks else []
        return Survey(site, load_site_memory(connection, site), tuple(marks), tuple(dirty))


def begin(context: Context, plan: Plan, survey: Survey) -> None:
    """Let the memories of a site begin: with its first reading, or where it was scored up to."""
    scored = [m.scored_ms for m in survey.marks if m.scored_ms != BEFORE_ALL_MS]
    first_ms = min(first_step_ms(mark, context) for mark in survey.marks)
    with writing(context.engine) as connection:
        if scored:
            begin_site_memory(connection, survey.site, until_ms=max(scored), origin_ms=None)
        elif begin_site_memory(connection, survey.site, until_ms=first_ms, origin_ms=first_ms):
            _store_nothing(connection, plan, [mark.tank_id for mark in survey.marks], first_ms)


def take_back(context: Context, plan: Plan, survey: Survey, *, now: datetime) -> bool:
    """Go back for what late readings touched, if anything; return whether memories were moved.

    The stretches are forgotten in the transaction that moves the memories.  A pass of another
    daemon that read before it cannot store what it found after it, so nothing is overwritten, and
    a reading that comes after it leaves a stretch of its own.
    """
    memory = survey.memory
    wanted = [*survey.dirty, *_new_tanks(survey, context)]
    if memory is None or not wanted:
        return False
    ids = [mark.tank_id for mark in survey.marks]
    with reading(context.engine) as connection:
        target = _target(connection, context, plan, survey, wanted, now=now)
    if target is None:
        return False
    try:
        with writing(context.engine) as connection:
            _go_back(connection, plan, survey, target, now=now)
    except TakenError:
        LOG.debug("another pass went back", site=survey.site, tanks=len(ids))
    return True


def _new_tanks(survey: Survey, context: Context) -> list[DirtyWindow]:
    """Return the steps of tanks that were never scored and that siblings were scored without."""
    until_ms = survey.memory.until_ms if survey.memory else BEFORE_ALL_MS
    return [
        DirtyWindow(0, mark.tank_id, first_step_ms(mark, context), mark.last_reading_ms)
        for mark in survey.marks
        if mark.scored_ms == BEFORE_ALL_MS and first_step_ms(mark, context) < until_ms
    ]


def _target(
    connection: Connection,
    context: Context,
    plan: Plan,
    survey: Survey,
    wanted: Sequence[DirtyWindow],
    *,
    now: datetime,
) -> Target | None:
    """Return where to go back to; None if all that is wanted is behind and no stretch is noted."""
    memory = survey.memory
    assert memory is not None  # noqa: S101 - callers have looked
    step_s = context.settings.grid.step_s
    ids = [mark.tank_id for mark in survey.marks]
    version = plan.primary.model_version_id if plan.primary else None
    kept = load_checkpoints(connection, ids, KIND)
    # A model that was promoted since begins anew: it has no memory of the time before.
    usable = [at for at, state in kept.items() if TankMemory.from_json(state).version == version]
    oldest_ms = min(usable, default=memory.until_ms)
    reach = reach_of(survey, plan, context, now=now)
    is_young = memory.origin_ms == oldest_ms and bool(usable)
    first_ms = min(step_floor(window.from_ms, step_s) for window in wanted)
    if is_young and first_ms < oldest_ms and first_ms >= oldest_kept_ms(reach, context):
        return Target(first_ms, is_before_origin=True)
    too_old = [window for window in wanted if step_floor(window.from_ms, step_s) < oldest_ms]
    begins = [
        max(step_floor(window.from_ms, step_s), oldest_ms)
        for window in wanted
        if window.dirty_window_id and step_floor(window.until_ms, step_s) >= oldest_ms
    ]
    begins += [
        step_floor(window.from_ms, step_s)
        for window in wanted
        if not window.dirty_window_id and window not in too_old
    ]
    noted = tuple(window for window in too_old if window.dirty_window_id)
    if not begins and not survey.dirty:
        return None
    first_ms = min([*begins, memory.until_ms])
    back_ms = memory.until_ms
    if first_ms < memory.until_ms:
        back_ms = max(at for at in usable if at <= first_ms)
    return Target(back_ms, too_old=noted, is_needed=bool(begins))


def _go_back(
    connection: Connection, plan: Plan, survey: Survey, target: Target, *, now: datetime
) -> None:
    memory = survey.memory
    assert memory is not None  # noqa: S101 - callers have looked
    ids = [mark.tank_id for mark in survey.marks]
    why = memory.why
    if target.is_needed:
        why = "; before that, ".join(filter(None, [_why(plan, survey, now), why]))[:_LONGEST_WHY]
    origin = target.back_ms if target.is_before_origin else None
    is_mine = move_site_memory(
        connection,
        memory,
        until_ms=target.back_ms,
        why=why,
        is_due=target.is_needed or memory.is_due,
        origin_ms=origin,
    )
    noted = [window.dirty_window_id for window in survey.dirty]
    if not is_mine or clear_dirty_windows(connection, noted) != len(noted):
        raise TakenError
    if target.is_before_origin:
        restore_checkpoint(connection, ids, target.back_ms)
        _store_nothing(connection, plan, ids, target.back_ms)
    elif target.back_ms < memory.until_ms:
        restore_checkpoint(connection, ids, target.back_ms)
    for window in target.too_old:
        write_audit(
            connection,
            at=now,
            actor=ACTOR,
            action="late-beyond-horizon",
            subject=plan.tanks[window.tank_id].name,
            detail=f"readings of {_span(window)} came too late to be scored again: no memory of "
            "that time is kept for the model in use; see late.horizon_h",
        )
    if target.back_ms < memory.until_ms:
        detail = f"went back to {iso(from_ms(target.back_ms))} for {why}"
        write_audit(
            connection,
            at=now,
            actor=ACTOR,
            action="score-again",
            subject=survey.site,
            detail=detail,
        )


def _store_nothing(connection: Connection, plan: Plan, tank_ids: Sequence[int], at_ms: int) -> None:
    """Store the memories of tanks that were never seen, and keep them."""
    version = plan.primary.model_version_id if plan.primary else None
    empty = TankMemory(from_ms=at_ms, version=version).to_json()
    store_states(connection, KIND, dict.fromkeys(tank_ids, empty))
    keep_checkpoint(connection, tank_ids, at_ms)


def _why(plan: Plan, survey: Survey, now: datetime) -> str:
    """Return what scoring goes back for, in words that are stored with what comes of it."""
    spans: dict[str, list[DirtyWindow]] = {}
    for window in survey.dirty:
        spans.setdefault(plan.tanks[window.tank_id].name, []).append(window)
    told = [
        f"{name} {_span(min(own, key=_start), max(own, key=_end))}"
        for name, own in list(spans.items())[:_MOST_TOLD]
    ]
    if len(spans) > _MOST_TOLD:
        told.append(f"{len(spans) - _MOST_TOLD} more tanks")
    if not told:
        return f"the readings of new tanks, seen {iso(now)}"
    return f"readings that came late or were corrected: {'; '.join(told)}, seen {iso(now)}"


def _start(window: DirtyWindow) -> int:
    return window.from_ms


def _end(window: DirtyWindow) -> int:
    return window.until_ms


def _span(first: DirtyWindow, last: DirtyWindow | None = None) -> str:
    return f"{iso(from_ms(first.from_ms))} to {iso(from_ms((last or first).until_ms))}"


_MOST_TOLD = 5
_LONGEST_WHY = 1000
