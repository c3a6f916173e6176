"""Point figures: how well the scores themselves tell faulty steps from normal ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from tankwatch.evaluate.volume import usual_buffer, vus_pr

_NO_FAULT = "no step with a fault was scored"
_NO_NORMAL = "no step without a fault was scored"
_NO_FLAG = "no step was flagged"
_RANKING = ("auc", "average_precision", "vus_pr")


@dataclass(frozen=True, slots=True)
class PointFigures:
    """What the scores say, step by step, over the steps that were scored.

    A step is flagged at a score of 1.0 or more.  A figure that is not defined is None.

    Attributes:
        steps: steps that are judged.
        scored: steps that have a score.
        fault_steps: scored steps that are labelled.
        flagged: scored steps that are flagged.
        coverage: share of the steps that have a score.
        auc: area under the receiver operating curve; 0.5 is chance.
        average_precision: area under precision over recall; the share of faulty steps is chance.
        vus_pr: volume under precision over recall with a buffer around the faults.
        precision: share of the flagged steps that are labelled.
        recall: share of the labelled steps that are flagged.
        f1: harmonic mean of the two.
        false_alarm_rate: share of the normal steps that are flagged.
        missed_rate: share of the labelled steps that are not flagged.
        undefined: why a figure is None, by its name.
    """

    steps: int
    scored: int
    fault_steps: int
    flagged: int
    coverage: float | None
    auc: float | None
    average_precision: float | None
    vus_pr: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    false_alarm_rate: float | None
    missed_rate: float | None
    undefined: Mapping[str, str]


def point_figures(
    truths: Sequence[NDArray[np.bool_]],
    scores: Sequence[NDArray[np.float32]],
    *,
    buffer: int | None = None,
) -> PointFigures:
    """Return the figures of the scored steps of all tanks together.

    Args:
        truths: bool (steps,) for each tank, true where the labels say that something is wrong.
        scores: float32 (steps,) for each tank, higher is more anomalous, 1.0 is the threshold, NaN
            where not scored.
        buffer: longest buffer of `vus_pr` in steps; None takes `usual_buffer`.
    """
    truth = np.concatenate([np.zeros(0, dtype=bool), *truths])
    score = np.concatenate([np.zeros(0, dtype=np.float32), *scores])
    known = ~np.isnan(score)
    # scikit-learn refuses infinity, which is a valid score.
    shown = np.minimum(score[known], np.finfo(np.float32).max)
    wrong = truth[known]
    flagged = shown >= 1.0
    hits = int(np.count_nonzero(flagged & wrong))
    flags, faults = int(np.count_nonzero(flagged)), int(np.count_nonzero(wrong))
    normals = wrong.size - faults
    undefined = _reasons(score.size, flags, faults, normals)
    buffer = usual_buffer(truths) if buffer is None else buffer
    figures = {
        "coverage": _share(wrong.size, score.size),
        "auc": float(roc_auc_score(wrong, shown)) if faults and normals else None,
        "average_precision": float(average_precision_score(wrong, shown)) if faults else None,
        "vus_pr": vus_pr(truths, scores, buffer=buffer),
        "precision": _share(hits, flags),
        "recall": _share(hits, faults),
        "f1": _share(2 * hits, flags + faults),
        "false_alarm_rate": _share(flags - hits, normals),
        "missed_rate": _share(faults - hits, faults),
    }
    return PointFigures(
        steps=score.size,
        scored=int(wrong.size),
        fault_steps=faults,
        flagged=flags,
        **{name: None if name in undefined else value for name, value in figures.items()},
        undefined=undefined,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _reasons(steps: int, flags: int, faults: int, normals: int) -> dict[str, str]:
    reasons = {}
    if not steps:
        reasons["coverage"] = "no step is judged"
    if not normals:
        reasons |= dict.fromkeys((*_RANKING, "false_alarm_rate"), _NO_NORMAL)
    if not flags:
        reasons["precision"] = _NO_FLAG
    if not faults:
        of_faults = (*_RANKING, "precision", "recall", "f1", "missed_rate")
        reasons |= dict.fromkeys(of_faults, _NO_FAULT)
    return reasons
