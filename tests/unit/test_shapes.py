"""Shapes of readings, each made by hand on the same quiet days."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.core.incident import Symptom
from tankwatch.core.shapes import (
    count_flips,
    is_drifting,
    periodicity,
    running_median,
    tell_shape,
    turning,
    usual_of,
)

NOISE = 0.02
DAY = 1440
FIRST = 4 * DAY
Values = NDArray[np.float64]


def days(steps: int = FIRST + 180, seed: int = 0) -> Values:
    rng = np.random.default_rng(seed)
    daily = 0.4 * np.sin(2 * np.pi * np.arange(steps) / DAY)
    return np.asarray(1.0 + daily + rng.normal(0.0, NOISE, steps))


def spikes(size: int) -> Values:
    found = np.zeros(size)
    found[::40] = 1.0
    return found


def step(size: int) -> Values:
    return np.full(size, -0.9)


def noise(size: int) -> Values:
    return np.random.default_rng(1).normal(0.0, 8 * NOISE, size)


def swing(size: int) -> Values:
    return np.asarray(0.5 * np.sin(2 * np.pi * np.arange(size) / 16.0))


def flips(size: int) -> Values:
    return np.where(np.arange(size) // 4 % 2 == 0, -0.8, 0.0)


def creep(size: int) -> Values:
    """Return a level that is reached within a few steps, as a tank does."""
    return np.asarray(0.7 * (1.0 - np.exp(-(np.arange(size) + 1) / 3.0)))


def leak(size: int) -> Values:
    return np.asarray(-0.003 * np.arange(size))


@pytest.mark.parametrize(
    ("fault", "symptom"),
    [
        (spikes, Symptom.SPIKE),
        (step, Symptom.STEP),
        (noise, Symptom.NOISE),
        (swing, Symptom.OSCILLATION),
        (flips, Symptom.CHATTERING),
        (creep, None),
        (leak, None),
        (np.zeros, None),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_stretch_is_called_by_its_shape(
    fault: object, symptom: Symptom | None, seed: int
) -> None:
    assert callable(fault)
    values = days(seed=seed)
    values[FIRST:] += fault(180)
    assert tell_shape(values, FIRST) == symptom


@pytest.mark.parametrize(
    ("fault", "known", "symptom"),
    [
        (spikes, 4, Symptom.SPIKE),
        (step, 4, Symptom.STEP),
        (noise, 20, Symptom.NOISE),
        (flips, 4, Symptom.STEP),
        (flips, 40, Symptom.CHATTERING),
    ],
)
def test_a_few_steps_tell_what_they_can(fault: object, known: int, symptom: Symptom | None) -> None:
    assert callable(fault)
    values = days(FIRST + known)
    values[FIRST:] += fault(known)
    assert tell_shape(values, FIRST) == symptom


def test_spikes_of_last_night_do_not_make_those_of_today_usual() -> None:
    values = days()
    values[FIRST - 600 : FIRST - 200 : 40] += 1.0
    values[FIRST:] += spikes(180)
    assert tell_shape(values, FIRST) is Symptom.SPIKE


def test_the_end_of_a_fault_is_no_step() -> None:
    values = days()
    values[FIRST : FIRST + 60] += creep(60)
    assert tell_shape(values, FIRST) is None


def test_holes_change_nothing() -> None:
    values = days()
    values[FIRST:] += step(180)
    values[::7] = np.nan
    values[FIRST - 3 : FIRST] = np.nan
    assert tell_shape(values, FIRST) is Symptom.STEP


@pytest.mark.parametrize("values", [np.full(600, np.nan), np.ones(600), days(100)])
def test_a_past_that_says_nothing_tells_no_shape(values: Values) -> None:
    assert usual_of(values[:90]) is None
    assert tell_shape(values, min(500, values.size - 5) if values.size > 500 else 90) is None


def test_what_is_usual_is_measured_whatever_the_tank_does() -> None:
    usual = usual_of(days()[:FIRST])
    assert usual is not None
    assert usual.noise == pytest.approx(NOISE, rel=0.1)
    assert 0.1 < usual.jump < 0.3


@pytest.mark.parametrize("side", [1, -1])
def test_a_day_that_moves_to_one_side_drifts_and_one_like_the_others_does_not(side: int) -> None:
    values = days()
    usual = {"side": side, "steps_per_day": DAY}
    assert not is_drifting(values, FIRST, **usual)
    values[FIRST - DAY :] += side * np.linspace(0.0, 0.5, values.size - FIRST + DAY)
    assert is_drifting(values, FIRST, **usual)
    assert not is_drifting(values, FIRST, side=-side, steps_per_day=DAY)
    assert not is_drifting(values, FIRST, side=0, steps_per_day=DAY)


def test_a_shift_that_came_within_an_hour_does_not_drift() -> None:
    values = days()
    values[FIRST - 60 :] += 0.5
    assert not is_drifting(values, FIRST, side=1, steps_per_day=DAY)


def test_drift_needs_days_before_and_no_part_without_readings() -> None:
    values = days()
    values[FIRST - DAY :] += np.linspace(0.0, 0.5, values.size - FIRST + DAY)
    assert not is_drifting(values, FIRST - 1, side=1, steps_per_day=DAY)
    values[:60] = np.nan
    assert not is_drifting(values, FIRST, side=1, steps_per_day=DAY)


def test_white_noise_turns_back_and_a_swing_goes_on() -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.normal(0, 1, 2000), np.sin(np.arange(2000) / 5.0), np.zeros(2000)])
    white, swinging, still = turning(rows)
    assert white == pytest.approx(-0.5, abs=0.05)
    assert swinging > 0.9
    assert still == 0.0


def test_flips_between_two_levels_are_counted_and_nothing_else_is() -> None:
    rng = np.random.default_rng(0)
    square = np.tile([0.0] * 5 + [1.0] * 5, 6) + rng.normal(0, 0.02, 60)
    few = np.zeros(60)
    few[[10, 30, 50]] = 1.0
    rows = np.stack([square, np.sin(np.arange(60)), rng.normal(0, 1, 60), np.ones(60), few])
    assert count_flips(rows).tolist() == [11, 0, 0, 0, 0]


def test_a_period_is_seen_in_a_swing_and_not_in_noise() -> None:
    assert periodicity(np.sin(np.arange(180) / 3.0)) > 0.9
    assert periodicity(np.random.default_rng(0).normal(0, 1, 180)) < 0.5
    assert periodicity(np.zeros(180)) == 0.0


def test_a_running_median_leaves_out_a_spike_and_keeps_a_step() -> None:
    values = np.array([0.0, 0, 0, 9, 0, 0, 5, 5, 5, 5])
    assert running_median(values).tolist() == [0, 0, 0, 0, 0, 5, 5, 5, 5, 5]
