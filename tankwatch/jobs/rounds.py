"""Stretches of steps that are judged together: loaded as a block, stored as rows of scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tankwatch.core.block import Block, Grid
from tankwatch.detectors.view import Judgement
from tankwatch.jobs.context import Context, load_block
from tankwatch.jobs.scoring import Plan, lookback_steps
from tankwatch.store.scores import ScoreRows


@dataclass(frozen=True, slots=True)
class Stretch:
    """The new steps of one tank, in epoch milliseconds: from its watermark up to what is final."""

    tank_id: int
    seen_ms: int
    from_ms: int
    until_ms: int


def load_stretches(
    context: Context,
    plan: Plan,
    stretches: Sequence[Stretch],
    *,
    led_in: bool = False,
    least: int = 0,
) -> Block:
    """Return one block that holds every stretch, and before it what scoring looks back at.

    That is at least `least` steps; `led_in` is whether detectors with a memory have one of all.
    """
    start_ms = min(stretch.from_ms for stretch in stretches)
    end_ms = max(stretch.until_ms for stretch in stretches)
    before = max(lookback_steps(plan, context.settings, led_in=led_in), least)
    steps = (end_ms - start_ms) // context.step_ms + before
    grid = Grid(start_ms - before * context.step_ms, steps, context.settings.grid.step_s)
    tanks = [plan.tanks[stretch.tank_id] for stretch in stretches]
    return load_block(context, tanks, plan.channels, grid)


def new_steps(block: Block, stretch: Stretch) -> slice:
    """Return where a stretch stands in a block."""
    first = (stretch.from_ms - block.start_ms) // block.step_ms
    return slice(first, (stretch.until_ms - block.start_ms) // block.step_ms)


def score_rows(
    judgement: Judgement, block: Block, stretches: Sequence[Stretch], channel_ids: Sequence[int]
) -> ScoreRows:
    """Return the scores of the new steps of each stretch; a step that was not judged has none."""
    ids = np.array(channel_ids, dtype=np.int64)
    parts = []
    for row, stretch in enumerate(stretches):
        new = new_steps(block, stretch)
        score = judgement.score[row, new].astype(np.float64)
        judged = np.isfinite(score)
        tank = np.full(int(judged.sum()), stretch.tank_id, dtype=np.int64)
        channel = ids[judgement.channel[row, new][judged]]
        parts.append((tank, block.times_ms[new][judged], score[judged], channel))
    return ScoreRows(*(np.concatenate(column) for column in zip(*parts, strict=True)))
