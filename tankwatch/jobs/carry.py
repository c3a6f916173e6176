"""Detectors with a memory, taken up where the last pass left each tank."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.detectors.streaming import StreamingDetector
from tankwatch.detectors.view import Judgement
from tankwatch.jobs.scorer import Scorer
from tankwatch.jobs.scoring import Plan, factors_of, raised
from tankwatch.store.engine import Connection
from tankwatch.store.scores import load_states

MEMORY = "memory:"

Carried = dict[int, "Memory"]


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


def load_memories(connection: Connection, plan: Plan) -> dict[int, Carried]:
    """Return the memories of each version that has any, by version and tank id."""
    return {
        scorer.model_version_id: {
            tank: Memory.from_json(stored)
            for tank, stored in load_states(
                connection, memory_kind(scorer.model_version_id)
            ).items()
        }
        for scorer in plan.scorers
        if isinstance(scorer.detector, StreamingDetector)
    }


def is_led_in(memories: Mapping[int, Carried], from_ms: Mapping[int, int]) -> bool:
    """Return whether every tank has a memory of every version that ends where its steps begin."""
    return all(
        tank in carried and carried[tank].until_ms == begin
        for carried in memories.values()
        for tank, begin in from_ms.items()
    )


def judge_new(
    plan: Plan,
    block: Block,
    tank_ids: Sequence[int],
    new: Sequence[slice],
    memories: Mapping[int, Carried],
) -> tuple[dict[int, Judgement], dict[int, Carried]]:
    """Return what each version says of the new steps, and the memories after them.

    Args:
        plan: what scores.
        block: the new steps and what comes before them.
        tank_ids: along the first axis of the block.
        new: the new steps of each tank; the judgement of other steps means nothing.
        memories: by version and tank id.
    """
    factors = factors_of(plan, tank_ids)
    judged, carried = {}, {}
    for scorer in plan.scorers:
        version = scorer.model_version_id
        if isinstance(scorer.detector, StreamingDetector):
            known = memories.get(version, {})
            one, carried[version] = _follow(scorer, scorer.detector, block, tank_ids, new, known)
        else:
            one = scorer.judge(block)
        judged[version] = raised(one, factors)
    return judged, carried


def _follow(
    scorer: Scorer,
    detector: StreamingDetector,
    block: Block,
    tank_ids: Sequence[int],
    new: Sequence[slice],
    known: Carried,
) -> tuple[Judgement, Carried]:
    """Judge tanks whose new steps begin and end together in one call, siblings side by side."""
    shape = block.values.shape[:2]
    found = Judgement(
        np.full(shape, np.nan, np.float32),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.int64),
    )
    together: dict[tuple[int, int], list[int]] = {}
    for row, tank in enumerate(tank_ids):
        begins_ms = block.start_ms + new[row].start * block.step_ms
        fits = tank in known and known[tank].until_ms == begins_ms
        begin = new[row].start if fits else 0
        together.setdefault((begin, new[row].stop), []).append(row)
    carried: Carried = {}
    for (begin, stop), rows in together.items():
        state = np.full((len(rows), detector.state_size), np.nan)
        for index, row in enumerate(rows):
            memory = known.get(tank_ids[row])
            if begin and memory is not None and memory.numbers.size == detector.state_size:
                state[index] = memory.numbers
        part = Block(
            tuple(block.tanks[row] for row in rows),
            block.channels,
            block.start_ms + begin * block.step_ms,
            block.step_s,
            block.values[rows, begin:stop],
            block.mask[rows, begin:stop],
        )
        judged, after = scorer.update(detector, part, state)
        for name in ("score", "channel", "share", "direction"):
            getattr(found, name)[rows, begin:stop] = getattr(judged, name)
        if found.sign is not None and judged.sign is not None:
            found.sign[rows, begin:stop] = judged.sign
        until_ms = block.start_ms + stop * block.step_ms
        for index, row in enumerate(rows):
            carried[tank_ids[row]] = Memory(until_ms, after[index])
    return found, carried
