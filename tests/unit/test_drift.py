import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from tankwatch.core.drift import (
    FEWEST,
    ScoreReference,
    decorrelation_steps,
    make_reference,
    measure_shift,
)

TANKS = 12


def scores(seed: int, steps: int = 6000, memory: float = 0.0) -> NDArray[np.float64]:
    """Return scores of tanks that differ in scale, each step remembering the one before."""
    noise = np.random.default_rng(seed).normal(size=(TANKS, steps))
    walk = lfilter([np.sqrt(1 - memory**2)], [1, -memory], noise, axis=1)
    return np.asarray(np.exp(0.5 * walk) * np.linspace(0.1, 0.6, TANKS)[:, None])


def test_the_same_distribution_has_not_shifted() -> None:
    reference = make_reference(scores(0), thin_steps=1)
    shift = measure_shift(reference, scores(1), level=0.1)
    assert shift.psi < 0.01
    assert shift.ks < 0.02
    assert shift.judged == TANKS
    assert not shift.shifted.any()
    assert not shift.is_fleet


def test_a_fleet_that_is_half_as_high_again_has_shifted() -> None:
    reference = make_reference(scores(0), thin_steps=1)
    shift = measure_shift(reference, 1.5 * scores(1), level=0.25)
    assert shift.is_fleet
    assert shift.shifted.all()
    # Two lognormals of spread 0.5 that are log 1.5 apart: J = (log 1.5 / 0.5)^2, binned a bit less.
    assert shift.psi == pytest.approx((np.log(1.5) / 0.5) ** 2, rel=0.1)
    # The largest distance of their distribution functions: 2 Phi(d / 2) - 1 with d = 0.81.
    assert shift.ks == pytest.approx(0.315, abs=0.02)


def test_only_the_tanks_that_changed_are_named() -> None:
    lately = scores(1)
    lately[[2, 7]] *= 2.0
    shift = measure_shift(make_reference(scores(0), thin_steps=1), lately, level=0.25)
    assert np.flatnonzero(shift.shifted).tolist() == [2, 7]


def test_a_wider_distribution_of_the_same_median_has_shifted() -> None:
    reference = make_reference(scores(0), thin_steps=1)
    lately = scores(1)
    middle = np.median(lately, axis=1, keepdims=True)
    shift = measure_shift(reference, middle * (lately / middle) ** 2, level=0.25)
    assert shift.is_fleet


def test_few_scores_are_not_taken_for_a_shift() -> None:
    reference = make_reference(scores(0), thin_steps=1)
    alarms = sum(
        int(measure_shift(reference, scores(seed, FEWEST), level=0.05).shifted.sum())
        for seed in range(1, 40)
    )
    assert alarms <= 5  # of 468; without the bound of chance nearly all have PSI above 0.05
    assert np.isnan(measure_shift(reference, scores(1, FEWEST - 1), level=0.05).tank_psi).all()


def test_scores_that_follow_each_other_are_thinned_until_they_are_hardly_alike() -> None:
    remembered = scores(0, 20_000, memory=0.95)
    thin = decorrelation_steps(remembered)
    assert 20 <= thin <= 45  # 0.95^31 = 0.2
    assert decorrelation_steps(scores(0)) == 1
    reference = make_reference(remembered, thin_steps=thin)
    lately = scores(1, 2000, memory=0.95)
    assert not measure_shift(reference, lately, level=0.05).shifted.any()
    assert measure_shift(make_reference(remembered, thin_steps=1), lately, level=0.05).shifted.any()


def test_missing_scores_and_tanks_without_any_are_left_out() -> None:
    first = scores(0)
    first[3] = np.nan
    first[4, 10:] = np.nan
    lately = scores(1)
    lately[:, ::3] = np.nan
    lately[5] = np.nan
    shift = measure_shift(make_reference(first, thin_steps=1), lately, level=0.25)
    assert np.flatnonzero(np.isnan(shift.tank_psi)).tolist() == [3, 4, 5]
    assert not shift.is_fleet


def test_scores_that_are_all_the_same_do_not_shift_by_themselves() -> None:
    flat = np.full((2, 500), 0.3)
    shift = measure_shift(make_reference(flat, thin_steps=1), flat, level=0.25)
    assert (shift.psi, shift.is_fleet, int(shift.shifted.sum())) == (0.0, False, 0)
    zero = measure_shift(make_reference(flat * 0, thin_steps=1), flat, level=0.25)
    assert (zero.judged, zero.is_fleet) == (0, False)


def test_the_reference_survives_json() -> None:
    first = scores(0)
    first[3] = np.nan
    reference = make_reference(first, thin_steps=2)
    stored = ScoreReference.from_json(json.loads(json.dumps(reference.to_json(), allow_nan=False)))
    level = 0.1
    found, again = (measure_shift(each, scores(1), level=level) for each in (reference, stored))
    np.testing.assert_array_equal(found.tank_psi, again.tank_psi)
    assert (found.psi, found.ks) == (again.psi, again.ks)
