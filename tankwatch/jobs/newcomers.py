"""Tanks that the model does not know yet, judged by their own first hours beside the fleet's."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from tankwatch.core.block import Block
from tankwatch.core.episodes import EpisodeRule, SourceScores
from tankwatch.detectors.newcomer import (
    LOOK_BACK,
    MEMORY,
    NEWCOMER,
    POOL,
    NewcomerMemory,
    watch_new,
)
from tankwatch.detectors.view import Judgement
from tankwatch.jobs.rounds import Round, score_rows
from tankwatch.scoring.plan import Plan
from tankwatch.scoring.scorer import Scorer
from tankwatch.settings import Settings
from tankwatch.store.champions import find_champion, promote
from tankwatch.store.engine import Connection
from tankwatch.store.registry import (
    Artefact,
    TrainingFacts,
    load_artefact,
    store_model,
)
from tankwatch.store.scores import (
    delete_scores_between,
    load_states,
    store_scores,
    store_states,
)

_WHOLE = ("seen", "flagged", "left_out")


@dataclass(frozen=True, slots=True)
class Newcomers:
    """What is said of the new tanks of a block: where they stand in it, and what they remember."""

    settings: Settings
    judgement: Judgement | None = None
    rows: frozenset[int] = frozenset()
    states: dict[int, dict[str, Any]] = field(default_factory=dict)

    def sources(self, row: int, new: slice) -> list[SourceScores]:
        """Return the source of one tank's new steps, none for a tank that the model knows."""
        if self.judgement is None or row not in self.rows:
            return []
        detect = self.settings.detect
        return [
            SourceScores(
                NEWCOMER,
                EpisodeRule(detect.on_delay_steps, detect.off_delay_steps, detect.deadband),
                self.judgement.score[row, new],
                self.judgement.channel[row, new],
                self.judgement.share[row, new],
                self.judgement.direction[row, new],
            )
        ]


def least_steps(plan: Plan) -> int:
    """Return how many steps before the first new one are needed to judge new tanks."""
    return LOOK_BACK if plan.primary is not None and plan.primary.newcomer is not None else 0


def judge_newcomers(
    plan: Plan,
    settings: Settings,
    block: Block,
    tank_ids: Sequence[int],
    new: Sequence[slice],
    stored: Mapping[int, Mapping[str, Any]],
) -> Newcomers:
    """Return what is said of the new steps of tanks that the model in use does not know.

    Args:
        plan: what scores.
        settings: delays of episodes.
        block: the new steps and what comes before them, without what a sensor makes up.
        tank_ids: along the first axis of the block.
        new: the new steps of each tank.
        stored: what each new tank remembers, by tank id, as `Newcomers.states` gave it.
    """
    scorer = plan.primary
    if scorer is None or scorer.newcomer is None:
        return Newcomers(settings)
    rows = {
        tank: row
        for row, (tank, name) in enumerate(zip(tank_ids, block.tanks, strict=True))
        if name not in scorer.tanks
    }
    if not rows:
        return Newcomers(settings)
    shape = block.values.shape[:2]
    found = Judgement(
        np.full(shape, np.nan, np.float32),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.int64),
    )
    states = {}
    for tank, row in rows.items():
        begins_ms = block.start_ms + new[row].start * block.step_ms
        memory = _memory(stored.get(tank), scorer, begins_ms)
        _follow(scorer, block, row, new[row], memory, found)
        until_ms = block.start_ms + new[row].stop * block.step_ms
        states[tank] = _to_json(memory, scorer, until_ms)
    return Newcomers(settings, found, frozenset(rows.values()), states)


def load_newcomers(
    connection: Connection, plan: Plan, tank_ids: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Return what each new tank remembers, by tank id."""
    return load_states(connection, NEWCOMER, tank_ids) if least_steps(plan) else {}


def store_newcomers(
    connection: Connection,
    plan: Plan,
    found: Newcomers,
    block: Block,
    turn: Round,
    *,
    now: datetime,
) -> None:
    """Store the scores of the new tanks of a round, and what they remember at its end."""
    if found.judgement is None or plan.primary is None:
        return
    channel_ids = [channel.channel_id for channel in plan.channels]
    scores = score_rows(found.judgement, block, turn, channel_ids)
    if scores.tank_id.size:
        version = _version(connection, plan.primary, now=now)
        again = [tank for tank in found.states if turn.is_again(tank)]
        if again:
            span = {"from_ms": turn.begin_ms, "until_ms": turn.end_ms}
            delete_scores_between(connection, [version], again, **span)
        store_scores(connection, version, scores)
    if not turn.is_ahead:
        store_states(connection, NEWCOMER, found.states)


def _follow(
    scorer: Scorer, block: Block, row: int, new: slice, memory: NewcomerMemory, found: Judgement
) -> None:
    """Judge one tank's new steps, and bring its memory to their end."""
    if scorer.newcomer is None:
        return
    columns = [block.channels.index(name) for name in scorer.channels]
    begin = max(new.start - LOOK_BACK, 0)
    judged, _ = watch_new(
        scorer.newcomer,
        block.values[row : row + 1, begin : new.stop, columns],
        block.mask[row : row + 1, begin : new.stop, columns],
        memory,
        first=new.start - begin,
        phase=(block.start_ms // block.step_ms + begin) % POOL,
    )
    judged = replace(judged, channel=np.array(columns, dtype=np.int64)[judged.channel])
    for part in ("score", "channel", "share", "direction"):
        getattr(found, part)[row, begin : new.stop] = getattr(judged, part)[0]


def _version(connection: Connection, primary: Scorer, *, now: datetime) -> int:
    """Return the version that new tanks are scored by, made when the first one needs it."""
    if primary.newcomer is None:
        raise ValueError(primary.model_version_id)
    manifest = {
        "beside": primary.model_version_id,
        "channel_names": list(primary.channels),
        "norms": primary.newcomer.to_json(),
    }
    champion = find_champion(connection, NEWCOMER)
    if champion is not None:
        stored = load_artefact(connection, champion.model_version_id).manifest
        if stored["beside"] == primary.model_version_id:
            return champion.model_version_id
    reason = f"for tanks that version {primary.model_version_id} does not know yet"
    facts = TrainingFacts(now, 0, 0, 0, None, None)
    key = store_model(connection, Artefact(NEWCOMER, manifest), facts, reason=reason)
    promote(connection, key, at=now, reason=reason)
    return key


def _memory(stored: Mapping[str, Any] | None, scorer: Scorer, begins_ms: int) -> NewcomerMemory:
    """Return what a tank remembers; nothing if that does not end where its steps begin."""
    channels = len(scorer.channels)
    memory = NewcomerMemory.fresh(1, channels)
    if stored is None or stored["until_ms"] != begins_ms:
        return memory
    if stored["channels"] != list(scorer.channels):
        return memory
    raw = np.frombuffer(base64.b64decode(stored["pools"]), dtype="<f4").astype(np.float64)
    level, noise = raw.reshape(2, 1, channels, MEMORY)
    whole = (np.array([stored[name]], dtype=np.int64) for name in _WHOLE)
    return NewcomerMemory(level.copy(), noise.copy(), *whole)


def _to_json(memory: NewcomerMemory, scorer: Scorer, until_ms: int) -> dict[str, Any]:
    pools = np.stack([memory.level, memory.noise]).astype("<f4").tobytes()
    return {
        "until_ms": until_ms,
        "channels": list(scorer.channels),
        "pools": base64.b64encode(pools).decode("ascii"),
        **{name: int(getattr(memory, name)[0]) for name in _WHOLE},
    }
