"""Detectors with a memory, taken up where the last pass left each tank."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.detectors.streaming import StreamingDetector
from tankwatch.detectors.view import Judgement
from tankwatch.jobs.judging import factors_of, raised
from tankwatch.scoring.plan import Plan
from tankwatch.scoring.scorer import Scorer
from tankwatch.store.engine import Connection
from tankwatch.store.scores import load_states

MEMORY = "memory:"

Carried = dict[int, "Memory"]


@dataclass(frozen=True, slots=True)
class Followed:
    """What each version says of new steps, and the memories before and after them.

    Each by version; the memories by tank id.
    """

    judgements: dict[int, Judgement]
    before: dict[int, Carried]
    after: dict[int, Carried]


@dataclass(frozen=True, slots=True)
class Memory:
    """What a detector version remembers of a tank, and up to where (epoch milliseconds)."""

    until_ms: int
    numbers: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Return the memory as plain values."""
        raw = self.numbers.astype("<f8").tobytes()
        return {"until_ms": self.until_ms, "numbers": base64.b64encode(raw).decode("ascii")}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Memory":
        """Return the memory that `to_json` gave."""
        raw = base64.b64decode(stored["numbers"])
        return cls(int(stored["until_ms"]), np.frombuffer(raw, dtype="<f8").copy())


def memory_kind(version: int) -> str:
    """Return the kind under which the memories of a version are stored."""
    return f"{MEMORY}{version}"


def load_memories(
    connection: Connection, plan: Plan, tank_ids: Sequence[int]
) -> dict[int, Carried]:
    """Return the memories that each version with any has of tanks, by version and tank id."""
    return {
        scorer.model_version_id: {
            tank: Memory.from_json(stored)
            for tank, stored in load_states(
                connection, memory_kind(scorer.model_version_id), tank_ids
            ).items()
        }
        for scorer in plan.scorers
        if isinstance(scorer.detector, StreamingDetector)
    }


def is_led_in(memories: Mapping[int, Carried], tank_ids: Sequence[int], begin_ms: int) -> bool:
    """Return whether every version has a memory of each tank that ends where the steps begin."""
    return all(
        tank in carried and carried[tank].until_ms == begin_ms
        for carried in memories.values()
        for tank in tank_ids
    )


def judge_new(
    plan: Plan,
    block: Block,
    tank_ids: Sequence[int],
    new: slice,
    memories: Mapping[int, Carried],
) -> Followed:
    """Return what each version says of the new steps, and the memories before and after them.

    Args:
        plan: what scores.
        block: the new steps and what comes before them.
        tank_ids: along the first axis of the block.
        new: the new steps; the judgement of other steps means nothing.
        memories: by version and tank id.
    """
    factors = factors_of(plan, tank_ids)
    followed = Followed({}, {}, {})
    for scorer in plan.scorers:
        version = scorer.model_version_id
        if isinstance(scorer.detector, StreamingDetector):
            known = memories.get(version, {})
            one, before, after = _follow(scorer, scorer.detector, block, tank_ids, new, known)
            followed.before[version], followed.after[version] = before, after
        else:
            one = scorer.judge(block)
        followed.judgements[version] = raised(one, factors)
    return followed


def _follow(
    scorer: Scorer,
    detector: StreamingDetector,
    block: Block,
    tank_ids: Sequence[int],
    new: slice,
    known: Carried,
) -> tuple[Judgement, Carried, Carried]:
    """Judge tanks side by side, each from where its memory ends or, without one, it begins.

    A tank without a memory begins with its first reading in the block, wherever the block itself
    begins: so scoring in other parts, or once more, begins it at the same step.
    """
    begin_ms = block.start_ms + new.start * block.step_ms
    shape = block.values.shape
    found = _nothing_judged(shape)
    state = np.full((shape[0], detector.state_size), np.nan)
    has_reading: NDArray[np.bool_] = np.any(block.mask[:, : new.stop], axis=2)
    first = np.where(has_reading.any(axis=1), has_reading.argmax(axis=1), new.stop)
    for row, tank in enumerate(tank_ids):
        memory = known.get(tank)
        if memory and memory.until_ms == begin_ms and memory.numbers.size == detector.state_size:
            state[row], first[row] = memory.numbers, new.start
    before = _memories(tank_ids, state, begin_ms)
    for begin, stop in pairwise(sorted({*first.tolist(), new.start, new.stop})):
        rows = np.flatnonzero(first <= begin)
        if rows.size:
            part = _part(block, rows, begin, stop)
            judged, state[rows] = scorer.update(detector, part, state[rows])
            _put(judged, found, rows, slice(begin, stop))
        if stop == new.start:
            before = _memories(tank_ids, state, begin_ms)
    return found, before, _memories(tank_ids, state, block.start_ms + new.stop * block.step_ms)


def _nothing_judged(shape: tuple[int, int, int]) -> Judgement:
    steps = shape[:2]
    return Judgement(
        np.full(steps, np.nan, np.float32),
        np.zeros(steps, np.int64),
        np.zeros(steps, np.float32),
        np.zeros(steps, np.int64),
        np.zeros(steps, np.int64),
        np.full(shape, np.nan, np.float32),
    )


def _part(block: Block, rows: NDArray[np.intp], begin: int, stop: int) -> Block:
    return Block(
        tuple(block.tanks[row] for row in rows),
        block.channels,
        block.start_ms + begin * block.step_ms,
        block.step_s,
        block.values[rows, begin:stop],
        block.mask[rows, begin:stop],
    )


def _put(judged: Judgement, found: Judgement, rows: NDArray[np.intp], steps: slice) -> None:
    for name in ("score", "channel", "share", "direction"):
        getattr(found, name)[rows, steps] = getattr(judged, name)
    for name in ("sign", "expected"):
        if getattr(judged, name) is not None:
            getattr(found, name)[rows, steps] = getattr(judged, name)


def _memories(tank_ids: Sequence[int], state: NDArray[np.float64], until_ms: int) -> Carried:
    """Return the memories of the tanks that have begun."""
    return {
        tank: Memory(until_ms, state[row].copy())
        for row, tank in enumerate(tank_ids)
        if not np.isnan(state[row, 0])
    }
