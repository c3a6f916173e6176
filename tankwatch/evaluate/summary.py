"""A backtest judged: a row for each detector, and one sentence."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.times import human_duration
from tankwatch.evaluate.events import EventMetrics, judge_events
from tankwatch.evaluate.labels import label_steps
from tankwatch.evaluate.points import PointMetrics, always_alarm, judge_points, random_scores
from tankwatch.evaluate.result import BacktestResult, DetectorRun

GRACE_STEPS = 60
TITLES = {
    "detector": "detector",
    "found": "faults found",
    "rate": "false alarms / tank-month",
    "interval": "90 % interval",
    "delay": "median delay",
    "auc": "AUC",
    "average_precision": "average precision",
    "f1": "F1 at threshold",
    "false_alarm_rate": "normal steps flagged",
    "coverage": "steps scored",
}


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One line of the table; `events` is None for the reference rows, which raise no incidents."""

    name: str
    role: str
    events: EventMetrics | None
    points: PointMetrics


@dataclass(frozen=True, slots=True)
class Summary:
    """A backtest judged."""

    rows: tuple[SummaryRow, ...]
    verdict: str

    @property
    def primary(self) -> SummaryRow:
        """Return the row of the production path."""
        return self.rows[0]


def summarise(result: BacktestResult) -> Summary:
    """Return the judgement of a backtest, the production path first."""
    wrong = _all_labels(result)
    rows = [_row(result, run, wrong) for run in result.runs]
    if wrong is not None and wrong.any() and not wrong.all():
        rows.append(SummaryRow("always alarm", "reference", None, always_alarm(wrong)))
        rows.append(SummaryRow("random", "reference", None, random_scores(wrong, seed=0)))
    return Summary(tuple(rows), _verdict(result, rows))


def cells(row: SummaryRow) -> dict[str, str]:
    """Return a row of the table as people read it, keyed as `TITLES`."""
    events, points = row.events, row.points
    shown = {
        "detector": row.name,
        "found": "-",
        "rate": "-",
        "interval": "-",
        "delay": "-",
        "auc": _number(points.auc),
        "average_precision": _number(points.average_precision),
        "f1": _number(points.f1),
        "false_alarm_rate": _percent(points.false_alarm_rate),
        "coverage": _percent(points.coverage),
    }
    if events is None:
        return shown
    if events.recall is not None:
        shown["found"] = f"{events.found} of {len(events.faults)} ({events.recall:.0%})"
    if events.rate is not None and events.rate_low is not None and events.rate_high is not None:
        shown["rate"] = f"{events.rate:.2f}"
        shown["interval"] = f"{events.rate_low:.2f} to {events.rate_high:.2f}"
    if events.median_delay_s is not None:
        shown["delay"] = human_duration(events.median_delay_s)
    return shown


def _row(result: BacktestResult, run: DetectorRun, wrong: NDArray[np.bool_] | None) -> SummaryRow:
    grace = timedelta(seconds=GRACE_STEPS * result.step_s)
    events = judge_events(result.labels, run.incidents, result.spans, grace=grace)
    score = np.concatenate([run.scores[tank].score for tank in result.tanks])
    return SummaryRow(run.name, run.role, events, judge_points(score, wrong))


def _all_labels(result: BacktestResult) -> NDArray[np.bool_] | None:
    if result.labels is None:
        return None
    series = result.primary.scores
    return np.concatenate(
        [
            label_steps(result.labels, tank, series[tank].times_ms, step_s=result.step_s)
            for tank in result.tanks
        ]
    )


def _verdict(result: BacktestResult, rows: list[SummaryRow]) -> str:
    shown, events = cells(rows[0]), rows[0].events
    if events is None or events.rate is None:
        return "There is no fault-free time to judge false alarms on."
    alarms = (
        f"{shown['rate']} false alarms per tank-month (budget {result.budget:g}; 90 % interval "
        f"{shown['interval']}, from {events.tank_months:.2f} tank-months)"
    )
    if events.recall is None:
        return f"Without known faults, every incident counts as a false alarm: {alarms}."
    text = f"tankwatch found {shown['found']} of the known faults with {alarms}"
    if events.median_delay_s is not None:
        text += f"; median delay {shown['delay']}"
    best = max(
        (row for row in rows if row.role == "baseline" and row.events),
        key=lambda row: row.events.found if row.events else 0,
        default=None,
    )
    if best is None or best.events is None:
        return f"{text}."
    other = cells(best)
    return (
        f"{text}. The best baseline by faults found, {best.name}, found {other['found']} with "
        f"{other['rate']} false alarms per tank-month."
    )


def to_json(row: SummaryRow) -> dict[str, Any]:
    """Return a row with plain values, rounded to what they can carry."""
    events, points = row.events, row.points
    told: dict[str, Any] = {
        "name": row.name,
        "role": row.role,
        "auc": _rounded(points.auc),
        "average_precision": _rounded(points.average_precision),
        "f1": _rounded(points.f1),
        "precision": _rounded(points.precision),
        "recall": _rounded(points.recall),
        "false_alarm_rate": _rounded(points.false_alarm_rate),
        "coverage": _rounded(points.coverage),
    }
    if events is not None:
        told |= {
            "faults": len(events.faults),
            "found": events.found,
            "event_recall": _rounded(events.recall),
            "incidents": events.incidents,
            "false_alarms": events.false_alarms,
            "tank_months": _rounded(events.tank_months),
            "false_alarms_per_tank_month": _rounded(events.rate),
            "false_alarms_per_tank_month_90": [
                _rounded(events.rate_low),
                _rounded(events.rate_high),
            ],
            "median_delay_s": _rounded(events.median_delay_s),
            "recall_by_kind": {
                kind: {"found": found, "faults": total}
                for kind, (found, total) in sorted(events.recall_by_kind().items())
            },
        }
    return told


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
