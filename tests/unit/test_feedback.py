from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tankwatch.core.feedback import (
    HALF_LIFE,
    HIGHEST,
    LabelledAlarm,
    apply_factors,
    factor_row,
    remove_factors,
    tank_factors,
)

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def said(*, real: bool = False, peak: float = 1.2, tank: int = 1, days: float = 0) -> LabelledAlarm:
    return LabelledAlarm(tank, real, peak, NOW - timedelta(days=days))


def test_nothing_said_changes_nothing() -> None:
    assert tank_factors([], NOW) == {}


def test_a_false_alarm_just_above_the_threshold_raises_it_by_a_tenth() -> None:
    assert tank_factors([said(), said(tank=2, peak=1.99)], NOW) == pytest.approx({1: 1.1, 2: 1.1})


def test_a_false_alarm_far_above_is_for_training_to_learn() -> None:
    assert tank_factors([said(peak=2.0), said(peak=30.0)], NOW) == {}


def test_the_factor_is_bounded_and_what_is_beyond_is_not_kept() -> None:
    many = [said(days=1 - n / 100) for n in range(50)]
    assert HIGHEST * 0.99 < tank_factors(many, NOW)[1] <= HIGHEST
    assert tank_factors([*many, said(real=True)], NOW)[1] == pytest.approx(HIGHEST / 1.1, rel=1e-2)


def test_a_real_fault_lowers_it_back_and_never_below_what_was_learned() -> None:
    assert tank_factors([said(days=1), said(real=True)], NOW) == {}
    early = [said(real=True, days=2), said(real=True, days=1), said()]
    assert tank_factors(early, NOW) == pytest.approx({1: 1.1})


def test_a_label_counts_half_after_its_half_life() -> None:
    old = said(days=HALF_LIFE.days)
    assert tank_factors([old], NOW) == pytest.approx({1: 1.1**0.5})
    assert tank_factors([said(days=-1)], NOW) == {}


def test_labels_are_taken_in_the_order_of_their_time() -> None:
    labels = [said(real=True, days=1), said(days=2)]
    assert tank_factors(labels, NOW) == tank_factors(labels[::-1], NOW) == {}


def test_scores_are_divided_by_their_tank_s_factor_and_come_back() -> None:
    score = np.array([[0.5, 1.05, np.nan], [0.5, 1.05, 2.0]], dtype=np.float32)
    row = factor_row({7: 1.1}, [7, 8])
    moved = apply_factors(score, row)
    np.testing.assert_allclose(moved[0], [0.5 / 1.1, 1.05 / 1.1, np.nan], rtol=1e-6)
    np.testing.assert_array_equal(moved[1], score[1])
    assert moved.dtype == np.float32
    np.testing.assert_allclose(remove_factors(moved, row), score, rtol=1e-6)
