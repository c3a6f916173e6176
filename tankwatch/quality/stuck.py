"""A sensor that repeats its last reading, told from one that hardly moves by its own past."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.quality.rules import RuleVerdict
from tankwatch.shaping.windows import hold_fill

NAME = "stuck"
MARGIN = 1.5
FEWEST_STEPS = 20


def check_stuck(
    block: Block, longest: NDArray[np.float64], most_steps: Sequence[int | None]
) -> RuleVerdict:
    """Return how long each reading has been repeated, beside the most that is usual for it.

    The score is 1 where it has been repeated half as long again as ever in the clean history, and
    at least 20 times.  A channel that may repeat for longer than its flat-line rule allows is left
    to that rule, and so is a tank without a history.

    Args:
        block: readings; it begins at least the flat-line rule's steps before those that matter.
        longest: float64 (tanks, channels), most steps in a row with one reading in the clean
            history; NaN if unknown.
        most_steps: steps of each channel's flat-line rule, None where it is switched off.
    """
    allowed = np.fmax(MARGIN * longest, FEWEST_STEPS)
    most = np.array([0 if steps is None else steps for steps in most_steps], dtype=np.float64)
    allowed = np.where(np.isnan(longest) | (allowed >= most), np.nan, allowed)
    # No further back than the flat-line rule looks: where a block begins must not matter.
    runs = np.stack(
        [equal_runs(block, within=int(steps))[:, :, c] for c, steps in enumerate(most)], axis=2
    )
    score = runs / allowed[:, None]
    known = block.mask & np.isfinite(score)
    # Below 1 the score says nothing of a fault: a steady tank must not look half broken.
    shown = np.where(known, np.where(score >= 1.0, score, 0.0), np.nan)
    flagged = np.nan_to_num(shown) >= 1.0
    return RuleVerdict(NAME, shown, np.zeros(score.shape, dtype=np.int64), flagged)


def equal_runs(block: Block, *, within: int | None = None) -> NDArray[np.int64]:
    """Return how many known readings in a row are the same, int64 (tanks, steps, channels).

    Args:
        block: readings.
        within: steps, the last one included, that are looked at; None for all.
    """
    held = hold_fill(block.values.astype(np.float32), block.mask)
    changed = np.ones(held.shape, dtype=bool)
    changed[:, 1:] = held[:, 1:] != held[:, :-1]
    known = np.cumsum(block.mask, axis=1)
    before = np.where(changed & block.mask, known - 1, -1)
    before[:, 0] = np.where(block.mask[:, 0], 0, known[:, 0])
    last = np.maximum.accumulate(before, axis=1)
    if within is not None and within < block.steps:
        last[:, within:] = np.maximum(last[:, within:], known[:, : block.steps - within])
    return np.asarray(known - last)
