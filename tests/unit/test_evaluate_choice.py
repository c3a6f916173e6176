"""Which detector is recommended, and when none is."""

from dataclasses import replace

import numpy as np
import pytest

from tankwatch.evaluate.choice import choice
from tankwatch.evaluate.points import point_figures
from tankwatch.evaluate.summary import SummaryRow
from tests.unit.test_evaluate_verdict import row, summary


def ranked(made: SummaryRow, average_precision: float) -> SummaryRow:
    return replace(made, points=replace(made.points, average_precision=average_precision))


OURS = ranked(row("tankwatch", "tankwatch", range(25), 4), 0.5)
ALONE = ranked(row("autoencoder", "detector", range(24), 4), 0.5)


def test_the_one_that_finds_most_within_the_budget_is_used() -> None:
    noisy = row("noisy", "baseline", range(34), 90)
    assert choice(summary(OURS, ALONE, noisy), 0.5) == (
        "Use tankwatch: it finds 25 of 34 faults (74 %) with 0.4 false alarms per tank-month, "
        "most of the detectors that can keep the budget of 0.5."
    )


@pytest.mark.parametrize(("precision", "first"), [(0.4, "tankwatch"), (0.6, "pca")])
def test_equals_are_told_apart_by_average_precision(precision: float, first: str) -> None:
    pca = ranked(row("pca", "baseline", range(25), 4), precision)
    said = choice(summary(OURS, ALONE, pca), 0.5)
    assert said.startswith(f"Use {first}:")


@pytest.mark.parametrize(("found", "is_close"), [(23, 1), (10, 0)])
def test_a_baseline_as_good_but_for_chance_is_named(found: int, is_close: int) -> None:
    said = choice(summary(OURS, ALONE, row("pca", "baseline", range(found), 4)), 0.5)
    assert said.startswith("Use tankwatch:")
    assert said.endswith("the cheap baseline pca does as well within chance.") == (is_close == 1)


def test_a_baseline_that_nothing_beats_is_named() -> None:
    said = choice(summary(OURS, ALONE, row("pca", "baseline", range(30), 4)), 0.5)
    assert said.startswith("Use pca:")
    assert said.endswith("nothing here beats this cheap baseline.")


def test_a_recall_that_chance_reaches_within_the_budget_is_doubted() -> None:
    lot, dear = (row("random", "reference", range(28), count) for count in (4, 90))
    assert "look at no reading find as many" in choice(summary(OURS, ALONE, lot), 0.5)
    assert "look at no reading" not in choice(summary(OURS, ALONE, dear), 0.5)


def test_none_is_used_where_all_exceed_the_budget_or_find_nothing() -> None:
    loud = row("tankwatch", "tankwatch", range(34), 90)
    louder = row("pca", "baseline", range(34), 99)
    said = choice(summary(loud, louder), 0.5)
    assert said.startswith("Use none of them with this threshold")
    assert said.endswith("the fewest tankwatch with 9.0.")
    quiet = choice(summary(row("tankwatch", "tankwatch", range(0), 0)), 0.5)
    assert quiet.startswith("Use none of them: no detector")


def test_without_labels_none_is_named() -> None:
    points = point_figures([np.zeros(3, dtype=bool)], [np.ones(3, dtype=np.float32)])
    bare = SummaryRow("tankwatch", "tankwatch", OURS.incidents, points, None)
    assert choice(summary(bare), 0.5).startswith("Without labelled faults")
