"""The views that the fused detector brings to one scale."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.detectors.dwell import BAND_NOISES, MEMORY, POOL, DwellLesson, stays
from tankwatch.detectors.folds import cross_fitted, folds
from tankwatch.detectors.fusion import Fusion
from tankwatch.detectors.joint import LAGS, Joint, learn_joint
from tankwatch.detectors.level import Level, LevelLesson, site_basis
from tankwatch.detectors.silence import RESET_STEPS
from tankwatch.detectors.smoothing import ewma
from tankwatch.detectors.stays import Stays
from tankwatch.detectors.surprise import Surprise, learn_changes
from tankwatch.detectors.threshold import AlarmBudget, fit_peak_threshold, running_minimum
from tankwatch.detectors.travel import Travel

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


def everything(values: Doubles) -> NDArray[np.bool_]:
    return np.ones(values.shape[1], dtype=bool)


def test_a_stay_at_a_level_that_is_only_passed_is_long_and_one_at_its_plateau_is_not() -> None:
    values = swinging()[None, :, None]
    lesson = DwellLesson(values, np.ones(values.shape, dtype=bool))
    assert lesson.passing == (0,)
    learned = Stays((0,), lesson.learn(everything(values), (0,)))
    again = Stays.from_json(learned.to_json())
    for norm in again.norms[0][0]:
        usual = norm.usual(np.array([0.0, 0.98, 7.0]))
        assert usual[0] < 120 < usual[1]
        assert np.isnan(usual[2])
    standing = values.copy()
    standing[0, 3000:3400, 0] = 0.0 + np.random.default_rng(4).normal(0.0, 0.01, 400)
    found = seen_by(again, standing)
    assert found.shape == (1, 4000, 1, len(BAND_NOISES))
    assert (found[0, 3390, 0] > 3.0).all()
    assert found[0, 500:3000].max() <= 1.0
    np.testing.assert_array_equal(seen_by(again, standing, at=(7, 701, 3002)), found)


def seen_by(view: Stays, values: Doubles, *, at: tuple[int, ...] = ()) -> Doubles:
    """Return what a view sees, in one piece or cut at some steps."""
    memory = {name: np.zeros((len(values), *shape)) for name, shape in view.layout().items()}
    view.begin(memory, np.ones(len(values), dtype=bool))
    places = np.arange(len(values))
    parts = np.split(values, list(at), axis=1)
    return np.concatenate([view.see(part, places, memory) for part in parts], axis=1)


def test_what_is_learned_of_stays_leaves_out_what_was_not_read_and_what_is_not_to_be_learned() -> (
    None
):
    values = swinging()[None, :, None]
    values[0, 1000:1600] = 0.3
    mask = np.ones(values.shape, dtype=bool)
    whole = DwellLesson(values, mask).learn(everything(values), (0,))
    assert whole[0][0][0].usual(np.array([0.3]))[0] > 400
    mask[0, 1000:1600] = False
    unread = DwellLesson(values, mask).learn(everything(values), (0,))
    assert unread[0][0][0].usual(np.array([0.3]))[0] < 90
    learned = everything(values)
    learned[1000:1700] = False
    others = DwellLesson(values, np.ones(values.shape, dtype=bool)).learn(learned, (0,))
    assert others[0][0][0].usual(np.array([0.3]))[0] < 90


def test_a_channel_that_stands_everywhere_for_hours_has_no_view_of_stays() -> None:
    slow = np.cumsum(np.random.default_rng(5).normal(0.0, 1e-4, 4000))[None, :, None]
    noisy = slow + np.random.default_rng(6).normal(0.0, 0.01, slow.shape)
    assert DwellLesson(noisy, np.ones(noisy.shape, dtype=bool)).passing == ()
    short = noisy[:, :600]
    assert DwellLesson(short, np.ones(short.shape, dtype=bool)).passing == ()
    nothing = Stays((), [[]])
    assert nothing.layout() == {}
    assert nothing.see(noisy, np.array([0]), {}).shape == (1, 4000, 0, len(BAND_NOISES))


def test_a_channel_that_hunts_travels_far_whatever_the_cuts() -> None:
    steps = np.arange(2000)
    quiet = np.sin(steps / 300.0)
    hunting = quiet + np.where(steps > 1500, 0.3 * np.sin(steps / 2.5), 0.0)
    values = np.stack([quiet, hunting])[..., None]

    def ways(*at: int) -> Doubles:
        memory = {"quick": np.full((2, 1), np.nan), "way": np.zeros((2, 1))}
        parts = np.split(values, list(at), axis=1)
        return np.concatenate([Travel.see(part, memory) for part in parts], axis=1)

    way = ways()
    assert (way[1, 1700:] > 5.0 * way[0].max()).all()
    np.testing.assert_allclose(way[1, :1500], way[0, :1500])
    np.testing.assert_allclose(ways(1, 444, 1999), way, rtol=1e-12)


def test_each_fold_is_seen_by_what_learned_elsewhere() -> None:
    steps = 103
    asked: list[NDArray[np.bool_]] = []

    def learn(learned: NDArray[np.bool_]) -> NDArray[np.bool_]:
        asked.append(learned)
        return learned

    unseen = cross_fitted(learn, lambda learned: learned[None].astype(float), steps, purge=5)
    assert unseen.shape == (1, steps)
    assert not unseen.any()
    assert np.concatenate([np.arange(steps)[fold] for fold in folds(steps)]).tolist() == [
        *range(steps)
    ]
    for fold, learned in zip(folds(steps), asked, strict=True):
        assert not learned[fold.start : min(fold.stop + 5, steps)].any()
        assert learned.sum() == steps - (min(fold.stop + 5, steps) - fold.start)


def test_several_views_a_little_surprised_count_for_more_than_one_and_one_alone_is_enough() -> None:
    rng = np.random.default_rng(7)
    relative = np.minimum(rng.exponential(0.08, (5, 20_000, 3)), 0.9)
    fusion = Fusion.fit(relative, (0, 0, 1), AlarmBudget(0.5, 60, 3, 40))
    fusion = Fusion.from_json(fusion.to_json())
    usual = fusion.score(relative)
    assert running_minimum(usual, 3).max() < 1.0
    one, both = np.full((1, 1, 3), 0.05), np.full((1, 1, 3), 0.05)
    one[..., 0], both[..., [0, 2]] = 0.6, 0.6
    assert fusion.score(one) < fusion.score(both)
    same_view = one.copy()
    same_view[..., 1] = 0.6
    assert fusion.score(same_view) == pytest.approx(fusion.score(one)[0, 0])
    alone = np.array([[[0.0, 1.0, np.nan], [np.nan] * 3, [0.0, 0.0, 9.0]]])
    score = fusion.score(alone)[0]
    assert score[0] >= 1.0
    assert np.isnan(score[1])
    assert score[2] > 1.5


def weather(tanks: int, steps: int) -> Doubles:
    rng = np.random.default_rng(2)
    site = np.cumsum(rng.normal(0.0, 0.02, steps))
    own = rng.normal(0.0, 0.02, (tanks, steps))
    bounded = np.sin(np.arange(steps) / (40.0 + 7.0 * np.arange(tanks)[:, None]))
    return np.stack([bounded, site[None] * np.linspace(0.5, 1.5, tanks)[:, None] + own], axis=2)


def test_what_the_site_moves_is_judged_beside_it_and_what_is_bounded_is_not() -> None:
    values = weather(8, 3000)
    mask = np.ones(values.shape, dtype=bool)
    level = fitted_level(values, mask, np.zeros(8, np.int64))
    assert level.by_site.tolist() == [[False, True]] * 8
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


def fitted_level(values: Doubles, mask: NDArray[np.bool_], groups: NDArray[np.int64]) -> Level:
    lesson = LevelLesson(values, mask, groups)
    level = lesson.learn(everything(values))
    unseen = cross_fitted(lesson.learn, lesson.distances, values.shape[1])
    level.by_site = lesson.choose(level, unseen)
    return level


def test_a_tank_that_does_not_feel_the_site_is_judged_as_it_is() -> None:
    values = weather(8, 3000)
    values[2, :, 1] = np.sin(np.arange(3000) / 50.0)
    mask = np.ones(values.shape, dtype=bool)
    level = fitted_level(values, mask, np.zeros(8, np.int64))
    assert np.flatnonzero(~level.by_site[:, 1]).tolist() == [2]


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
    assert not fitted_level(values, mask, np.zeros(4, np.int64)).by_site.any()


def test_channels_that_part_stand_out_together_where_neither_does_alone() -> None:
    rng = np.random.default_rng(3)
    common = rng.normal(0.0, 1.0, (4, 4000, 1))
    values = common + rng.normal(0.0, 0.1, (4, 4000, 2))
    joint = learn_joint(values, np.ones(values.shape, dtype=bool), everything(values), seed=0)
    parted = values.copy()
    parted[1, 2000:, 0], parted[1, 2000:, 1] = 1.0, -1.0
    distance, parts = distances(joint, parted)
    usual = np.quantile(distances(joint, values)[0], 0.999)
    assert (distance[1, 2000 + LAGS :] > 2.0 * usual).all()
    assert (parts >= 0).all()
    again = Joint.from_json(joint.to_json())
    np.testing.assert_array_equal(distances(again, parted)[0], distance)
    np.testing.assert_allclose(distances(again, parted, at=(3, 2004))[0], distance, rtol=1e-9)


def test_a_channel_that_moves_in_another_way_stands_out_where_its_values_do_not() -> None:
    rng = np.random.default_rng(8)
    smooth = ewma(rng.normal(0.0, 1.0, (3, 6000, 1)), 9, np.full((3, 1), np.nan))
    joint = learn_joint(smooth, np.ones(smooth.shape, dtype=bool), everything(smooth), seed=0)
    rough = smooth.copy()
    rough[1, 3000:, 0] = rng.permutation(smooth[1, 3000:, 0])
    distance, _ = distances(joint, rough)
    assert np.median(distance[1, 3100:]) > 2.0 * np.median(distance[0])


def distances(joint: Joint, values: Doubles, *, at: tuple[int, ...] = ()) -> tuple[Doubles, ...]:
    memory = {"joint": np.full((len(values), LAGS - 1, values.shape[2]), np.nan)}
    parts = np.split(values, list(at), axis=1)
    seen = [joint.see(part, np.arange(len(values)), memory) for part in parts]
    return tuple(np.concatenate(kind, axis=1) for kind in zip(*seen, strict=True))


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
