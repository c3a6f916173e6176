"""What operators say of alarms moves a tank's threshold a little, within bounds, for a while.

An alarm just above the threshold that was no fault raises the tank's threshold by a tenth; one that
was real lowers it back.  What was said counts half after three months, so a tank that is not
complained of returns to the threshold that was learned.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

HIGHEST = 1.5
JUST_ABOVE = 2.0
HALF_LIFE = timedelta(days=90)
_STEP = math.log(1.1)


@dataclass(frozen=True, slots=True)
class LabelledAlarm:
    """What an operator said of an alarm that a model raised.

    Attributes:
        tank_id: the tank.
        is_real: whether it was a fault.
        peak_score: largest score of the incident, 1.0 is the threshold of that time.
        at: when it was said.
    """

    tank_id: int
    is_real: bool
    peak_score: float
    at: datetime


def tank_factors(labels: Sequence[LabelledAlarm], now: datetime) -> dict[int, float]:
    """Return by how much each tank's threshold is raised, 1.0 to 1.5; tanks at 1.0 are left out.

    Alarms far above the threshold, with a peak of 2 or more, change nothing when they were no
    fault: no factor within the bounds would have kept them away, and training has to learn them.
    """
    by_tank: dict[int, list[LabelledAlarm]] = defaultdict(list)
    for label in sorted(labels, key=lambda one: one.at):
        if label.at <= now:
            by_tank[label.tank_id].append(label)
    raised = {tank: math.exp(_fold(mine, now)) for tank, mine in by_tank.items()}
    return {tank: factor for tank, factor in raised.items() if factor > 1.0}


def apply_factors(
    judgement_score: NDArray[np.float32], factors: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """Return scores on the scale of the operators' thresholds, float32 (tanks, steps).

    Args:
        judgement_score: float32 (tanks, steps), as the detector judges, 1.0 is the learned
            threshold, NaN where not judged.
        factors: float (tanks,), 1.0 changes nothing, more makes scores lower.
    """
    return (judgement_score / factors[:, None]).astype(np.float32)


def remove_factors(
    score: NDArray[np.float32], factors: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """Return what `apply_factors` was given, float32 (tanks, steps)."""
    return (score * factors[:, None]).astype(np.float32)


def factor_row(factors: Mapping[int, float], tank_ids: Sequence[int]) -> NDArray[np.float64]:
    """Return the factor of each tank, float64 (tanks,)."""
    return np.array([factors.get(tank, 1.0) for tank in tank_ids], dtype=np.float64)


def _fold(labels: Sequence[LabelledAlarm], now: datetime) -> float:
    """Return the logarithm of the factor after all labels of a tank, oldest first."""
    raised, at = 0.0, labels[0].at
    for label in labels:
        raised *= _left(label.at - at)
        at = label.at
        if label.is_real:
            raised -= _STEP
        elif 1.0 <= label.peak_score < JUST_ABOVE:
            raised += _STEP
        raised = min(max(raised, 0.0), math.log(HIGHEST))
    return raised * _left(now - at)


def _left(age: timedelta) -> float:
    return float(0.5 ** (age / HALF_LIFE))
