"""Which detector to use on this data, in one sentence."""

from tankwatch.evaluate.comparison import share_text
from tankwatch.evaluate.events import EventFigures
from tankwatch.evaluate.summary import Summary, SummaryRow
from tankwatch.evaluate.verdict import BudgetState, budget_state, more_found, rate_text

_REFERENCE = "reference"
_BASELINE = "baseline"


def choice(summary: Summary, budget: float) -> str:
    """Return which detector to use, and why, or that none of them serves.

    It is the one that finds most faults of those whose false alarms do not lie clearly above the
    budget; among equals the one with the higher average precision, then the first.  What
    is to be said against it follows: that alarms raised by lot within the budget find as many, that
    it is a cheap baseline which nothing beats, or that one finds as many but for chance.

    Args:
        summary: production path, detectors, baselines and references.
        budget: allowed false alarms per tank-month.
    """
    rows = [(row, row.events) for row in summary.rows if row.events and row.role != _REFERENCE]
    if not rows or not rows[0][1].events:
        return "Without labelled faults nothing says which detector to use."
    affordable = [pair for pair in rows if _is_affordable(pair[1], budget)]
    if not affordable:
        row, figures = min(rows, key=lambda pair: _often(pair[1]))
        return (
            f"Use none of them with this threshold: all raise more than the budget of {budget:g} "
            f"false alarms per tank-month, the fewest {row.name} with {_rate(figures)}."
        )
    row, figures = _best(affordable)
    if not figures.found:
        return "Use none of them: no detector that can keep the budget finds a fault."
    sentence = (
        f"Use {row.name}: it finds {figures.found} of {len(figures.events)} faults "
        f"({share_text(figures.recall)}) with {_rate(figures)} false alarms per tank-month, most "
        f"of the detectors that can keep the budget of {budget:g}"
    )
    return f"{sentence}{_reservation(summary, row, figures, budget)}."


def _reservation(summary: Summary, row: SummaryRow, figures: EventFigures, budget: float) -> str:
    """Return what is to be said against the detector that comes first."""
    others = [(r, r.events) for r in summary.rows if r is not row and r.events]
    by_lot = [e.found for r, e in others if r.role == _REFERENCE and _is_affordable(e, budget)]
    if figures.found <= max(by_lot, default=-1):
        return "; but alarms that look at no reading find as many, so the faults found tell little"
    if row.role == _BASELINE and any(r.role == "detector" for r, _ in others):
        return "; nothing here beats this cheap baseline"
    rivals = [(r, e) for r, e in others if r.role == _BASELINE and _is_affordable(e, budget)]
    if row.role != _BASELINE and rivals:
        rival, theirs = _best(rivals)
        if more_found(figures, theirs) == 0:
            return (
                f"; by the faults found the cheap baseline {rival.name} does as well within chance"
            )
    return ""


def _best(pairs: list[tuple[SummaryRow, EventFigures]]) -> tuple[SummaryRow, EventFigures]:
    return max(pairs, key=lambda pair: (pair[1].found, pair[0].points.average_precision or 0.0))


def _is_affordable(figures: EventFigures, budget: float) -> bool:
    return budget_state(figures.false_alarms, budget) is not BudgetState.ABOVE


def _often(figures: EventFigures) -> float:
    return figures.false_alarms.per_tank_month or 0.0


def _rate(figures: EventFigures) -> str:
    return rate_text(figures.false_alarms.per_tank_month)
