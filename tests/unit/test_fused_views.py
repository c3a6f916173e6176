"""The views that the fused detector brings to one scale."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.detectors.dwell import MEMORY, POOL, DwellNorm, learn_dwell, stays
from tankwatch.detectors.joint import Joint, learn_joint
from tankwatch.detectors.level import Level, learn_level, site_basis
from tankwatch.detectors.silence import RESET_STEPS
from tankwatch.detectors.smoothing import ewma
from tankwatch.detectors.surprise import Surprise, learn_changes
from tankwatch.detectors.threshold import AlarmBudget, fit_peak_threshold

Doubles = NDArray[np.float64]


def test_a_smoothed_mean_is_the_recursion_and_can_be_taken_up_again() -> None:
    values = np.random.default_rng(0).normal(size=(2, 50, 3))
    whole = ewma(values, 9, np.full((2, 3), np.nan))
    mean = values[:, 0].copy()
    for step in range(50):
        mean += 0.2 * (values[:, step] - mean)
        np.testing.assert_allclose(whole[:, step], mean, rtol=1e-12, atol=1e-12)
    first = ewma(values[:, :20], 9, np.full((2, 3), np.nan))
    rest = ewma(values[:, 20:], 9, first[:, -1])
    np.testing.assert_allclose(np.concatenate([first, rest], axis=1), whole, rtol=1e-12)


def test_a_stay_reaches_back_as_far_as_the_values_keep_together() -> None:
    before = np.full(MEMORY - 1, np.nan)
    pooled = np.concatenate([before, [5.0, 1.0, 1.1, 0.9, 1.0, 1.0, 3.0]])[None]
    steps, level = stays(pooled, np.array([0.11]))
    assert (steps[0] / POOL).tolist() == [1, 1, 2, 3, 4, 5, 1]
    assert level[0, 5] == pytest.approx(1.0)


def swinging(steps: int = 4000) -> Doubles:
    rng = np.random.default_rng(1)
    square = np.where(np.sin(np.arange(steps) / 100.0) > 0, 1.0, -1.0)
    smooth = ewma(square[None, :, None], 60, np.full((1, 1), np.nan))[0, :, 0]
    return np.asarray(smooth + rng.normal(0.0, 0.01, steps))


def test_a_stay_at_a_level_that_is_only_passed_is_long_and_one_at_its_plateau_is_not() -> None:
    values = swinging()
    norm = learn_dwell(values, np.ones(values.size, dtype=bool), 1e-4)
    usual = norm.usual(np.array([0.0, 0.98, 7.0]))
    assert usual[0] < 60 < usual[1]
    assert np.isnan(usual[2])
    again = DwellNorm.from_json(norm.to_json())
    np.testing.assert_array_equal(again.usual(np.array([0.0, 0.98, 7.0])), usual)


def weather(tanks: int, steps: int) -> Doubles:
    rng = np.random.default_rng(2)
    site = np.cumsum(rng.normal(0.0, 0.02, steps))
    own = rng.normal(0.0, 0.02, (tanks, steps))
    bounded = np.sin(np.arange(steps) / (40.0 + 7.0 * np.arange(tanks)[:, None]))
    return np.stack([bounded, site[None] * np.linspace(0.5, 1.5, tanks)[:, None] + own], axis=2)


def test_what_the_site_moves_is_judged_beside_it_and_what_is_bounded_is_not() -> None:
    values = weather(8, 3000)
    mask = np.ones(values.shape, dtype=bool)
    level = learn_level(values, mask, np.zeros(8, np.int64), border=2000)
    assert level.by_site.tolist() == [False, True]
    faulty = values.copy()
    faulty[3, 2500:, 1] += 2.0
    distance = judged(level, faulty, np.arange(8))
    usual = judged(level, values, np.arange(8))
    assert (distance[3, 2530:, 1] > 2.0 * usual[3, 2530:, 1]).all()
    alone = judged(level, faulty[[3]], np.array([3]))
    assert np.isnan(alone[..., 1]).all()
    assert np.isfinite(alone[..., 0]).all()
    stored = Level.from_json(level.to_json())
    np.testing.assert_array_equal(judged(stored, faulty, np.arange(8)), distance)


def judged(level: Level, values: Doubles, places: NDArray[np.int64]) -> Doubles:
    tanks, _, channels = values.shape
    memory = {
        "level": np.full((tanks, channels), np.nan),
        "site": np.full((tanks, 3, channels), np.nan),
    }
    return level.see(values, np.ones(values.shape, dtype=bool), places, memory)[0]


def test_few_siblings_are_no_site() -> None:
    values = weather(4, 300)
    mask = np.ones(values.shape, dtype=bool)
    memory = {"site": np.full((4, 3, 2), np.nan)}
    basis = site_basis(values, mask, np.zeros(4, np.int64), memory)
    assert np.isnan(basis[..., 1:]).all()
    assert not learn_level(values, mask, np.zeros(4, np.int64), border=200).by_site.any()


def test_channels_that_part_stand_out_together_where_neither_does_alone() -> None:
    rng = np.random.default_rng(3)
    common = rng.normal(0.0, 1.0, (4, 4000, 1))
    values = common + rng.normal(0.0, 0.1, (4, 4000, 2))
    smooth = np.repeat(np.repeat(values[:, ::40], 40, axis=1), 1, axis=2)
    joint = learn_joint(smooth, np.ones(smooth.shape, dtype=bool), seed=0)
    parted = smooth.copy()
    parted[1, 2000:, 0], parted[1, 2000:, 1] = 1.0, -1.0
    distance, parts = distances(joint, parted)
    usual = np.quantile(distances(joint, smooth)[0], 0.999)
    assert (distance[1, 2100:] > 2.0 * usual).all()
    assert (parts >= 0).all()
    again, _ = distances(Joint.from_json(joint.to_json()), parted)
    np.testing.assert_array_equal(again, distance)


def distances(joint: Joint, values: Doubles) -> tuple[Doubles, Doubles]:
    memory = {"joint": np.full((len(values), values.shape[2]), np.nan)}
    return joint.see(values, memory)


def test_training_series_are_cut_to_a_number_of_steps_whatever_the_fleet() -> None:
    values = np.random.default_rng(4).normal(size=(30, 2000, 2)).astype(np.float32)
    mask = np.ones(values.shape, dtype=bool)
    surprise = Surprise(learn_changes(values, mask), np.zeros(30, np.int64))
    numbers = np.zeros(30, np.int64)
    ((train, held_out),) = surprise.series(values, mask, numbers=numbers, most_steps=9000, seed=0)
    assert train.inputs.shape[2] == 10
    assert train.inputs.shape[0] * train.inputs.shape[1] <= 9000
    assert held_out.inputs.shape[:2] == (30, 300)
    change = (values[:, 1:] - values[:, :-1]) / surprise.change[:, None]
    np.testing.assert_allclose(held_out.targets[:, -1].sum(), change[:, -1].sum(), rtol=1e-3)


def test_a_network_of_a_group_is_taught_by_its_tanks_and_begins_anew_after_silence() -> None:
    values = np.random.default_rng(5).normal(size=(4, 2000, 2)).astype(np.float32)
    mask = np.ones(values.shape, dtype=bool)
    mask[2, 500 : 500 + RESET_STEPS + 20] = False
    mask[3, 500 : 500 + RESET_STEPS - 1] = False
    surprise = Surprise(learn_changes(values, mask), np.zeros(4, np.int64))
    numbers = np.array([0, 1, 1, 0])
    sets = surprise.series(values, mask, numbers=numbers, most_steps=10**6, seed=0)
    assert [train.inputs.shape[0] % 2 for train, _ in sets] == [0, 0]
    whole = [np.sort(held_out.targets.sum(axis=(1, 2))) for _, held_out in sets]
    change = np.diff(values, axis=1)[:, -300:] / surprise.change[:, None]
    for number, found in enumerate(whole):
        own = np.sort(np.clip(change[numbers == number], -30, 30).sum(axis=(1, 2)))
        np.testing.assert_allclose(found, own, rtol=1e-3, atol=1e-3)
    assert [int(train.begins().sum()) for train, _ in sets] == [0, 1]


def test_a_threshold_lies_beyond_the_peaks_that_the_budget_allows() -> None:
    rng = np.random.default_rng(5)
    errors = rng.exponential(1.0, (20, 10_000, 1))
    errors[3, 5000:5010] = 40.0
    strict = fit_peak_threshold(errors, AlarmBudget(0.01, 60, 3, 40))
    loose = fit_peak_threshold(errors, AlarmBudget(2.0, 60, 3, 40))
    assert (strict.level > 40.0).all()
    assert (loose.level < 40.0).all()
    assert strict.tank_months == pytest.approx(20 * 10_000 / 43_200)
    nothing = fit_peak_threshold(np.full((2, 100, 1), np.nan), AlarmBudget())
    assert np.isfinite(nothing.level).all()
