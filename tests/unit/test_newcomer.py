"""What a new tank is judged by: the fleet first, then more and more its own half hours."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.detectors.newcomer import (
    FEWEST_STEPS,
    POOL,
    NewcomerMemory,
    NewcomerNorms,
    pool_of,
    watch_new,
)
from tankwatch.detectors.newcomer_fit import learn_newcomer
from tankwatch.detectors.threshold import AlarmBudget

BUDGET = AlarmBudget(0.5, 60, 3, 40)
STEPS = 4 * 1440


def fleet(tanks: int = 8, seed: int = 0) -> NDArray[np.float64]:
    """Return tanks that swing by the day and drift a little, each about a middle of its own."""
    rng = np.random.default_rng(seed)
    day = np.sin(2 * np.pi * np.arange(STEPS) / 1440)[None, :, None]
    middle = rng.uniform(0.5, 2.0, (tanks, 1, 2))
    wander = rng.normal(0, 0.002, (tanks, STEPS, 2)).cumsum(axis=1)
    noise = rng.normal(0, 0.02, (tanks, STEPS, 2))
    return np.asarray(middle + 0.2 * day + wander + noise)


@pytest.fixture(scope="module")
def norms() -> NewcomerNorms:
    values = fleet()
    learned = learn_newcomer(values, np.isfinite(values), BUDGET, seed=0)
    assert learned is not None
    return learned


def scored(
    norms: NewcomerNorms, values: NDArray[np.float64], *cuts: int
) -> tuple[NDArray[np.float32], NewcomerMemory]:
    """Return the scores of one tank, taken in parts."""
    memory = NewcomerMemory.fresh(1, 2)
    parts, before = [], 0
    for cut in (*cuts, len(values)):
        begin = max(before - 100, 0)
        part = values[None, begin:cut]
        judged, _ = watch_new(
            norms,
            part,
            np.isfinite(part),
            memory,
            first=before - begin,
            phase=begin % POOL,
        )
        parts.append(judged.score[0, before - begin :])
        before = cut
    return np.concatenate(parts), memory


def test_thresholds_are_wide_at_first_and_never_widen(norms: NewcomerNorms) -> None:
    assert (np.diff(norms.level, axis=0) <= 0).all()
    assert norms.level[0, 0] > 1.2 * norms.level[-1, 0]
    again = NewcomerNorms.from_json(json.loads(json.dumps(norms.to_json())))
    np.testing.assert_array_equal(again.level, norms.level)
    assert norms.level_at(np.array([0, 400, 10**6])).tolist() == [
        norms.level[0].tolist(),
        norms.level[0].tolist(),
        norms.level[-1].tolist(),
    ]


def test_a_sound_tank_is_scored_from_six_hours_on_and_stays_below(norms: NewcomerNorms) -> None:
    score, _ = scored(norms, fleet(1, seed=9)[0])
    assert np.isnan(score[: FEWEST_STEPS - 1]).all()
    assert np.isfinite(score[FEWEST_STEPS:]).all()
    assert (score[FEWEST_STEPS:] >= 1.0).mean() < 0.001


@pytest.mark.parametrize("cuts", [(1, 2, 3, 500), (29, 30, 31, 60, 1441), (4000,)])
def test_parts_give_what_one_piece_gives(norms: NewcomerNorms, cuts: tuple[int, ...]) -> None:
    values = fleet(1, seed=3)[0]
    values[900:960] = np.nan
    whole, end = scored(norms, values)
    parts, end_of_parts = scored(norms, values, *cuts)
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_array_equal(end_of_parts.level, end.level)
    assert end_of_parts.seen == end.seen


def test_a_fault_is_flagged_to_its_end_and_not_learned(norms: NewcomerNorms) -> None:
    values = fleet(1, seed=5)[0]
    sound, _ = scored(norms, values)
    values[1440:1740, 0] -= 4.0
    score, memory = scored(norms, values)
    assert (score[1460:1739] >= 1.0).all()
    np.testing.assert_allclose(score[1900:], sound[1900:], atol=0.12)
    assert np.nanmin(memory.level[0, 0]) > np.nanmedian(memory.level[0, 0]) - 2.0


def test_a_new_way_is_believed_after_a_day(norms: NewcomerNorms) -> None:
    values = fleet(1, seed=5)[0]
    values[1440:, 0] += 3.0
    score, _ = scored(norms, values)
    assert (score[1460:2800] >= 1.0).all()
    assert (score[-600:] < 1.0).all()


def test_a_short_history_teaches_nothing() -> None:
    values = fleet(2)[:, : 2 * FEWEST_STEPS - 1]
    assert learn_newcomer(values, np.isfinite(values), BUDGET, seed=0) is None


def test_noise_is_told_from_a_slope_and_an_empty_half_hour_from_both() -> None:
    rng = np.random.default_rng(0)
    slope = 0.5 * np.arange(2000)[None, :, None] + rng.normal(0, 0.1, (1, 2000, 1))
    _, noise = pool_of(slope)
    assert noise[0, 0] == pytest.approx(0.1, rel=0.1)
    assert np.isnan(pool_of(np.full((1, POOL, 1), np.nan))).all()
