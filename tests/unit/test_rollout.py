"""Paths drawn ahead, and when they cross a limit."""

import numpy as np
import pytest

from tankwatch.detectors.forecaster import LSTMForecaster
from tankwatch.detectors.rollout import sample_fleet, sample_paths, time_to_limit
from tankwatch.detectors.surprise import Surprise, fresh_memory

STEPS, LEARNED, HORIZON = 2400, 2000, 20


@pytest.fixture(scope="module")
def fitted() -> tuple[LSTMForecaster, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(STEPS) / 300)[None, :, None]
    values = np.array([1.0, 20.0]) + wave * np.array([0.3, 2.0])
    values = values + rng.normal(0, 1, (3, STEPS, 2)) * np.array([0.01, 0.05])
    detector = LSTMForecaster(units=(12,), epochs=12, chunk=60, random_state=1)
    return detector.fit(values[:, :LEARNED]), values


def test_paths_are_repeatable_widen_and_hold_the_truth(
    fitted: tuple[LSTMForecaster, np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
) -> None:
    detector, values = fitted
    inside, widths = [], []
    for now in range(LEARNED, STEPS - HORIZON, 40):
        known = values[1, now - 600 : now]
        mask = np.ones(known.shape, dtype=bool)
        paths = sample_paths(detector, known, mask, place=1, horizon=HORIZON, paths=80, seed=now)
        assert paths.shape == (80, HORIZON, 2)
        again = sample_paths(detector, known, mask, place=1, horizon=HORIZON, paths=80, seed=now)
        np.testing.assert_array_equal(paths, again)
        low, high = np.quantile(paths, (0.05, 0.95), axis=0)
        truth = values[1, now : now + HORIZON]
        inside.append((truth >= low) & (truth <= high))
        widths.append(high - low)
    assert 0.6 <= np.mean(inside) <= 1.0
    width = np.mean(widths, axis=0)
    assert (width[-1] > width[0]).all()


def test_drawn_paths_are_those_of_a_loop_that_looks_at_the_whole_series_anew(
    fitted: tuple[LSTMForecaster, np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
) -> None:
    detector, values = fitted
    known = values[1, LEARNED - 300 : LEARNED]
    found = sample_paths(
        detector, known, np.ones(known.shape, dtype=bool), place=1, horizon=4, paths=3, seed=7
    )
    center, scale = detector.scaling_.location[1], detector.scaling_.scale[1]
    alone = Surprise(detector.surprise_.change, np.full(3, -1))
    place, rng = np.array([1]), np.random.default_rng(7)
    network = detector.served(place)
    series = [known] * 3
    for step in range(4):
        drawn = rng.standard_t(detector.spec.dof, (3, 2))
        for path in range(3):
            scaled = ((series[path] - center) / scale)[None].astype(np.float32)
            everything = np.ones(scaled.shape, dtype=bool)
            memory = fresh_memory(1, 2, network.state_size)
            inputs, _ = alone.inputs(scaled, everything, place, memory)
            mean, width, _ = network.run(inputs, np.zeros((1, network.state_size), np.float32))
            change = (mean[0, -1] + width[0, -1] * drawn[path]) * alone.change[1]
            following = (scaled[0, -1] + change) * scale + center
            np.testing.assert_allclose(found[path, step], following, rtol=1e-3, atol=1e-4)
            series[path] = np.concatenate([series[path], following[None]])


def test_the_time_to_a_limit_is_that_of_the_first_crossing() -> None:
    paths = np.zeros((4, 5))
    paths[0, 2:] = 3.0
    paths[1, 4] = 2.0
    paths[2, 0] = 2.5
    ahead = time_to_limit(paths, 2.0, above=True)
    assert (ahead.share, ahead.earliest, ahead.latest) == (0.75, 1, 5)
    never = time_to_limit(paths, 9.0, above=True)
    assert (never.share, never.earliest, never.latest) == (0.0, None, None)
    assert time_to_limit(-paths, -2.0, above=False).share == 0.75


def test_a_fleet_is_drawn_as_each_tank_alone(
    fitted: tuple[LSTMForecaster, np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
) -> None:
    detector, values = fitted
    known = values[[2, 0], LEARNED - 300 : LEARNED]
    mask = np.ones(known.shape, dtype=bool)
    both = sample_fleet(detector, known, mask, places=np.array([2, 0]), horizon=10, paths=20)
    assert both.shape == (2, 20, 10, 2)
    for index, place in enumerate((2, 0)):
        alone = sample_paths(detector, known[index], mask[index], place=place, horizon=10, paths=20)
        np.testing.assert_allclose(both[index], alone, rtol=1e-4)
