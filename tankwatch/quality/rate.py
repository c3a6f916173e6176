"""Readings that came faster than the tank can move: a loose contact, a lost bit, a swapped tag."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.quality.rules import RuleVerdict
from tankwatch.quality.window import known_values, shifted, trailing_sum

NAME = "rate"
LOOKBACK = 5
FEWEST = 3
WITHIN = 240

Floats = NDArray[np.float64]


def check_rate(block: Block, most_per_minute: Sequence[float | None]) -> RuleVerdict:
    """Return how many of the last four hours' readings came at an impossible rate, over three.

    A reading is not believed if it is too far, for the time between, from most of the five steps
    before it.  So a spike is not believed and the return from it is; a jump is not believed until
    it has stood for three steps.  A single reading opens no incident; three within 240 steps do,
    and then the readings that are not believed are hidden from the detectors.

    Args:
        block: readings.
        most_per_minute: of each channel, in its unit; None for no rule.  It is set and not learned:
            the fastest change of the past says what is usual, not what is impossible, and a tank
            whose hatch is opened loses its pressure within a minute.
    """
    most = np.array([np.nan if m is None else m for m in most_per_minute])
    allowed = np.broadcast_to(most, (len(block.tanks), most.size))
    values = known_values(block.values, block.mask)
    doubtful = _is_doubtful(values, allowed, block.step_s / 60.0)
    score = trailing_sum(doubtful, WITHIN) / FEWEST
    judged = block.mask & np.isfinite(allowed)[:, None]
    bad = doubtful & (score >= 1.0)
    # Below 1 the score says nothing of a fault.
    shown = np.where(judged, np.where(score >= 1.0, score, 0.0), np.nan)
    turn = np.nan_to_num(values - shifted(values, LOOKBACK))
    direction = np.where(doubtful, np.sign(turn), 0.0)
    return RuleVerdict(NAME, shown, direction.astype(np.int64), bad)


def _is_doubtful(values: Floats, allowed: Floats, minutes: float) -> NDArray[np.bool_]:
    known = np.zeros(values.shape, dtype=np.int64)
    fast = np.zeros(values.shape, dtype=np.int64)
    for j in range(1, LOOKBACK + 1):
        change = np.abs(values - shifted(values, j))
        known += np.isfinite(change)
        with np.errstate(invalid="ignore"):  # NaN is neither fast nor slow
            fast += change > allowed[:, None] * (j * minutes)
    return (known > LOOKBACK // 2) & (2 * fast > known)
