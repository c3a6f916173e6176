"""Storing a round, all of it or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tankwatch.core.block import Block
from tankwatch.core.episodes import TankEvent
from tankwatch.core.outlook import Outlook
from tankwatch.core.times import from_ms, to_ms
from tankwatch.jobs.bands import keep_bands
from tankwatch.jobs.carry import Carried, Followed, memory_kind
from tankwatch.jobs.context import Context
from tankwatch.jobs.desk import Desk, Settled, Window
from tankwatch.jobs.incidents import mail_domain
from tankwatch.jobs.memory import KIND, TankMemory
from tankwatch.jobs.newcomers import Newcomers, store_newcomers
from tankwatch.jobs.progress import checkpoint_ms
from tankwatch.jobs.rounds import Round, TakenError, score_rows
from tankwatch.jobs.settle import settle
from tankwatch.jobs.siblings import settle_siblings
from tankwatch.scoring.plan import Plan
from tankwatch.store.checkpoints import (
    delete_checkpoints_before,
    keep_checkpoint,
    move_site_memory,
)
from tankwatch.store.corrections import load_unsettled
from tankwatch.store.engine import Connection
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.scores import delete_scores_between, store_scores, store_states
from tankwatch.store.watermarks import mark_scored


@dataclass(slots=True)
class PassResult:
    """What a pass did: steps that were scored for the first time, those scored again, incidents."""

    steps: int = 0
    rescored: int = 0
    settled: Settled = field(default_factory=Settled)
    site_incident_ids: list[int] = field(default_factory=list)

    @property
    def raised(self) -> int:
        """Return how many incidents were opened that are no history."""
        return len(self.settled.raised) - self.settled.historical

    @property
    def returned(self) -> int:
        """Return how many incidents came to their end."""
        return self.settled.returned

    def told(self) -> dict[str, Any]:
        """Return the result as plain values."""
        counts = ("historical", "corrected", "withdrawn")
        return {
            "steps": self.steps,
            "raised": self.raised,
            "returned": self.returned,
            "rescored": self.rescored,
            **{name: getattr(self.settled, name) for name in counts},
            "incident_ids": self.incident_ids,
            "site_incident_ids": self.site_incident_ids,
        }

    @property
    def incident_ids(self) -> list[int]:
        """Return the incidents that were opened."""
        return self.settled.raised


@dataclass(frozen=True, slots=True)
class TankOutcome:
    """What a round made of a tank.

    Attributes:
        before: its memory before the round.
        after: its memory after it.
        events: what happened between.
        ahead: the limit ahead that an event warns of.
        outlook: the limit ahead at its end, None if none is.
    """

    before: TankMemory
    after: TankMemory
    events: Sequence[TankEvent]
    ahead: Mapping[TankEvent, Outlook]
    outlook: Outlook | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What a round found out, before it is stored."""

    turn: Round
    block: Block
    followed: Followed
    outcomes: Mapping[int, TankOutcome]
    newcomers: Newcomers


def commit(
    connection: Connection,
    context: Context,
    plan: Plan,
    judged: Judged,
    *,
    now: datetime,
    result: PassResult,
) -> None:
    """Store a round.

    Raises:
        TakenError: another pass moved the memories of the site, or one of the tanks, meanwhile.
    """
    turn = judged.turn
    _move(connection, turn)
    _store_scores(connection, plan, judged)
    _keep_bands(connection, context, plan, judged, now=now)
    store_newcomers(connection, plan, judged.newcomers, judged.block, turn, now=now)
    if turn.memory is not None and not turn.is_ahead:
        _keep_first_memories(connection, plan, judged)
    raised = len(result.settled.raised)
    kept = _settle_all(Desk(connection, context, plan, now, result.settled), judged)
    result.site_incident_ids += settle_siblings(
        connection,
        context,
        result.settled.raised[raised:],
        domain=mail_domain(context.settings),
        now=now,
    )
    store_states(connection, KIND, {tank: memory.to_json() for tank, memory in kept.items()})
    if not turn.is_ahead:
        _store_memories(connection, judged.followed.after)
    if turn.is_kept:
        keep_checkpoint(connection, turn.tank_ids, turn.end_ms)
        horizon_ms = int(context.settings.late.horizon_h * 3_600_000) + checkpoint_ms(context)
        delete_checkpoints_before(connection, turn.tank_ids, from_ms(turn.end_ms - horizon_ms))
    for tank in turn.tank_ids:
        begin_ms = max(turn.begin_ms, turn.first_ms[tank])
        stop_ms, scored_ms = turn.stop_ms(tank), max(turn.seen_ms[tank], begin_ms)
        result.steps += max(stop_ms - scored_ms, 0) // context.step_ms
        result.rescored += max(min(stop_ms, scored_ms) - begin_ms, 0) // context.step_ms


def _move(connection: Connection, turn: Round) -> None:
    """Move memories and watermarks from where the round began."""
    if turn.memory is not None:
        is_mine = move_site_memory(
            connection,
            turn.memory,
            until_ms=turn.begin_ms if turn.is_ahead else turn.end_ms,
            why="" if turn.is_last else turn.memory.why,
            is_due=not turn.is_last,
        )
        if not is_mine:
            raise TakenError
    if not mark_scored(connection, turn.seen_ms, until_ms=turn.until_ms):
        raise TakenError


def _store_scores(connection: Connection, plan: Plan, judged: Judged) -> None:
    turn = judged.turn
    again = [tank for tank in turn.tank_ids if turn.is_again(tank)]
    if again:
        # A step that can not be judged any more must not keep its score.
        versions = list(judged.followed.judgements)
        span = {"from_ms": turn.begin_ms, "until_ms": turn.end_ms}
        delete_scores_between(connection, versions, again, **span)
    channel_ids = [channel.channel_id for channel in plan.channels]
    for version, judgement in judged.followed.judgements.items():
        store_scores(connection, version, score_rows(judgement, judged.block, turn, channel_ids))


def _keep_bands(
    connection: Connection, context: Context, plan: Plan, judged: Judged, *, now: datetime
) -> None:
    if plan.primary is not None:
        judgement = judged.followed.judgements[plan.primary.model_version_id]
        days = context.settings.keep.band_days
        keep_bands(
            connection, plan.primary, judgement, judged.block, judged.turn, days=days, now=now
        )


def _store_memories(connection: Connection, memories: Mapping[int, Carried]) -> None:
    for version, carried in memories.items():
        states = {tank: memory.to_json() for tank, memory in carried.items()}
        store_states(connection, memory_kind(version), states)


def _keep_first_memories(connection: Connection, plan: Plan, judged: Judged) -> None:
    """Keep the memories at the beginning of the round, if a newly promoted version begins there."""
    version = _version(plan)
    before = {tank: outcome.before for tank, outcome in judged.outcomes.items()}
    if all(memory.version == version for memory in before.values() if memory.from_ms):
        return
    first = {tank: replace(memory, version=version) for tank, memory in before.items()}
    store_states(connection, KIND, {tank: memory.to_json() for tank, memory in first.items()})
    _store_memories(connection, judged.followed.before)
    keep_checkpoint(connection, judged.turn.tank_ids, judged.turn.begin_ms)


def _settle_all(desk: Desk, judged: Judged) -> dict[int, TankMemory]:
    """Store what happened to each tank, and return its memory as it is carried on.

    Where steps are gone through once more, nothing is settled before they have been caught up with:
    an incident that has begun may be the one that is stored with its end.
    """
    turn, kept = judged.turn, {}
    windows = _windows(desk, judged)
    at_ms = turn.begin_ms if turn.is_ahead else turn.end_ms
    for tank, outcome in judged.outcomes.items():
        memory = outcome.before if turn.is_ahead else outcome.after
        if not turn.is_ahead:
            memory.version = _version(desk.plan)
        memory.events = [*outcome.before.events, *outcome.events]
        memory.from_ms = _from_ms(turn, outcome)
        if tank in windows:
            memory.incident_id = settle(desk, windows[tank], under_way_ms=at_ms)
        if turn.is_ahead or turn.end_ms >= turn.seen_ms[tank]:
            memory.events, memory.from_ms = [], at_ms
        kept[tank] = memory
    return kept


def _windows(desk: Desk, judged: Judged) -> dict[int, Window]:
    """Return the stretch of each tank that is to be settled and in which there is something."""
    turn = judged.turn
    due = {
        tank: outcome
        for tank, outcome in judged.outcomes.items()
        if turn.is_ahead or turn.end_ms >= turn.seen_ms[tank]
    }
    begins = {tank: _from_ms(turn, outcome) for tank, outcome in due.items()}
    again = [tank for tank, begin_ms in begins.items() if turn.seen_ms[tank] > begin_ms]
    carried = [o.before.incident_id for o in due.values() if o.before.incident_id is not None]
    stored: dict[int, dict[int, StoredIncident]] = {}
    if again or carried:
        after = from_ms(min(begins.values()))
        for one in load_unsettled(desk.connection, again, after=after, ids=carried):
            own = due.get(one.tank_id)
            if own is not None and _is_of(one, own, begins[one.tank_id]):
                stored.setdefault(one.tank_id, {})[one.incident_id] = one
    why = turn.memory.why if turn.memory else ""
    found = {}
    for tank, outcome in due.items():
        events = [*outcome.before.events, *outcome.events]
        if events or tank in stored:
            found[tank] = Window(
                desk.plan.tanks[tank],
                events,
                outcome.before.incident_id,
                outcome.after.state.peak,
                turn.seen_ms[tank],
                stored.get(tank, {}),
                why,
                outcome.ahead,
                outcome.outlook,
            )
    return found


def _is_of(stored: StoredIncident, outcome: TankOutcome, begin_ms: int) -> bool:
    """Return whether an incident belongs to a stretch that begins at `begin_ms`."""
    if stored.incident_id == outcome.before.incident_id:
        return True
    # An incident that no source of the fold raised is nothing that a fold could take away.
    is_ours = stored.incident.detector in outcome.after.state.sources
    return is_ours and to_ms(stored.incident.raised_at) > begin_ms


def _from_ms(turn: Round, outcome: TankOutcome) -> int:
    return turn.begin_ms if outcome.before.from_ms is None else outcome.before.from_ms


def _version(plan: Plan) -> int | None:
    return plan.primary.model_version_id if plan.primary else None
