"""The paths of a trend say what `trend_crossings` says, step by step."""

import numpy as np
import pytest

from tankwatch.detectors.rollout import time_to_limit
from tankwatch.detectors.trend import ERRORS, trend_crossings, trend_paths

STEPS, HORIZON, LIMIT = 900, 30, 1.85


def rise(slope: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return a channel that stands at 1 and rises for the last thirty steps."""
    values = 1.0 + np.random.default_rng(0).normal(0, 0.01, STEPS)
    values[-30:] += slope * np.arange(1, 31)
    return values


@pytest.mark.parametrize("slope", [0.02, 0.01, 0.0, -0.01])
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_paths_cross_a_limit_where_the_trend_does(slope: float, holes: float) -> None:
    values = rise(slope)
    mask = np.random.default_rng(1).random(STEPS) >= holes
    mask[-5:] = True
    paths = trend_paths(np.where(mask, values, np.nan), mask, horizon=HORIZON)
    assert paths.shape == (ERRORS, HORIZON)
    crossings = trend_crossings(
        values, mask, np.array([STEPS - 1]), limit=LIMIT, above=True, horizon=HORIZON
    )[0]
    # It looks at every third step, the paths at each: never later, and at most two steps sooner.
    looked = np.arange(2, HORIZON, 3)
    beyond = paths[:, looked] >= LIMIT
    first = np.where(beyond.any(axis=1), looked[beyond.argmax(axis=1)] + 1.0, np.inf)
    known = np.isfinite(crossings) | np.isfinite(first)
    np.testing.assert_array_equal(first[known], crossings[known])
    assert known.any() == (slope == 0.02)


def test_paths_begin_at_the_level_and_widen() -> None:
    values = rise(0.02)
    paths = trend_paths(values, np.ones(STEPS, dtype=bool), horizon=HORIZON)
    low, middle, high = np.quantile(paths, (0.05, 0.5, 0.95), axis=0)
    assert abs(middle[0] - values[-1]) < 0.1
    assert (np.diff(middle) > -0.02).all()
    assert middle[-1] > middle[0] + 0.2
    assert high[-1] - low[-1] > high[0] - low[0]
    reached = time_to_limit(paths, LIMIT, above=True)
    assert reached.share > 0.9
    assert reached.earliest is not None


def test_too_little_history_leads_nowhere() -> None:
    values = rise(0.02)
    mask = np.ones(STEPS, dtype=bool)
    mask[:-35] = False
    assert np.isnan(trend_paths(values, mask, horizon=HORIZON)).all()


def test_fewer_steps_than_errors_give_what_there_is() -> None:
    values = rise(0.0)[-200:]
    paths = trend_paths(values, np.ones(200, dtype=bool), horizon=HORIZON)
    assert np.isfinite(paths).any(axis=0).all()
    assert np.isnan(paths[-1]).all()
