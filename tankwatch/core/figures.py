"""What scores say of a stretch of time, as figures that two versions are compared by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SECONDS_PER_MONTH = 30 * 86_400
# A rate this much higher is taken for the same: one alarm more or less is chance.
_AS_GOOD = 1.1
# What has learned more of normal behaviour sees a little less; half as much is another matter.
_AS_KEEN = 0.5


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """How scores become alarms.

    Attributes:
        step_s: length of a step in seconds.
        on_delay: steps in a row at or above 1.0 that make an alarm.
        merge_gap: steps below it that separate two alarms.
    """

    step_s: int
    on_delay: int
    merge_gap: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that an operator confirmed: row of its tank, first and last step in the stretch."""

    row: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What a version would have done on a stretch of time.

    Attributes:
        alarms: alarms where nothing was wrong.
        tank_months: judged time, of 30 days.
        found: confirmed faults that would have alarmed.
        real: confirmed faults in the stretch.
        seen: test disturbances that would have alarmed.
        tested: test disturbances.
    """

    alarms: int
    tank_months: float
    found: int = 0
    real: int = 0
    seen: int = 0
    tested: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        """Return the figures of both stretches together."""
        return Figures(
            self.alarms + other.alarms,
            self.tank_months + other.tank_months,
            self.found + other.found,
            self.real + other.real,
            self.seen + other.seen,
            self.tested + other.tested,
        )

    @property
    def rate(self) -> float:
        """Return false alarms per tank-month."""
        return self.alarms / max(self.tank_months, 1e-9)


def count_alarms(score: NDArray[np.floating[Any]], rule: AlarmRule) -> list[tuple[int, int, int]]:
    """Return each alarm as (tank row, first step, last step).

    Args:
        score: float (tanks, steps), NaN where not judged.
        rule: on-delay and merge gap.
    """
    alarms: list[tuple[int, int, int]] = []
    for row, values in enumerate(score):
        runs = _runs(np.nan_to_num(values, nan=0.0) >= 1.0)
        mine: list[tuple[int, int, int]] = []
        for first, last in runs:
            if last - first + 1 < rule.on_delay:
                continue
            if mine and first - mine[-1][2] <= rule.merge_gap:
                mine[-1] = (row, mine[-1][1], last)
            else:
                mine.append((row, first, last))
        alarms += mine
    return alarms


def figures(score: NDArray[np.floating[Any]], rule: AlarmRule) -> Figures:
    """Return alarms and judged time of scores of a stretch in which nothing was wrong.

    Args:
        score: float (tanks, steps), NaN where not judged.
        rule: how scores become alarms.
    """
    months = float(np.isfinite(score).sum()) * rule.step_s / SECONDS_PER_MONTH
    return Figures(len(count_alarms(score, rule)), months)


def count_found(score: NDArray[np.floating[Any]], faults: Sequence[Fault], on_delay: int) -> int:
    """Return how many faults hold `on_delay` steps in a row at or above 1.0.

    Args:
        score: float (tanks, steps), NaN where not judged.
        faults: where and when.
        on_delay: steps in a row that make an alarm.
    """
    found = 0
    for fault in faults:
        values = np.nan_to_num(score[fault.row, fault.first : fault.last + 1], nan=0.0)
        runs = _runs(values >= 1.0)
        found += any(last - first + 1 >= min(on_delay, values.size) for first, last in runs)
    return found


def no_worse(new: Figures, old: Figures, *, budget: float) -> bool:
    """Return whether `new` may replace `old`.

    It finds as many confirmed faults, is not blind to test disturbances that the old one sees, and
    its false alarms are as few, or within the budget that the old one was fitted to.
    """
    few = new.rate <= max(old.rate * _AS_GOOD, budget)
    return few and new.found >= old.found and new.seen >= _AS_KEEN * old.seen


def _runs(above: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last index of each run of true."""
    edges = np.flatnonzero(np.diff(above, prepend=False, append=False))
    return [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]
