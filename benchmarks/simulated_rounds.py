"""What benchmarks of new tanks and of limits ahead share: episodes of scores, and faults."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.episodes import Change, EpisodeRule, SourceScores, TankState, fold

SEEDS = (1, 2)
TANKS, DAYS, LEARNED = 40, 21.0, 14 * 1440
MERGE_GAP = 30
GRACE = 60
STEPS_PER_MONTH = 43_200

Episode = tuple[int, int, int, int]


def episodes(
    score: NDArray[np.floating[Any]], rule: EpisodeRule, direction: NDArray[np.int64] | None = None
) -> list[Episode]:
    """Return tank, first flagged step, step after the raise and end of each incident."""
    found: list[Episode] = []
    steps = score.shape[1]
    for tank, row in enumerate(score):
        side = np.zeros(steps, dtype=np.int64) if direction is None else direction[tank]
        source = SourceScores(
            "one", rule, row, np.zeros(steps, dtype=np.int64), np.ones(steps), side
        )
        begun: tuple[int, int] | None = None
        times = np.arange(steps, dtype=np.int64)
        for event in fold(TankState(), times, [source], step_ms=1, merge_gap=MERGE_GAP):
            if event.change is Change.RAISE:
                begun = (event.start_ms, event.at_ms)
            elif event.change is Change.RETURN and begun is not None:
                found.append((tank, *begun, event.end_ms))
                begun = None
        if begun is not None:
            found.append((tank, *begun, steps))
    return found


def counted(
    score: NDArray[np.floating[Any]], faults: list[tuple[int, int, int]], rule: EpisodeRule
) -> tuple[int, int, float]:
    """Return faults found, false alarms and tank-months judged; faults are tank, first, last."""
    raised = episodes(score, rule)
    true = {
        index: [e for e in raised if e[0] == tank and e[1] < last + GRACE and e[3] > first]
        for index, (tank, first, last) in enumerate(faults)
    }
    explained = {episode for hits in true.values() for episode in hits}
    months = float(np.isfinite(score).sum()) / STEPS_PER_MONTH
    return sum(bool(hits) for hits in true.values()), len(raised) - len(explained), months
