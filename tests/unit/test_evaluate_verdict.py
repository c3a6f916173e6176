"""The result in words."""

from datetime import UTC, datetime, timedelta

import pytest

from tankwatch.evaluate.events import Event, EventFigures, Rate, poisson_rate
from tankwatch.evaluate.points import point_figures
from tankwatch.evaluate.summary import Summary, SummaryRow
from tankwatch.evaluate.verdict import BudgetState, best_baseline, budget_state, rate_text, verdict

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
NO_POINTS = point_figures([], [])
EVENTS = 34


def row(name: str, role: str, found: range, false_alarms: int, months: float = 10.0) -> SummaryRow:
    """Return a detector that found these of the faults, each after 21 minutes."""
    events = tuple(
        Event("T1", BEGIN, BEGIN, "", BEGIN + timedelta(minutes=21) if n in found else None)
        for n in range(EVENTS)
    )
    count = len(found)
    figures = EventFigures(
        events=events,
        found=count,
        recall=count / EVENTS,
        incidents=count + false_alarms,
        precision=None,
        false_alarms=poisson_rate(false_alarms, months),
        false_alarm_rows=(),
        delay_median_s=1260.0 if count else None,
        delay_p90_s=None,
        by_kind=(),
        undefined={},
    )
    return SummaryRow(name, role, poisson_rate(count, months), NO_POINTS, figures)


def summary(*rows: SummaryRow) -> Summary:
    return Summary(rows, 600.0, 30, 10.0, EVENTS, 0, ())


OURS = row("tankwatch", "tankwatch", range(25), 4)


def test_verdict_says_what_was_found_and_at_what_cost() -> None:
    assert verdict(summary(OURS), 0.5) == (
        "Of 34 labelled faults tankwatch found 25 (74 %) with 0.4 false alarms per tank-month "
        "(budget 0.5; 90 % interval 0.1 to 0.9); median delay 21 min. The time judged is too "
        "short to tell whether the budget is kept."
    )


@pytest.mark.parametrize(
    ("found", "false_alarms", "end"),
    [
        (range(10), 4, "finds more faults with about as many false alarms, so it earns its place"),
        (range(25), 30, "finds about as many faults with fewer false alarms, so it earns its"),
        (range(23), 5, "about as many false alarms, so on this data the simple baseline would do"),
        (range(34), 4, "finds fewer faults with about as many false alarms, so pca serves this"),
        (range(10), 0, "finds more faults with more false alarms, so it is a trade"),
    ],
)
def test_verdict_compares_with_the_best_baseline(found: range, false_alarms: int, end: str) -> None:
    ours = OURS if false_alarms else row("tankwatch", "tankwatch", range(25), 9)
    assert end in verdict(summary(ours, row("pca", "baseline", found, false_alarms)), 0.5)


def test_best_baseline_finds_most_of_those_that_can_keep_the_budget() -> None:
    noisy = row("noisy", "baseline", range(34), 90)
    pca, robust_z = row("pca", "baseline", range(20), 6), row("robust_z", "baseline", range(20), 5)
    alone = row("autoencoder", "detector", range(34), 0)
    always = row("always alarm", "reference", range(34), 0)
    best = best_baseline(summary(OURS, alone, noisy, pca, robust_z, always), 0.5)
    assert best is robust_z
    assert best_baseline(summary(OURS, noisy), 0.5) is noisy
    assert best_baseline(summary(OURS, alone, always), 0.5) is None


@pytest.mark.parametrize(
    ("count", "months", "state"),
    [
        (0, 10.0, BudgetState.WITHIN),
        (0, 1.0, BudgetState.UNCERTAIN),
        (4, 10.0, BudgetState.UNCERTAIN),
        (20, 10.0, BudgetState.ABOVE),
        (0, 0.0, BudgetState.UNKNOWN),
    ],
)
def test_budget_is_judged_by_the_interval(count: int, months: float, state: BudgetState) -> None:
    assert budget_state(poisson_rate(count, months), 0.5) is state


def test_budget_that_is_kept_or_exceeded_is_said() -> None:
    assert "The budget is kept." in verdict(summary(row("a", "tankwatch", range(5), 0)), 0.5)
    assert "above the budget." in verdict(summary(row("a", "tankwatch", range(5), 40)), 0.5)


def test_without_labels_no_share_is_claimed() -> None:
    rate = Rate(3, 0.5, 6.0, 1.6, 15.5)
    said = verdict(summary(SummaryRow("tankwatch", "tankwatch", rate, NO_POINTS, None)), 0.5)
    assert said.startswith("tankwatch raised 3 incidents in 0.5 tank-months, 6.0 per tank-month")
    assert "Without labels nothing says which of them were faults" in said


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (0.0, "0.0"),
        (0.043, "0.043"),
        (0.44, "0.4"),
        (9.96, "10.0"),
        (12.4, "12"),
    ],
)
def test_rates_are_short(value: float | None, text: str) -> None:
    assert rate_text(value) == text
