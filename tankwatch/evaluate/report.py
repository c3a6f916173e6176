"""The files of a backtest: scores.csv, incidents.csv, report.json and report.html."""

import json
from pathlib import Path
from typing import Any

from tankwatch.evaluate.document import build_document
from tankwatch.evaluate.page import render_page
from tankwatch.evaluate.result import BacktestResult
from tankwatch.evaluate.summary import summarize
from tankwatch.evaluate.tables import write_incidents, write_scores


def write_report(
    out: Path, result: BacktestResult, *, grace_s: float | None = None
) -> dict[str, Any]:
    """Write every file of a backtest into `out`, and return what ``report.json`` holds.

    Args:
        out: folder; is made where it does not exist.
        result: what the backtest found.
        grace_s: seconds after a fault in which an incident still counts for it; None takes sixty
            steps.
    """
    out.mkdir(parents=True, exist_ok=True)
    summary = summarize(result, grace_s=grace_s)
    document = build_document(result, summary)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    write_scores(out / "scores.csv", result)
    write_incidents(out / "incidents.csv", result)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    (out / "report.html").write_text(render_page(result, summary), encoding="utf-8")
    return document
