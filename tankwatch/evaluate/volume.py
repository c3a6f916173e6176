"""Volume under the surface of precision and recall: ranking that forgives faults labelled roughly.

Paparrizos et al., "Volume under the surface: a new accuracy evaluation measure for time-series
anomaly detection", PVLDB 15, 2022.  A buffer around each fault counts in part, so that a score that
rises a little early or falls a little late is not punished; the area under precision over recall is
taken for every buffer length from 0 to L and averaged.  The details are those of the authors' own
program (package vus, `RangeAUC_volume_opt`), with every distinct score as a level in place of 250.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_BUFFER_STEPS = 100

Ints = NDArray[np.int64]


def usual_buffer(truths: Sequence[NDArray[np.bool_]]) -> int:
    """Return L in steps: the median length of the labelled faults, at most a hundred.

    Args:
        truths: bool (steps,) for each tank, true where the labels say that something is wrong.
    """
    lengths = [end - start for truth in truths for start, end in _runs(truth)]
    return min(MOST_BUFFER_STEPS, round(float(np.median(lengths)))) if lengths else 0


def vus_pr(
    truths: Sequence[NDArray[np.bool_]], scores: Sequence[NDArray[np.float32]], *, buffer: int
) -> float | None:
    """Return the volume, from 0 to 1; None where no faulty or no normal step was scored.

    A step at a distance d from a fault counts as faulty by ``sqrt(1 - d / l)`` if d is at most half
    the buffer length l.  Recall is multiplied by the share of the faults of which any step is
    flagged.  Tanks are ranked together, but no buffer reaches from one tank into another.

    Args:
        truths: bool (steps,) for each tank, true where the labels say that something is wrong.
        scores: float32 (steps,) for each tank, higher is more anomalous, NaN where not scored.
        buffer: longest buffer length L in steps; 0 leaves the labels as they are.
    """
    near = _near_faults(truths, scores, buffer // 2)
    if near is None:
        return None
    return float(np.mean([_area(near, length) for length in range(buffer + 1)]))


@dataclass(frozen=True, slots=True)
class _Near:
    """The steps that any buffer reaches, of all tanks in a row, and the faults among them.

    Attributes:
        level: int64 (steps,), place of each step's score among the distinct ones, highest first;
            `levels` where a step has no score.
        levels: how many distinct scores there are.
        flagged: int64 (levels,), how many scored steps of all have at least this score.
        inside: bool (steps,), whether a step is labelled.
        first: int64 (faults,), first step of each fault.
        last: int64 (faults,), its last step.
        before: int64 (faults,), steps that the longest buffer can reach before it.
        after: int64 (faults,), steps that it can reach after it.
        gap: int64 (faults,), steps between a fault and the one before it in its tank.
    """

    level: Ints
    levels: int
    flagged: Ints
    inside: NDArray[np.bool_]
    first: Ints
    last: Ints
    before: Ints
    after: Ints
    gap: Ints


def _near_faults(
    truths: Sequence[NDArray[np.bool_]], scores: Sequence[NDArray[np.float32]], reach: int
) -> _Near | None:
    kept: list[NDArray[np.bool_]] = []
    faults: list[tuple[int, int, int, int, int]] = []
    taken = 0
    for truth in truths:
        runs = _runs(truth)
        chosen = np.zeros(truth.size, dtype=bool)
        for start, end in runs:
            chosen[max(start - reach, 0) : end + reach] = True
        place = taken + np.cumsum(chosen) - 1
        previous = -truth.size - 2 * reach
        for start, end in runs:
            edges = (int(place[start]), int(place[end - 1]))
            room = (min(reach, start), min(reach, truth.size - end))
            faults.append((*edges, *room, start - previous))
            previous = end - 1
        kept.append(chosen)
        taken += int(np.count_nonzero(chosen))
    if not faults:
        return None
    near = np.concatenate(kept)
    # Infinity is a valid score, the highest.
    score = np.minimum(np.concatenate(scores), np.finfo(np.float32).max)
    inside = np.concatenate(truths)
    known = ~np.isnan(score)
    if not (known & inside).any() or not (known & ~inside).any():
        return None
    distinct, place = np.unique(-score[near & known], return_inverse=True)
    level = np.full(taken, distinct.size, dtype=np.int64)
    level[known[near]] = place
    flagged = np.searchsorted(np.sort(-score[known]), distinct, side="right")
    first, last, before, after, gap = np.array(faults, dtype=np.int64).T
    return _Near(level, distinct.size, flagged, inside[near], first, last, before, after, gap)


def _area(near: _Near, length: int) -> float:
    """Return the area under precision over recall for one buffer length."""
    half = length // 2
    before, after = np.minimum(near.before, half), np.minimum(near.after, half)
    label = near.inside.astype(np.float64)
    fall = np.sqrt(1 - np.arange(1, half + 1) / max(length, 1))
    for first, last, left, right in zip(near.first, near.last, before, after, strict=True):
        label[last + 1 : last + 1 + right] += fall[:right]
        label[first - left : first] += fall[:left][::-1]
    scored = near.level < near.levels
    level = near.level[scored]
    label = np.minimum(label[scored], 1.0)
    inside = near.inside[scored]
    hits = np.cumsum(np.bincount(level, weights=label, minlength=near.levels))
    within = np.cumsum(np.bincount(level[inside], minlength=near.levels))
    # Only what is flagged of a buffer is added to what there is to find.
    wanted = np.count_nonzero(inside) + (hits - within) / 2
    recall = np.minimum(hits / wanted, 1.0) * _existence(near, half, before, after)
    return float(np.diff(recall, prepend=0.0) @ (hits / near.flagged))


def _existence(near: _Near, half: int, before: Ints, after: Ints) -> NDArray[np.float64]:
    """Return float64 (levels,), share of the faults of which a step, buffer and all, is flagged.

    Faults whose buffers share a step are one; those without any scored step do not count.
    """
    starts = np.flatnonzero(near.gap > 2 * half)
    ends = np.append(starts[1:], near.gap.size) - 1
    first, beyond = (near.first - before)[starts], (near.last + after)[ends] + 1
    level = np.append(near.level, near.levels)
    found = np.minimum.reduceat(level, np.stack([first, beyond], axis=1).ravel())[::2]
    found = found[found < near.levels]
    return np.cumsum(np.bincount(found, minlength=near.levels)) / found.size


def _runs(truth: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first step of each run of true, and the step after its last."""
    edges = np.flatnonzero(np.diff(truth.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
