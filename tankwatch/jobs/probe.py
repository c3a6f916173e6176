"""Test disturbances: a version that sees nothing any more raises no false alarms either.

Few false alarms on held-out time speak for a version only if it still sees what is plainly wrong.
So a channel of a tank is shifted by several times its own spread for half an hour's steps, and both
versions judge the same shifted stretches.  This tells blind from seeing, and no more: which version
finds real faults sooner is told by confirmed faults and by a time in shadow.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.core.figures import Fault, count_found

SHIFT_SPREADS = 6.0
SHIFT_STEPS = 30
PLACES = 4
MOST_TANKS = 50
_TO_SPREAD = 1.4826

Judge = Callable[[Block], NDArray[np.float32]]


def count_seen(judge: Judge, probes: Block, on_delay: int) -> int:
    """Return how many test disturbances would alarm.

    Args:
        judge: gives scores, float32 (tanks, steps), of a block.
        probes: as `make_probes` gives them.
        on_delay: steps in a row that make an alarm.
    """
    if not probes.tanks:
        return 0
    last = probes.steps - 1
    shifts = [Fault(row, last - SHIFT_STEPS + 1, last) for row in range(len(probes.tanks))]
    return count_found(judge(probes), shifts, on_delay)


def make_probes(block: Block, context_steps: int, tanks: Sequence[int]) -> Block:
    """Return shifts of each channel of some tanks at some places of a held-out block, a row each.

    Tanks are repeated.  Places without readings are left out, so there may be none at all.

    Args:
        block: held-out time.
        context_steps: steps that the versions look back at.
        tanks: rows of the tanks that may be taken.
    """
    length = min(context_steps + SHIFT_STEPS, block.steps)
    ends = np.unique(np.linspace(length, block.steps, PLACES).astype(int)).tolist()
    chosen = tanks[:: -(-len(tanks) // MOST_TANKS) or 1]
    rows = [
        (tank, channel, end)
        for tank in chosen
        for channel in range(len(block.channels))
        for end in ends
        if block.mask[tank, end - length : end, channel].all()
    ]
    values = [
        _shifted(block, tank, channel, slice(end - length, end)) for tank, channel, end in rows
    ]
    masks = [block.mask[tank, end - length : end] for tank, _, end in rows]
    shape = (len(rows), length, len(block.channels))
    return Block(
        tuple(block.tanks[tank] for tank, _, _ in rows),
        block.channels,
        block.start_ms,
        block.step_s,
        np.stack(values) if rows else np.empty(shape),
        np.stack(masks) if rows else np.empty(shape, dtype=bool),
    )


def _shifted(block: Block, tank: int, channel: int, part: slice) -> NDArray[np.float64]:
    known = block.values[tank, block.mask[tank, :, channel], channel]
    spread = _TO_SPREAD * float(np.median(np.abs(known - np.median(known))))
    values = block.values[tank, part].copy()
    values[-SHIFT_STEPS:, channel] += SHIFT_SPREADS * spread
    return values
