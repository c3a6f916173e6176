"""The comparison of the detectors as short text, for the page, report.json and a terminal."""

from dataclasses import dataclass

from tankwatch.core.times import human_duration
from tankwatch.evaluate.events import EventFigures, Rate
from tankwatch.evaluate.summary import Summary, SummaryRow
from tankwatch.evaluate.verdict import BudgetState, budget_state, rate_text

_KEPT = {
    BudgetState.WITHIN: "kept",
    BudgetState.ABOVE: "exceeded",
    BudgetState.UNCERTAIN: "too short",
    BudgetState.UNKNOWN: "-",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names the row.

    Attributes:
        heads: of the columns.
        rows: role of each row, which decides its look, and its cells.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def comparison(summary: Summary, budget: float) -> Table:
    """Return a row for each detector and each reference, with the figures that decide.

    Args:
        summary: what is compared.
        budget: allowed false alarms per tank-month.
    """
    if summary.primary.events is None:
        short = ("detector", "incidents", "per tank-month", "90 % interval", "scored")
        return Table(short, tuple((row.role, _unlabelled(row)) for row in summary.rows))
    heads = (
        "detector",
        "found",
        "recall",
        "false alarms per tank-month",
        "90 % interval",
        f"budget {budget:g}",
        "normal flagged",
        "median delay",
        "AUC",
        "AP",
        "VUS-PR",
        "F1",
    )
    rows = [(row.role, _labelled(row, row.events, budget)) for row in summary.rows if row.events]
    return Table(heads, tuple(rows))


def details(summary: Summary) -> Table:
    """Return the figures of each detector that the comparison leaves out."""
    heads = (
        "detector",
        "false alarms",
        "incidents for a fault",
        "90 % of delays within",
        "flagged steps faulty",
        "faulty steps flagged",
        "scored",
    )
    return Table(heads, tuple((r.role, _detail(r, r.events)) for r in summary.rows if r.events))


def interval_text(rate: Rate) -> str:
    """Return ``0.2 to 0.9``."""
    return "-" if rate.low is None else f"{rate_text(rate.low)} to {rate_text(rate.high)}"


def share_text(share: float | None) -> str:
    """Return a share as ``74 %``, with a place more below ten percent."""
    if share is None:
        return "-"
    places = 1 if 0 < share < 0.0995 else 0
    return f"{100 * share:.{places}f} %"


def delay_text(seconds: float | None) -> str:
    """Return a delay as people say it."""
    return "-" if seconds is None else human_duration(seconds)


def figure_text(value: float | None) -> str:
    """Return a figure between 0 and 1 as ``0.74``."""
    return "-" if value is None else f"{value:.2f}"


def _labelled(row: SummaryRow, figures: EventFigures, budget: float) -> tuple[str, ...]:
    rate, points = figures.false_alarms, row.points
    return (
        row.name,
        f"{figures.found} of {len(figures.events)}",
        share_text(figures.recall),
        rate_text(rate.per_tank_month),
        interval_text(rate),
        _KEPT[budget_state(rate, budget)],
        share_text(points.false_alarm_rate),
        delay_text(figures.delay_median_s),
        *map(figure_text, (points.auc, points.average_precision, points.vus_pr, points.f1)),
    )


def _unlabelled(row: SummaryRow) -> tuple[str, ...]:
    rate = row.incidents
    count, often = str(rate.count), rate_text(rate.per_tank_month)
    return row.name, count, often, interval_text(rate), share_text(row.points.coverage)


def _detail(row: SummaryRow, figures: EventFigures) -> tuple[str, ...]:
    points = row.points
    return (
        row.name,
        str(figures.false_alarms.count),
        share_text(figures.precision),
        delay_text(figures.delay_p90_s),
        *map(share_text, (points.precision, points.recall, points.coverage)),
    )
