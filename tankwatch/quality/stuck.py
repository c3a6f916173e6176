"""A sensor that repeats its last reading, told from one that hardly moves by its own past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.quality.rules import RuleVerdict
from tankwatch.shaping.windows import hold_fill

NAME = "stuck"
MARGIN = 1.5
FEWEST_STEPS = 20


@dataclass(frozen=True, slots=True)
class SensorNorms:
    """What is usual for the sensors of each tank, from its clean history.

    Attributes:
        longest: float64 (tanks, channels), most steps in a row with one and the same reading; NaN
            where nothing is known.
    """

    longest: NDArray[np.float64]

    def of(self, rows: Sequence[int], columns: Sequence[int | None]) -> "SensorNorms":
        """Return the norms of other tanks and channels, NaN for -1 and for None."""
        tanks = np.array(rows, dtype=np.int64)
        found = np.full((len(rows), len(columns)), np.nan)
        for place, column in enumerate(columns):
            if column is not None and self.longest.size:
                found[:, place] = np.where(
                    tanks >= 0, self.longest[np.maximum(tanks, 0), column], np.nan
                )
        return SensorNorms(found)

    def to_json(self) -> dict[str, Any]:
        """Return the norms as plain values."""
        return {
            "longest": [[None if np.isnan(v) else float(v) for v in row] for row in self.longest]
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "SensorNorms":
        """Return the norms that `to_json` gave."""
        return cls(np.array(stored["longest"], dtype=np.float64))


def learn_norms(block: Block) -> SensorNorms:
    """Return what is usual for the sensors of a clean history."""
    runs = equal_runs(block)
    known = block.mask.any(axis=1)
    return SensorNorms(np.where(known, runs.max(axis=1, initial=0), np.nan))


def check_stuck(block: Block, norms: SensorNorms, most_steps: Sequence[int | None]) -> RuleVerdict:
    """Return how long each reading has been repeated, beside the most that is usual for it.

    The score is 1 where it has been repeated half as long again as ever in the clean history, and
    at least 20 times.  A channel that may repeat for longer than its flat-line rule allows is left
    to that rule, and so is a tank without a history.

    Args:
        block: readings; it begins at least the flat-line rule's steps before those that matter.
        norms: of the block's tanks and channels.
        most_steps: steps of each channel's flat-line rule, None where it is switched off.
    """
    allowed = np.fmax(MARGIN * norms.longest, FEWEST_STEPS)
    most = np.array([0 if steps is None else steps for steps in most_steps], dtype=np.float64)
    allowed = np.where(np.isnan(norms.longest) | (allowed >= most), np.nan, allowed)
    # No further back than the flat-line rule looks: where a block begins must not matter.
    runs = np.stack(
        [equal_runs(block, within=int(steps))[:, :, c] for c, steps in enumerate(most)], axis=2
    )
    score = runs / allowed[:, None]
    known = block.mask & np.isfinite(score)
    # Below 1 the score says nothing of a fault: a steady tank must not look half broken.
    shown = np.where(known, np.where(score >= 1.0, score, 0.0), np.nan)
    return RuleVerdict(NAME, shown, np.zeros(score.shape, dtype=np.int64))


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
