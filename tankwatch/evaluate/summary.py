"""The judgement of a backtest: a row for each detector, and the references below them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tankwatch.evaluate.events import (
    EventFigures,
    Rate,
    event_figures,
    judged_months,
    poisson_rate,
    raised_within,
)
from tankwatch.evaluate.labels import label_steps
from tankwatch.evaluate.points import PointFigures, point_figures
from tankwatch.evaluate.references import always_alarm, random_alarm
from tankwatch.evaluate.result import BacktestResult, DetectorRun, ScoreSeries
from tankwatch.evaluate.volume import usual_buffer

GRACE_STEPS = 60
_SEED = 0
NO_LABELS = "no labels were given"


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """What is to be said of one detector.

    Attributes:
        name: as shown.
        role: ``tankwatch``, ``detector``, ``baseline`` or ``reference``.
        incidents: all of them, over all the time that is judged.
        points: figures of its scores.
        events: figures of its incidents; None without labels.
    """

    name: str
    role: str
    incidents: Rate
    points: PointFigures
    events: EventFigures | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The judgement of a backtest.

    Attributes:
        rows: the production path, the other runs in their order, then the references.
        grace_s: seconds after a fault in which an incident still counts for it.
        buffer: longest buffer around a fault, in steps, of the volume under precision and recall.
        tank_months: how much time was judged.
        labels_given: labelled faults; None without labels.
        labels_outside: labelled faults no moment of which is judged.
        unknown_tanks: tanks that the labels name and the readings do not.
    """

    rows: tuple[SummaryRow, ...]
    grace_s: float
    buffer: int
    tank_months: float
    labels_given: int | None
    labels_outside: int
    unknown_tanks: tuple[str, ...]

    @property
    def primary(self) -> SummaryRow:
        """Return the production path."""
        return self.rows[0]


def summarize(result: BacktestResult, *, grace_s: float | None = None) -> Summary:
    """Return the judgement of what a backtest found.

    Args:
        result: runs, labels and the time that is judged.
        grace_s: None takes sixty steps.
    """
    grace_s = GRACE_STEPS * result.step_s if grace_s is None else grace_s
    points: dict[int, PointFigures] = {}
    buffer = usual_buffer(_truths(result, result.primary.scores))
    rows = []
    for run in (*result.runs, always_alarm(result), random_alarm(result, seed=_SEED)):
        # The production path and its detector share their scores.
        if id(run.scores) not in points:
            points[id(run.scores)] = _points(result, run.scores, buffer)
        rows.append(_row(result, run, points[id(run.scores)], grace_s))
    judged = rows[0].events.events if rows[0].events else ()
    given = None if result.labels is None else len(result.labels)
    named = set() if result.labels is None else {str(tank) for tank in result.labels["tank"]}
    return Summary(
        rows=tuple(rows),
        grace_s=grace_s,
        buffer=buffer,
        tank_months=judged_months(result.spans),
        labels_given=given,
        labels_outside=(given or 0) - len(judged),
        unknown_tanks=tuple(sorted(named - set(result.tanks))),
    )


def _row(
    result: BacktestResult, run: DetectorRun, points: PointFigures, grace_s: float
) -> SummaryRow:
    spans = result.spans
    count = sum(raised_within(run.incidents, tank, spans)[0].size for tank in spans)
    events = None
    if result.labels is not None:
        events = event_figures(result.labels, run.incidents, spans=spans, grace_s=grace_s)
    return SummaryRow(run.name, run.role, poisson_rate(count, judged_months(spans)), points, events)


def _points(result: BacktestResult, scores: Mapping[str, ScoreSeries], buffer: int) -> PointFigures:
    """Return the figures of the steps of all tanks together."""
    shown = [scores[tank].score for tank in result.tanks if tank in scores]
    figures = point_figures(_truths(result, scores), shown, buffer=buffer)
    if result.labels is not None:
        return figures
    reasons = dict.fromkeys((*figures.undefined, "false_alarm_rate"), NO_LABELS)
    return replace(figures, false_alarm_rate=None, undefined=reasons)


def _truths(result: BacktestResult, scores: Mapping[str, ScoreSeries]) -> list[NDArray[np.bool_]]:
    """Return bool (steps,) for each tank that has scores, true where a step is labelled."""
    labels = result.labels
    known = pd.DataFrame(columns=["tank", "start", "end"]) if labels is None else labels
    return [
        label_steps(known, tank, times_ms=scores[tank].times_ms, step_s=result.step_s)
        for tank in result.tanks
        if tank in scores
    ]
