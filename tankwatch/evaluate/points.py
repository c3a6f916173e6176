"""Point metrics over scored steps; what cannot be said is None."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score


@dataclass(frozen=True, slots=True)
class PointMetrics:
    """How scores met labels, step by step; None where a class is missing.

    `false_alarm_rate` is the share of normal steps that were flagged, `coverage` the share of steps
    that were scored at all.
    """

    auc: float | None
    average_precision: float | None
    f1: float | None
    precision: float | None
    recall: float | None
    false_alarm_rate: float | None
    coverage: float


def judge_points(score: NDArray[np.floating[Any]], wrong: NDArray[np.bool_] | None) -> PointMetrics:
    """Return the point metrics of a detector.

    Args:
        score: float (steps,), 1.0 is the threshold, NaN where nothing was judged; such a step is
            left out.
        wrong: bool (steps,), true where something was wrong; None if nothing is known.
    """
    judged = np.isfinite(score)
    coverage = float(judged.mean()) if judged.size else 0.0
    if wrong is None or not judged.any():
        return PointMetrics(None, None, None, None, None, None, coverage)
    known, flagged, truth = score[judged], score[judged] >= 1.0, wrong[judged]
    both = bool(truth.any() and not truth.all())
    hits = int((flagged & truth).sum())
    precision = hits / int(flagged.sum()) if flagged.any() else None
    recall = hits / int(truth.sum()) if truth.any() else None
    normal = int((~truth).sum())
    return PointMetrics(
        auc=float(roc_auc_score(truth, known)) if both else None,
        average_precision=float(average_precision_score(truth, known)) if both else None,
        f1=_f1(precision, recall),
        precision=precision,
        recall=recall,
        false_alarm_rate=int((flagged & ~truth).sum()) / normal if normal else None,
        coverage=coverage,
    )


def always_alarm(wrong: NDArray[np.bool_]) -> PointMetrics:
    """Return what flagging every step scores: what any F1 must be held against."""
    return judge_points(np.full(wrong.size, 2.0), wrong)


def random_scores(wrong: NDArray[np.bool_], *, seed: int) -> PointMetrics:
    """Return what seeded random scores get, half of the steps flagged."""
    return judge_points(np.random.default_rng(seed).uniform(0, 2, wrong.size), wrong)


def _f1(precision: float | None, recall: float | None) -> float | None:
    if recall is None:
        return None
    if not precision or not recall:
        return 0.0
    return 2 * precision * recall / (precision + recall)
