"""Simulated farms that nobody tuned on: which faults are found, at how many false alarms."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from detection_files import Contest, judge_files
from detection_tables import print_table, rate_cells, record_beside

from tankwatch.evaluate.comparison import delay_text, figure_text, share_text
from tankwatch.evaluate.events import EventFigures, Rate, poisson_rate
from tankwatch.evaluate.labels import read_labels
from tankwatch.evaluate.summary import Summary, SummaryRow
from tankwatch.jobs.replay import Cut
from tankwatch.simulate import FarmSpec, FaultKind, simulate_farm, write_farm

SEEDS = (101, 102, 103)
TANKS, DAYS, QUIET_DAYS = 40, 21.0, 14.0
FAULTS_OF_A_KIND = 3
# Of every fault; 1.0 is plain to an engineer who looks at the trend.
SEVERITY = 1.25
ALLOWED = 0.5
# Budgets at which robust z is fitted again, until in hindsight it raises no more than is allowed.
LOWER_BUDGETS = (0.1, 0.01)


def farm(contest: Contest, seeds: Sequence[int] = SEEDS) -> None:
    """Print what was found on the farms of all seeds together."""
    both = [_judged(contest, seed) for seed in seeds]
    summaries = [summary for summary, _ in both]
    names = [row.name for row in summaries[0].rows]
    rows = {name: [row for s in summaries for row in s.rows if row.name == name] for name in names}
    pooled = {name: Pooled(name, of) for name, of in rows.items()}
    months = next(iter(pooled.values())).rate.tank_months
    which = ", ".join(map(str, seeds))
    title = (
        f"Own farms: seeds {which}, {TANKS} tanks each, severity {SEVERITY:g}, "
        f"{months:.3g} tank-months without a fault"
    )
    heads = ("detector", "found", "recall", "false alarms per tank-month", "90 % interval")
    print_table(
        title, (*heads, "median delay", "AUC", "AP"), [row.cells() for row in pooled.values()]
    )
    kinds = sorted({kind for row in pooled.values() for kind in row.of_kind})
    shown = [row for row in pooled.values() if row.role != "reference"]
    print_table(
        "Own farms, found by kind",
        ("kind", "faults", *(row.name for row in shown)),
        [_kind_cells(kind, shown) for kind in kinds],
    )
    figures = {name: row.figures() for name, row in pooled.items()}
    record_beside("own farms", figures, ours=names[0])
    _print_simple([simple for _, simple in both])


class Pooled:
    """The figures of one detector over several farms together."""

    def __init__(self, name: str, rows: Sequence[SummaryRow]) -> None:
        events: list[EventFigures] = [row.events for row in rows if row.events]
        every = [event for figures in events for event in figures.events]
        self.name, self.role = name, rows[0].role
        self.faults = len(every)
        self.found = sum(event.raised is not None for event in every)
        self.of_kind = Counter(event.kind for event in every)
        self.found_of_kind = Counter(event.kind for event in every if event.raised is not None)
        self.rate: Rate = poisson_rate(
            sum(figures.false_alarms.count for figures in events),
            sum(figures.false_alarms.tank_months for figures in events),
        )
        delays = [event.delay_s for event in every if event.delay_s is not None]
        self.delay_s = float(np.median(delays)) if delays else None
        self.auc = _mean([row.points.auc for row in rows])
        self.average_precision = _mean([row.points.average_precision for row in rows])

    def cells(self) -> list[str]:
        """Return its row of the table."""
        return [
            self.name,
            f"{self.found} of {self.faults}",
            share_text(self.found / self.faults),
            *rate_cells(self.rate),
            delay_text(self.delay_s),
            figure_text(self.auc),
            figure_text(self.average_precision),
        ]

    def figures(self) -> dict[str, float | None]:
        """Return what is recorded of it."""
        return {
            "event recall": self.found / self.faults,
            "false alarms per tank-month": self.rate.per_tank_month,
        }


def _print_simple(of_seeds: Sequence[dict[float, SummaryRow]]) -> None:
    """Print robust z at lower budgets: what it finds at no more false alarms than are allowed."""
    rows = []
    for budget in LOWER_BUDGETS:
        pooled = Pooled(f"robust_z, budget {budget:g}", [rows[budget] for rows in of_seeds])
        rows.append(pooled.cells())
    title = f"Robust z fitted to lower budgets, to be read at {ALLOWED:g} false alarms"
    heads = ("detector", "found", "recall", "false alarms per tank-month", "90 % interval")
    print_table(title, (*heads, "median delay", "AUC", "AP"), rows)


def _judged(contest: Contest, seed: int) -> tuple[Summary, dict[float, SummaryRow]]:
    """Return what came of a farm, and robust z alone at each of the lower budgets."""
    print(f"farm of seed {seed}", flush=True)
    spec = FarmSpec(
        tanks=TANKS,
        days=DAYS,
        quiet_days=QUIET_DAYS,
        seed=seed,
        faults=FAULTS_OF_A_KIND * len(FaultKind),
        severity=SEVERITY,
    )
    with tempfile.TemporaryDirectory() as name:
        *files, labels = write_farm(simulate_farm(spec), Path(name), compress=False)
        cut, truth = Cut(train_until=spec.quiet_until), read_labels(labels)
        simple = {}
        for budget in LOWER_BUDGETS:
            train = contest.settings.train.model_copy(
                update={"false_alarms_per_tank_month": budget}
            )
            settings = contest.settings.model_copy(update={"train": train})
            alone = Contest(settings, "robust_z", (), with_pyod=False)
            judged = judge_files(alone, files, cut=cut, labels=truth)
            simple[budget] = next(row for row in judged.rows if row.name == "robust_z")
        return judge_files(contest, files, cut=cut, labels=truth), simple


def _kind_cells(kind: str, rows: Sequence[Pooled]) -> list[str]:
    faults = str(rows[0].of_kind[kind])
    return [kind.replace("_", " "), faults, *(str(row.found_of_kind[kind]) for row in rows)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
