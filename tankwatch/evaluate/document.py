"""The figures of a backtest as plain values: report.json, and the table on a terminal."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from tankwatch.core.times import iso
from tankwatch.evaluate.choice import choice
from tankwatch.evaluate.comparison import comparison
from tankwatch.evaluate.events import CONFIDENCE, Event, EventFigures, KindRecall, Rate
from tankwatch.evaluate.points import PointFigures
from tankwatch.evaluate.result import BacktestResult
from tankwatch.evaluate.summary import NO_LABELS, Summary, SummaryRow
from tankwatch.evaluate.tables import incident_rows
from tankwatch.evaluate.verdict import best_baseline, verdict

FORMAT = 1
_POINTS = (
    "coverage",
    "auc",
    "average_precision",
    "vus_pr",
    "precision",
    "recall",
    "f1",
    "false_alarm_rate",
    "missed_rate",
)

_EVENTS = (
    "faults",
    "found",
    "event_recall",
    "event_precision",
    "tank_months",
    "false_alarms",
    "false_alarms_per_tank_month",
    "false_alarms_per_tank_month_90",
    "median_delay_s",
    "p90_delay_s",
)
# Points have a precision and a recall too.
_EVENT_NAMES = {
    "precision": "event_precision",
    "recall": "event_recall",
    "delay_median_s": "median_delay_s",
    "delay_p90_s": "p90_delay_s",
}


def build_document(result: BacktestResult, summary: Summary) -> dict[str, Any]:
    """Return everything that report.json holds; every key is there, whatever the data."""
    best = best_baseline(summary, result.budget)
    table = comparison(summary, result.budget)
    return {
        "format": FORMAT,
        "title": result.title,
        "verdict": verdict(summary, result.budget),
        "choice": choice(summary, result.budget),
        "columns": list(table.heads),
        "rows": [list(cells) for _, cells in table.rows],
        "data": _data(summary),
        "tanks": {tank: _span(*result.spans[tank]) for tank in sorted(result.spans)},
        "channels": list(result.channels),
        "units": list(result.units),
        "step_s": result.step_s,
        "budget": result.budget,
        "grace_s": _number(summary.grace_s),
        "vus_buffer_steps": summary.buffer,
        "confidence": CONFIDENCE,
        "best_baseline": None if best is None else best.name,
        "detectors": [_row(row) for row in summary.rows],
        "faults": _events(summary),
        "false_alarms": _false_alarms(result, summary),
        "incidents": _listed(result.primary.incidents),
        "site_incidents": result.site_incidents,
        "grouped_incidents": result.grouped_incidents,
        "settings": dict(result.settings),
        "seconds": {stage: _number(seconds) for stage, seconds in result.seconds.items()},
    }


def _data(summary: Summary) -> dict[str, Any]:
    points = summary.primary.points
    return {
        "steps": points.steps,
        "scored_steps": points.scored,
        "tank_months": _number(summary.tank_months),
        "labels": summary.labels_given,
        "labels_outside": summary.labels_outside,
        "labels_unknown_tanks": list(summary.unknown_tanks),
    }


def _span(first: datetime, until: datetime) -> dict[str, str]:
    return {"from": iso(first), "until": iso(until)}


def _row(row: SummaryRow) -> dict[str, Any]:
    of_events = dict.fromkeys(_EVENTS, NO_LABELS) if row.events is None else row.events.undefined
    named = {_EVENT_NAMES.get(name, name): why for name, why in of_events.items()}
    return {
        "name": row.name,
        "role": row.role,
        **_rate("incidents", row.incidents),
        **_event_figures(row.events),
        **_point_figures(row.points),
        "undefined": {**row.points.undefined, **named},
    }


def _event_figures(figures: EventFigures | None) -> dict[str, Any]:
    if figures is None:
        return dict.fromkeys(_EVENTS) | {"recall_by_kind": {}}
    values = {
        "faults": len(figures.events),
        "found": figures.found,
        "event_recall": _number(figures.recall),
        "event_precision": _number(figures.precision),
        "tank_months": _number(figures.false_alarms.tank_months),
        **_rate("false_alarms", figures.false_alarms),
        "median_delay_s": _number(figures.delay_median_s),
        "p90_delay_s": _number(figures.delay_p90_s),
    }
    kinds = {kind.kind: _kind(kind) for kind in figures.by_kind}
    return values | {"recall_by_kind": kinds}


def _kind(kind: KindRecall) -> dict[str, Any]:
    recall = _number(kind.found / kind.events)
    return {"faults": kind.events, "found": kind.found, "recall": recall}


def _point_figures(points: PointFigures) -> dict[str, Any]:
    counts = {
        "steps": points.steps,
        "scored_steps": points.scored,
        "fault_steps": points.fault_steps,
        "flagged_steps": points.flagged,
    }
    return counts | {name: _number(getattr(points, name)) for name in _POINTS}


def _rate(name: str, rate: Rate) -> dict[str, Any]:
    return {
        name: rate.count,
        f"{name}_per_tank_month": _number(rate.per_tank_month),
        f"{name}_per_tank_month_90": [_number(rate.low), _number(rate.high)],
    }


def _events(summary: Summary) -> list[dict[str, Any]]:
    """Return the faults, each with what became of it and which detectors found it."""
    figures = summary.primary.events
    if figures is None:
        return []
    found_by: list[list[str]] = [[] for _ in figures.events]
    for row in summary.rows:
        if row.events is None or row.role == "reference":
            continue
        for names, event in zip(found_by, row.events.events, strict=True):
            if event.raised is not None:
                names.append(row.name)
    pairs = zip(figures.events, found_by, strict=True)
    return [_event(event) | {"found_by": names} for event, names in pairs]


def _event(event: Event) -> dict[str, Any]:
    return {
        "tank": event.tank,
        "start": iso(event.start),
        "end": iso(event.end),
        "kind": event.kind,
        "found": event.raised is not None,
        "raised": None if event.raised is None else iso(event.raised),
        "delay_s": _number(event.delay_s),
    }


def _false_alarms(result: BacktestResult, summary: Summary) -> list[dict[str, Any]]:
    figures = summary.primary.events
    rows = [] if figures is None else list(figures.false_alarm_rows)
    return _listed(result.primary.incidents.iloc[rows])


def _listed(incidents: pd.DataFrame) -> list[dict[str, Any]]:
    rows = incident_rows(incidents)
    names: Sequence[str] = ("tank", "start", "raised", "end", "peak_score", "channel", "symptom")
    return [dict(zip(names, row, strict=True)) for row in rows[list(names)].values.tolist()]


def _number(value: float | None) -> float | int | None:
    """Return a number with four figures; whole numbers stay whole."""
    if value is None:
        return None
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() and abs(short) >= 10 else short
