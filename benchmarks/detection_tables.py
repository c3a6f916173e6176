"""Tables of the detection benchmarks, in Markdown, and the rows they leave in results.json."""

from collections.abc import Iterable, Mapping, Sequence

from results import record

from tankwatch.evaluate.comparison import interval_text, share_text
from tankwatch.evaluate.events import Rate
from tankwatch.evaluate.points import PointFigures
from tankwatch.evaluate.verdict import rate_text

Figures = Mapping[str, float | None]


def print_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table under a heading."""
    print(f"\n### {title}\n\n| {' | '.join(heads)} |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(flush=True)


def point_cells(points: PointFigures) -> list[str]:
    """Return average precision, VUS-PR, AUC, F1 and the share of normal rows flagged."""
    graded = (points.average_precision, points.vus_pr, points.auc, points.f1)
    return [
        *(f"{v:.3f}" if v is not None else "-" for v in graded),
        share_text(points.false_alarm_rate),
    ]


POINT_HEADS = ("AP", "VUS-PR", "AUC", "F1", "normal flagged")


def rate_cells(rate: Rate) -> list[str]:
    """Return a rate of false alarms and its interval."""
    return [rate_text(rate.per_tank_month), interval_text(rate)]


def record_beside(data: str, figures: Mapping[str, Figures], *, ours: str) -> None:
    """Record each figure of `ours` beside that of every other row.

    Args:
        data: name of the data.
        figures: by row and figure.
        ours: the row of tankwatch's default detector.
    """
    for name, value in figures[ours].items():
        for rival, theirs in figures.items():
            if rival != ours:
                record(
                    f"{name}, {data}, beside {rival}",
                    _short(value),
                    "",
                    against=rival,
                    other=_short(theirs[name]),
                )


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
