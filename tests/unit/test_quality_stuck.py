"""The rule for sensors that repeat themselves."""

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.quality.norms import learn_norms
from tankwatch.quality.stuck import check_stuck, equal_runs

FLAT = (240, 240)


def block_of(values: NDArray[np.float64]) -> Block:
    tanks = tuple(f"T{index}" for index in range(len(values)))
    return Block(tanks, ("pressure", "temperature"), 0, 60, values, np.isfinite(values))


def living(steps: int = 2000, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    values = rng.normal(0.0, 1.0, (2, steps, 2))
    values[1, :, 1] = np.round(values[1, :, 1].cumsum() / 60.0)  # coarse: repeats for long
    return values


def test_runs_count_equal_known_readings_only() -> None:
    values = np.array([[[1.0, 5.0], [1.0, np.nan], [2.0, 5.0], [2.0, 5.0], [2.0, 6.0]]])
    runs = equal_runs(block_of(values))
    assert runs[0, :, 0].tolist() == [1, 2, 1, 2, 3]
    assert runs[0, :, 1].tolist() == [1, 1, 2, 3, 1]


def test_a_stuck_sensor_is_told_within_its_own_measure_and_no_other() -> None:
    longest = learn_norms(block_of(living())).longest
    values = living(seed=1)
    values[0, 500:900, 0] = values[0, 499, 0]
    verdict = check_stuck(block_of(values), longest, FLAT)
    flagged = np.nan_to_num(verdict.score) >= 1.0
    allowed = int(np.ceil(max(1.5 * longest[0, 0], 20)))
    assert flagged[0, 499 + allowed - 1 : 900, 0].all()
    assert not flagged[0, : 499 + allowed - 1, 0].any()
    assert not flagged[:, :, 1].any()
    assert not flagged[1].any()


def test_what_repeats_for_long_anyway_and_what_is_unknown_is_left_to_the_flat_line() -> None:
    values = living()
    longest = np.array([[np.nan, 2.0], [200.0, 2.0]])
    values[:, 100:700, 0] = 3.0
    verdict = check_stuck(block_of(values), longest, FLAT)
    assert np.isnan(verdict.score[:, :, 0]).all()
    off = check_stuck(block_of(values), longest, (None, None))
    assert np.isnan(off.score).all()


def test_a_part_of_a_block_tells_what_the_whole_does() -> None:
    longest = learn_norms(block_of(living())).longest
    values = living(seed=2)
    values[0, 600:1100, 0] = 0.5
    values[0, 700:720, 0] = np.nan
    whole = check_stuck(block_of(values), longest, FLAT).score
    part = check_stuck(block_of(values[:, 500:]), longest, FLAT).score
    np.testing.assert_array_equal(part[:, 240:], whole[:, 740:])
