"""Which stretches of a long history are learned from, so that every month is there and it fits."""

from dataclasses import dataclass

import numpy as np

from tankwatch.core.block import Grid
from tankwatch.core.timeline import Timeline, days_of
from tankwatch.jobs.context import LOG

_DAY_S = 86_400
# Whole days where there is room for enough of them, else parts of a day, at any time of it.
_LENGTHS_S = (_DAY_S, _DAY_S // 2, _DAY_S // 4)
# A stretch in each fortnight is at least one in each month.
_APART_S = 14 * _DAY_S
_LEAST_NEWEST = 0.5
# A stretch is at least this much longer than the hole that it costs.
_HOLES_IN_STRETCH = 3


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a history that is too long is sampled.

    Attributes:
        most_steps: that the block may have.
        late_share: last share of the block that must be one stretch, the newest.
        hole: steps between two stretches; a memory begins anew in it, and no window spans it.
        seed: equal seeds draw equal stretches.
    """

    most_steps: int
    late_share: float
    hole: int
    seed: int


def sample(grid: Grid, how: Sampling) -> Timeline:
    """Return the stretches of `grid` that are learned from; all of it if it fits.

    Half of the block, or the late share if that is more, is the newest time in one piece.  The time
    before it is cut into equal spans, and from each a stretch is drawn.  Every other of them stands
    first in the block, so that each fold of it has seen the whole of the year.  Where not even one
    stretch fits, the newest time is all.
    """
    if grid.steps <= how.most_steps:
        return Timeline((grid,))
    length, count = _stretches(grid, how)
    newest = _part(grid, grid.steps - how.most_steps + count * (length + how.hole), None)
    older = grid.steps - newest.steps
    rng = np.random.default_rng(how.seed)
    drawn = []
    for span in range(count):
        low, high = older * span // count, older * (span + 1) // count - length
        drawn.append(_part(grid, int(rng.integers(low, high + 1)), length))
    told = {"stretches": count, "newest_days": round(days_of(newest), 1)}
    LOG.info("history sampled to fit train.most_values", of_days=round(days_of(grid), 1), **told)
    return Timeline((*drawn[::2], *drawn[1::2], newest), how.hole)


def _stretches(grid: Grid, how: Sampling) -> tuple[int, int]:
    """Return length and number of the stretches from before the newest part."""
    room = int(how.most_steps * (1.0 - max(how.late_share, _LEAST_NEWEST)))
    least = _HOLES_IN_STRETCH * how.hole
    length = count = 0
    for length_s in _LENGTHS_S:
        length = max(length_s // grid.step_s, least)
        count = room // (length + how.hole)
        older = grid.steps - how.most_steps + count * (length + how.hole)
        if count * _APART_S >= older * grid.step_s:
            break
    return length, count


def _part(grid: Grid, first: int, steps: int | None) -> Grid:
    """Return `steps` of a grid from the index `first`, all that follow for None."""
    start_ms = grid.start_ms + first * grid.step_s * 1000
    return Grid(start_ms, grid.steps - first if steps is None else steps, grid.step_s)
