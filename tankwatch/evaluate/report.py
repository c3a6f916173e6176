"""The files of a backtest: scores.csv, incidents.csv, report.json and report.html."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from tankwatch.core.times import human_duration, iso
from tankwatch.evaluate.events import EventMetrics, FaultOutcome
from tankwatch.evaluate.figures import close_up, recall_chart, span_text, timeline
from tankwatch.evaluate.result import BacktestResult
from tankwatch.evaluate.summary import TITLES, Summary, cells, summarise, to_json

_MOST_FAULTS = 12
_MOST_FALSE_ALARMS = 6


@dataclass(frozen=True, slots=True)
class Picture:
    """A close-up with its caption."""

    title: str
    text: str
    source: str


def write_report(out: Path, result: BacktestResult) -> dict[str, Any]:
    """Write every file of a backtest into `out`, and return what `report.json` holds."""
    out.mkdir(parents=True, exist_ok=True)
    summary = summarise(result)
    scores_frame(result).to_csv(out / "scores.csv", index=False)
    incidents_frame(result).to_csv(out / "incidents.csv", index=False)
    told = report_json(result, summary)
    (out / "report.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    (out / "report.html").write_text(report_html(result, summary), encoding="utf-8")
    return told


def scores_frame(result: BacktestResult) -> pd.DataFrame:
    """Return every scored step: tank, timestamp, score, flag, channel."""
    names = np.array([*result.channels, ""], dtype=object)
    parts = []
    for tank in result.tanks:
        series = result.primary.scores[tank]
        judged = np.isfinite(series.score)
        moments = pd.to_datetime(series.times_ms[judged], unit="ms", utc=True)
        score = series.score[judged]
        parts.append(
            pd.DataFrame(
                {
                    "tank": tank,
                    "timestamp": moments.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "score": score.astype(np.float64).round(4),
                    "flag": (score >= 1.0).astype(int),
                    "channel": names[series.channel[judged]],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def incidents_frame(result: BacktestResult) -> pd.DataFrame:
    """Return the production path's incidents: tank, start, end, peak_score, channel, symptom."""
    frame = result.primary.incidents
    return pd.DataFrame(
        {
            "tank": frame["tank"],
            "start": [iso(pd.Timestamp(t).to_pydatetime()) for t in frame["start"]],
            "end": [iso(pd.Timestamp(t).to_pydatetime()) for t in frame["end"]],
            "peak_score": frame["peak_score"].astype(float).round(4),
            "channel": frame["channel"],
            "symptom": frame["symptom"],
        }
    )


def report_json(result: BacktestResult, summary: Summary) -> dict[str, Any]:
    """Return the report for machines; its keys are documented in docs/reference/metrics.md."""
    events = summary.primary.events
    return {
        "title": result.title,
        "verdict": summary.verdict,
        "columns": list(TITLES.values()),
        "rows": [list(cells(row).values()) for row in summary.rows],
        "detectors": [to_json(row) for row in summary.rows],
        "budget": result.budget,
        "step_s": result.step_s,
        "channels": list(result.channels),
        "tanks": {
            tank: {"from": iso(span[0]), "until": iso(span[1])}
            for tank, span in result.spans.items()
        },
        "faults": [_fault_json(fault) for fault in events.faults] if events else [],
        "seconds": {stage: round(spent, 2) for stage, spent in result.seconds.items()},
        "settings": dict(result.settings),
    }


def report_html(result: BacktestResult, summary: Summary) -> str:
    """Return the report for people: one page that needs nothing else."""
    environment = Environment(
        loader=PackageLoader("tankwatch.evaluate", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    events = summary.primary.events
    kinds = events.recall_by_kind() if events and events.faults else {}
    return environment.get_template("report.html.j2").render(
        result=result,
        verdict=summary.verdict,
        titles=list(TITLES.values()),
        rows=[(row.role, list(cells(row).values())) for row in summary.rows],
        timeline=timeline(result),
        recall=recall_chart(kinds) if len(kinds) > 1 else "",
        faults=fault_pictures(result, events),
        false_alarms=false_alarm_pictures(result, events),
        seconds={stage: human_duration(spent) for stage, spent in result.seconds.items()},
        trained=len(result.tanks),
    )


def fault_pictures(result: BacktestResult, events: EventMetrics | None) -> list[Picture]:
    """Return close-ups of known faults, missed ones first: they teach most."""
    if events is None:
        return []
    ordered = sorted(events.faults, key=lambda fault: (fault.is_found, fault.start))
    missed = [fault for fault in ordered if not fault.is_found][: _MOST_FAULTS // 2]
    found = [fault for fault in ordered if fault.is_found][: _MOST_FAULTS - len(missed)]
    return [_fault_picture(result, fault) for fault in [*missed, *found]]


def false_alarm_pictures(result: BacktestResult, events: EventMetrics | None) -> list[Picture]:
    """Return close-ups of incidents that met no known fault, the highest peaks first."""
    faults = events.faults if events else ()
    rows = result.primary.incidents.sort_values("peak_score", ascending=False)
    pictures: list[Picture] = []
    for _, row in rows.iterrows():
        begin, end = (pd.Timestamp(row[edge]).to_pydatetime() for edge in ("start", "end"))
        meets = any(f.tank == row.tank and f.start <= end and begin <= f.end for f in faults)
        if meets or len(pictures) == _MOST_FALSE_ALARMS:
            continue
        text = (
            f"{row.channel}, {str(row.symptom).replace('_', ' ')}, peak score {row.peak_score:.2f}"
        )
        title = f"{row.tank}: {span_text(begin, end)}"
        source = close_up(result, str(row.tank), begin, end)
        pictures.append(Picture(title, text, source))
    return pictures


def _fault_picture(result: BacktestResult, fault: FaultOutcome) -> Picture:
    after = "missed" if fault.delay_s is None else f"found after {human_duration(fault.delay_s)}"
    title = f"{fault.tank}: {fault.kind.replace('_', ' ')}, {after}"
    source = close_up(result, fault.tank, fault.start, fault.end)
    return Picture(title, span_text(fault.start, fault.end), source)


def _fault_json(fault: FaultOutcome) -> dict[str, Any]:
    return {
        "tank": fault.tank,
        "kind": fault.kind,
        "start": iso(fault.start),
        "end": iso(fault.end),
        "found": fault.is_found,
        "delay_s": fault.delay_s,
    }
