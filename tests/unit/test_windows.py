from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from tankwatch.errors import ShapeError
from tankwatch.shaping.windows import (
    hold_fill,
    look_back_pairs,
    rolling_mean,
    sample_windows,
    sliding_windows,
    split_time,
    window_validity,
)


def counted(tanks: int, steps: int, channels: int) -> NDArray[np.float32]:
    """Return a block in which every value is another one."""
    return np.arange(tanks * steps * channels, dtype=np.float32).reshape(tanks, steps, channels)


def series(*known: int) -> NDArray[np.bool_]:
    return np.array(known, dtype=bool).reshape(1, -1, 1)


def test_windows_hold_consecutive_steps_of_one_tank() -> None:
    block = counted(2, 5, 2)
    windows = sliding_windows(block, 3)
    assert windows.shape == (2, 3, 3, 2)
    for tank in range(2):
        for start in range(3):
            assert_array_equal(windows[tank, start], block[tank, start : start + 3])


def test_windows_share_memory_with_the_block_and_cannot_be_written() -> None:
    block = counted(2, 5, 2)
    windows = sliding_windows(block, 3)
    assert np.shares_memory(windows, block)
    assert not windows.flags.writeable


@pytest.mark.parametrize("shape", [(2, 4, 1), (10, 1)])
def test_a_block_shorter_than_a_window_or_without_axes_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"windows of 5 steps .* got"):
        sliding_windows(np.zeros(shape), 5)


def test_look_back_gives_steps_minus_look_back_pairs() -> None:
    steps = counted(1, 6, 2)[0]
    before, after = look_back_pairs(steps, 4)
    assert before.shape == (2, 4, 2)
    assert_array_equal(before[1], steps[1:5])
    assert_array_equal(after, steps[4:])


def test_look_back_without_a_step_to_follow_is_refused() -> None:
    with pytest.raises(ShapeError, match="look-back of 4"):
        look_back_pairs(np.zeros((4, 1)), 4)


def test_a_window_with_too_many_unknown_steps_does_not_count() -> None:
    valid = window_validity(series(1, 0, 0, 1, 1, 1), 4, min_share=0.75)
    assert_array_equal(valid, [[False, False, True]])


def test_a_window_whose_last_step_is_unknown_does_not_count() -> None:
    valid = window_validity(series(1, 1, 1, 1, 0), 4, min_share=0.5)
    assert_array_equal(valid, [[True, False]])


def test_one_well_known_channel_makes_a_window_count() -> None:
    mask = np.zeros((1, 4, 2), dtype=bool)
    mask[0, :, 1] = True
    assert_array_equal(window_validity(mask, 4), [[True]])


def test_a_channel_known_last_and_another_known_before_do_not_add_up() -> None:
    mask = np.zeros((1, 4, 2), dtype=bool)
    mask[0, :3, 0] = True
    mask[0, 3, 1] = True
    assert_array_equal(window_validity(mask, 4, min_share=0.75), [[False]])


def test_the_late_part_has_its_share_and_both_parts_cover_the_block() -> None:
    assert split_time(100, 0.3, window=10) == (slice(0, 70), slice(70, 100))


@settings(deadline=None)
@given(st.integers(2, 400), st.floats(0.01, 0.99), st.integers(1, 60))
def test_no_window_of_one_part_shares_a_step_with_the_other(
    steps: int, share: float, window: int
) -> None:
    block = np.arange(steps)[None, :, None]
    try:
        early, late = split_time(steps, share, window=window)
    except ShapeError:
        assert min(round(steps * share), steps - round(steps * share)) < window
        return
    seen_early = set(sliding_windows(block[:, early], window).ravel().tolist())
    seen_late = set(sliding_windows(block[:, late], window).ravel().tolist())
    assert max(seen_early) < min(seen_late)
    assert seen_early | seen_late == set(range(steps))


def test_a_part_shorter_than_a_window_is_refused_with_the_remedy() -> None:
    with pytest.raises(ShapeError, match="give more history or a shorter window"):
        split_time(100, 0.05, window=10)


def test_windows_are_drawn_evenly_over_tanks() -> None:
    block = counted(4, 50, 1)
    drawn = sample_windows(block, np.ones((4, 46), dtype=bool), 5, count=40, seed=0)
    assert drawn.shape == (40, 5, 1)
    assert_array_equal(np.bincount(drawn[:, 0, 0].astype(int) // 50), [10, 10, 10, 10])


def test_no_window_is_drawn_twice_and_only_valid_ones_are() -> None:
    block = counted(3, 20, 1)
    valid = np.random.default_rng(1).random((3, 16)) < 0.5
    drawn = sample_windows(block, valid, 5, count=1000, seed=0)
    starts = sorted(drawn[:, 0, 0].tolist())
    tank, start = np.nonzero(valid)
    assert starts == (tank * 20.0 + start).tolist()
    assert (np.diff(drawn[:, :, 0], axis=1) == 1).all()


def test_the_seed_decides_which_windows_are_drawn() -> None:
    block, valid = counted(3, 60, 2), np.ones((3, 56), dtype=bool)
    first, again, other = (
        sample_windows(block, valid, 5, count=30, seed=seed) for seed in (7, 7, 8)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_drawn_windows_are_not_in_the_order_of_tanks_or_time() -> None:
    drawn = sample_windows(counted(2, 60, 1), np.ones((2, 56), dtype=bool), 5, count=40, seed=0)
    starts = drawn[:, 0, 0].tolist()
    rising = sum(before < after for before, after in pairwise(starts))
    assert 10 < rising < 29


def test_tanks_without_a_valid_window_leave_their_share_to_the_others() -> None:
    valid = np.ones((3, 46), dtype=bool)
    valid[1] = False
    drawn = sample_windows(counted(3, 50, 1), valid, 5, count=40, seed=0)
    assert_array_equal(np.bincount(drawn[:, 0, 0].astype(int) // 50, minlength=3), [20, 0, 20])


def test_nothing_valid_gives_no_windows_of_the_right_shape() -> None:
    drawn = sample_windows(counted(2, 9, 3), np.zeros((2, 5), dtype=bool), 5, count=4, seed=0)
    assert drawn.shape == (0, 5, 3)
    assert drawn.dtype == np.float32


def test_a_network_is_fed_the_last_known_value_or_the_median() -> None:
    values = np.array([np.nan, 2.0, np.nan, 4.0, 9.0], dtype=np.float32).reshape(1, -1, 1)
    filled = hold_fill(values, series(0, 1, 0, 1, 0))
    assert_array_equal(filled[0, :, 0], np.array([0.0, 2.0, 2.0, 4.0, 4.0]))
    assert filled.dtype == np.float32


@settings(deadline=None)
@given(
    hnp.arrays(np.float32, (2, 15, 2), elements=st.floats(-9, 9, width=32)),
    hnp.arrays(np.bool_, (2, 15, 2)),
    st.integers(1, 15),
)
def test_filling_looks_only_back_and_keeps_what_is_known(
    values: NDArray[np.float32], mask: NDArray[np.bool_], steps: int
) -> None:
    filled = hold_fill(values, mask)
    assert_array_equal(filled[mask], values[mask])
    assert_array_equal(filled[:, :steps], hold_fill(values[:, :steps], mask[:, :steps]))


def test_a_rolling_mean_is_taken_over_known_steps_only() -> None:
    values = np.array([1, 2, 3, 4, 5], dtype=np.float32).reshape(1, -1, 1)
    mean = rolling_mean(values, series(1, 1, 0, 0, 1), 2)
    assert_array_equal(mean[0, :, 0], [1.0, 1.5, 2.0, np.nan, 5.0])


@settings(deadline=None)
@given(
    hnp.arrays(np.float32, (2, 20, 1), elements=st.floats(-1e6, 1e6, width=32)),
    hnp.arrays(np.bool_, (2, 20, 1)),
    st.integers(1, 6),
    st.integers(0, 10),
)
def test_a_rolling_mean_does_not_depend_on_where_the_block_begins(
    values: NDArray[np.float32], mask: NDArray[np.bool_], steps: int, first: int
) -> None:
    whole = rolling_mean(values, mask, steps)
    part = rolling_mean(values[:, first:], mask[:, first:], steps)
    assert_array_equal(part[:, steps - 1 :], whole[:, first + steps - 1 :])


def test_a_rolling_mean_of_one_step_is_the_step() -> None:
    values = counted(1, 4, 2)
    assert_allclose(rolling_mean(values, np.ones_like(values, dtype=bool), 1), values)
