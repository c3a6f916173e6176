"""A round: steps of the tanks of a site that are judged side by side, and stored together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tankwatch.core.block import Block, Grid
from tankwatch.detectors.view import Judgement
from tankwatch.jobs.context import Context
from tankwatch.jobs.judging import lookback_steps
from tankwatch.scoring.blocks import load_block
from tankwatch.scoring.plan import Plan
from tankwatch.store.checkpoints import SiteMemory
from tankwatch.store.scores import ScoreRows


class TakenError(Exception):
    """Another pass was quicker; what was begun is undone, and taken up from where that one is."""


@dataclass(frozen=True, slots=True)
class Round:
    """Steps that are judged together, times in epoch milliseconds.

    Attributes:
        site: its name.
        memory: how far the memories of the site reach; None for tanks that catch up by themselves.
        first_ms: first step of each tank id.
        seen_ms: watermark of each tank id.
        until_ms: where each tank's watermark will be.
        begin_ms: first step, where the memories end.
        end_ms: end of the last step.
        is_ahead: the steps are final for some tanks only: they are judged with what there is, the
            memories stay, and they are judged again with the next round.
        is_kept: whether the memories at the end are kept as a checkpoint.
        is_last: whether nothing is left to do for the site after this round.
    """

    site: str
    memory: SiteMemory | None
    first_ms: Mapping[int, int]
    seen_ms: Mapping[int, int]
    until_ms: Mapping[int, int]
    begin_ms: int
    end_ms: int
    is_ahead: bool = False
    is_kept: bool = False
    is_last: bool = False

    @property
    def tank_ids(self) -> list[int]:
        """Return the tanks along the first axis of the round's block."""
        return list(self.seen_ms)

    def stop_ms(self, tank: int) -> int:
        """Return where the judged steps of a tank end."""
        return min(self.end_ms, self.until_ms[tank]) if self.is_ahead else self.end_ms

    def is_again(self, tank: int) -> bool:
        """Return whether steps of a tank are judged that were judged before."""
        return self.seen_ms[tank] > self.begin_ms


def load_round(context: Context, plan: Plan, turn: Round, *, led_in: bool, least: int = 0) -> Block:
    """Return the block of a round, and before its steps what scoring looks back at.

    That is at least `least` steps; `led_in` is whether detectors with a memory have one of all.
    """
    before = max(lookback_steps(plan, context.settings, led_in=led_in), least)
    steps = (turn.end_ms - turn.begin_ms) // context.step_ms + before
    start_ms = turn.begin_ms - before * context.step_ms
    grid = Grid(start_ms, steps, context.settings.grid.step_s)
    tanks = [plan.tanks[tank] for tank in turn.tank_ids]
    return load_block(context.engine, context.settings, tanks, plan.channels, grid)


def steps_of(block: Block, turn: Round, tank: int | None = None) -> slice:
    """Return where the steps of a round, or those of one of its tanks, stand in its block."""
    stop_ms = turn.end_ms if tank is None else turn.stop_ms(tank)
    first = (turn.begin_ms - block.start_ms) // block.step_ms
    return slice(first, max((stop_ms - block.start_ms) // block.step_ms, first))


def score_rows(
    judgement: Judgement, block: Block, turn: Round, channel_ids: Sequence[int]
) -> ScoreRows:
    """Return the scores of a round; a step that was not judged has none."""
    ids = np.array(channel_ids, dtype=np.int64)
    parts = []
    for row, tank in enumerate(turn.tank_ids):
        new = steps_of(block, turn, tank)
        score = judgement.score[row, new].astype(np.float64)
        judged = np.isfinite(score)
        of_tank = np.full(int(judged.sum()), tank, dtype=np.int64)
        channel = ids[judgement.channel[row, new][judged]]
        parts.append((of_tank, block.times_ms[new][judged], score[judged], channel))
    return ScoreRows(*(np.concatenate(column) for column in zip(*parts, strict=True)))
