import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tankwatch.core.block import Block, Grid
from tankwatch.errors import ShapeError

TANKS, CHANNELS = ("T1", "T2"), ("pressure", "temperature", "density")


def block(steps: int = 4) -> Block:
    values = np.arange(2.0 * steps * 3).reshape(2, steps, 3)
    return Block(TANKS, CHANNELS, 5000, 60, values, values >= 3)


def test_grid_ends_where_its_last_step_ends() -> None:
    assert Grid(5000, 4, 60).end_ms == 5000 + 4 * 60_000
    assert Grid(5000, 0, 60).end_ms == 5000


def test_steps_begin_at_regular_times() -> None:
    assert block().steps == 4
    assert block().step_ms == 60_000
    assert block().times_ms.dtype == np.int64
    assert_array_equal(block().times_ms, [5000, 65_000, 125_000, 185_000])


def test_block_may_have_no_steps() -> None:
    assert block(0).steps == 0
    assert block(0).times_ms.shape == (0,)


def test_part_of_a_block_keeps_its_times() -> None:
    whole = block()
    part = whole.between(1, 3)
    assert (part.tanks, part.channels, part.step_s) == (TANKS, CHANNELS, 60)
    assert_array_equal(part.times_ms, whole.times_ms[1:3])
    assert_array_equal(part.values, whole.values[:, 1:3])
    assert_array_equal(part.mask, whole.mask[:, 1:3])


def test_part_of_a_block_is_a_view() -> None:
    whole = block()
    assert np.shares_memory(whole.between(0, 2).values, whole.values)
    assert np.shares_memory(whole.between(0, 2).mask, whole.mask)


@pytest.mark.parametrize(
    ("values", "mask"),
    [
        ((3, 4, 3), (3, 4, 3)),
        ((2, 4, 2), (2, 4, 2)),
        ((2, 4, 3), (2, 5, 3)),
        ((2, 4, 3), (2, 4)),
        ((2, 4, 3, 1), (2, 4, 3, 1)),
    ],
)
def test_arrays_of_another_shape_are_refused(
    values: tuple[int, ...], mask: tuple[int, ...]
) -> None:
    wanted = r"2 tanks and 3 channels needs .*\(tanks, steps, channels\)"
    with pytest.raises(ShapeError, match=wanted):
        Block(TANKS, CHANNELS, 0, 60, np.zeros(values), np.zeros(mask, dtype=bool))
