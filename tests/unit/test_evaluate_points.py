"""Point figures, each checked by hand."""

import numpy as np
import pytest

from tankwatch.evaluate.points import PointFigures, point_figures


def judge(truth: list[int], score: list[float]) -> PointFigures:
    return point_figures([np.array(truth, dtype=bool)], [np.array(score, dtype=np.float32)])


def test_figures_of_a_small_case() -> None:
    figures = judge([0, 0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.3, 1.5, 0.25, 1.0, 2.0, 3.0])
    # Of the 16 pairs, 0.25 loses to 0.3 and 1.5, and 1.0 to 1.5.
    assert figures.auc == pytest.approx(13 / 16)
    assert (figures.precision, figures.recall, figures.f1) == (0.75, 0.75, 0.75)
    assert (figures.false_alarm_rate, figures.missed_rate) == (0.25, 0.25)
    # Precision where each fault is reached: 1, 1, 3/4 and 4/6.
    assert figures.average_precision == pytest.approx((1 + 1 + 3 / 4 + 4 / 6) / 4)
    assert figures.undefined == {}


def test_score_of_exactly_one_is_a_flag() -> None:
    assert judge([0, 1], [0.999, 1.0]).flagged == 1


def test_steps_without_a_score_count_for_coverage_alone() -> None:
    nan = float("nan")
    figures = judge([0, 1, 1, 1], [0.1, 2.0, nan, nan])
    assert (figures.steps, figures.scored, figures.fault_steps) == (4, 2, 1)
    assert (figures.coverage, figures.recall) == (0.5, 1.0)


def test_infinite_score_is_the_highest() -> None:
    figures = judge([0, 1, 0], [0.5, float("inf"), 9.0])
    assert (figures.auc, figures.recall) == (1.0, 1.0)


def test_without_faulty_steps_only_false_alarms_and_coverage_are_defined() -> None:
    figures = judge([0, 0], [0.5, 1.5])
    assert (figures.false_alarm_rate, figures.coverage) == (0.5, 1.0)
    assert set(figures.undefined) == {
        "auc",
        "average_precision",
        "vus_pr",
        "precision",
        "recall",
        "f1",
        "missed_rate",
    }
    assert all(getattr(figures, name) is None for name in figures.undefined)
    assert figures.undefined["auc"] == "no step with a fault was scored"


def test_without_normal_steps_ranking_is_not_defined() -> None:
    figures = judge([1, 1], [0.5, 1.5])
    assert set(figures.undefined) == {"auc", "average_precision", "vus_pr", "false_alarm_rate"}
    assert (figures.auc, figures.average_precision, figures.recall) == (None, None, 0.5)


def test_without_flags_precision_is_not_defined_and_f1_is_zero() -> None:
    figures = judge([0, 1], [0.1, 0.2])
    assert (figures.precision, figures.f1, figures.missed_rate) == (None, 0.0, 1.0)
    assert figures.undefined == {"precision": "no step was flagged"}


def test_without_steps_nothing_is_defined() -> None:
    figures = judge([], [])
    assert figures.coverage is None
    assert figures.undefined["coverage"] == "no step is judged"
