import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tankwatch.detectors.threshold import (
    AlarmBudget,
    cluster_peaks,
    fit_threshold,
    running_minimum,
    tank_scales,
    worst_feature,
)

NAN = float("nan")


def test_the_running_minimum_is_what_passes_an_on_delay() -> None:
    errors = np.array([[1.0, 5.0, 4.0, 6.0, NAN, 3.0, 2.0]])
    expected = [[1.0, 4.0, 4.0, NAN, NAN, 2.0]]
    np.testing.assert_array_equal(running_minimum(errors, 2), expected)
    assert running_minimum(errors, 9).shape == (1, 0)


def test_clusters_closer_than_the_gap_are_one() -> None:
    errors = np.array([[0, 3, 0, 0, 5, 0, 0, 0, 0, 4.0], [NAN, 9, 0, 0, 0, 0, 0, 0, 0, 0]])
    assert cluster_peaks(errors, 1.0, merge_gap=3).tolist() == [5.0, 4.0, 9.0]
    assert cluster_peaks(errors, 1.0, merge_gap=1).tolist() == [3.0, 5.0, 4.0, 9.0]
    assert cluster_peaks(errors, 10.0, merge_gap=1).size == 0


def test_the_worst_feature_leaves_out_what_was_not_judged() -> None:
    relative = np.array([[[0.5, NAN], [NAN, NAN], [0.2, 2.0]]])
    np.testing.assert_array_equal(worst_feature(relative), [[0.5, NAN, 2.0]])


def test_a_tank_with_much_history_keeps_its_scale_and_one_with_little_takes_the_fleets() -> None:
    rng = np.random.default_rng(0)
    errors = np.abs(rng.normal(0, 1, (3, 20_000)))
    errors[1] *= 10
    errors[2] *= 10
    errors[2, 100:] = NAN
    scales = tank_scales(errors)
    assert 7 < scales[1] / scales[0] < 13
    assert scales[2] == pytest.approx(scales[1], rel=0.35)
    assert tank_scales(np.full((2, 5), NAN)).tolist() == [1.0, 1.0]


def autocorrelated(rng: np.random.Generator, tanks: int, steps: int) -> NDArray[np.float64]:
    """Return errors like those of a smoothed detector: correlated, with an exponential tail."""
    noise = rng.exponential(1.0, (tanks, steps + 9))
    view = np.lib.stride_tricks.sliding_window_view(noise, 10, axis=1)
    return np.asarray(view.mean(axis=-1))


def alarms(errors: NDArray[np.float64], level: NDArray[np.float64], budget: AlarmBudget) -> int:
    worst = worst_feature(errors / level[:, None])
    held = running_minimum(worst, budget.on_delay)
    return int(cluster_peaks(held, 1.0, merge_gap=budget.merge_gap).size)


def test_the_budget_holds_on_time_that_was_not_calibrated_on() -> None:
    budget = AlarmBudget(per_tank_month=2.0)
    tanks, learned, watched = 10, 3 * 1440, 30 * 1440
    seen = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        scale = rng.uniform(0.5, 5.0, (tanks, 1, 1))
        early, late = (
            np.stack([autocorrelated(rng, tanks, steps) for _ in range(2)], axis=-1) * scale
            for steps in (learned, watched)
        )
        seen += alarms(late, fit_threshold(early, budget).level, budget)
    rate = seen / (6 * tanks)
    assert budget.per_tank_month / 4 < rate < budget.per_tank_month * 4


@given(st.integers(0, 1000))
def test_a_smaller_budget_never_gives_a_lower_level(seed: int) -> None:
    errors = np.random.default_rng(seed).gamma(1.0, 1.0, (3, 800, 2))
    generous = fit_threshold(errors, AlarmBudget(per_tank_month=50.0)).level
    strict = fit_threshold(errors, AlarmBudget(per_tank_month=0.5)).level
    assert (strict >= generous * 0.999).all()


def test_a_threshold_can_be_fitted_to_nothing() -> None:
    fitted = fit_threshold(np.full((2, 50, 1), NAN), AlarmBudget())
    assert np.isfinite(fitted.level).all()
    assert fitted.peaks == 0
    flat = fit_threshold(np.zeros((2, 50, 1)), AlarmBudget())
    assert (flat.level > 0).all()
