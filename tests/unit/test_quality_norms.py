"""What is usual for the sensors of a fleet."""

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.quality.norms import SensorNorms, learn_norms

NAMES = [field.name for field in fields(SensorNorms)]


def block_of(values: NDArray[np.float64]) -> Block:
    tanks = tuple(f"T{index}" for index in range(len(values)))
    return Block(tanks, ("pressure", "temperature"), 0, 60, values, np.isfinite(values))


def living(tanks: int = 5, steps: int = 3000) -> NDArray[np.float64]:
    rng = np.random.default_rng(3)
    slow = np.sin(np.arange(steps) / 200.0)[None, :, None]
    return np.asarray(slow + rng.normal(0.0, 0.05, (tanks, steps, 2)))


@pytest.mark.parametrize("name", NAMES)
def test_norms_are_stored_and_put_in_another_order(name: str) -> None:
    norms = learn_norms(block_of(living()))
    learned = getattr(norms, name)
    again = getattr(SensorNorms.from_json(norms.to_json()), name)
    np.testing.assert_array_equal(learned, again)
    other = getattr(norms.of([1, -1], [1, None]), name)
    assert other[0, 0] == learned[1, 1]
    assert np.isnan(other[0, 1])
    assert np.isnan(other[1]).all()


def test_what_an_older_version_did_not_learn_is_unknown() -> None:
    norms = SensorNorms.from_json({"longest": [[3.0, None]]})
    assert norms.longest[0, 0] == 3.0
    assert np.isnan(norms.longest[0, 1])
    for name in NAMES[1:]:
        assert np.isnan(getattr(norms, name)).all()
        assert getattr(norms, name).shape == (1, 2)


def test_the_usual_noise_is_that_of_the_sensor_whatever_the_tank_does() -> None:
    norms = learn_norms(block_of(living()))
    np.testing.assert_allclose(norms.scale, 0.05, rtol=0.1)
    assert ((norms.quietest > 0.5) & (norms.quietest < 1.0)).all()
    assert ((norms.noisiest > 1.0) & (norms.noisiest < 1.6)).all()
    assert (norms.flip == 0.0).all()


def test_a_tank_that_was_broken_in_the_history_does_not_make_its_rules_deaf() -> None:
    values = living()
    rng = np.random.default_rng(4)
    values[0, 1000:1200, 0] += rng.normal(0.0, 0.5, 200)
    norms = learn_norms(block_of(values))
    assert norms.noisiest[0, 0] <= 1.5 * np.median(norms.noisiest[:, 0])


def test_a_channel_that_was_never_read_has_no_norms() -> None:
    values = living()
    values[2, :, 1] = np.nan
    norms = learn_norms(block_of(values))
    for name in NAMES[:4]:
        assert np.isnan(getattr(norms, name)[2, 1])
        assert np.isfinite(getattr(norms, name)[2, 0])
