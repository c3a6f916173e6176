from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from tankwatch.core.block import Block, Grid
from tankwatch.shaping.grid import hold_last, last_known, step_floor, to_block

NAN = np.nan
STEP_S = 60
STEP_MS = STEP_S * 1000
TANKS = ("T1", "T2")
CHANNELS = ("pressure", "temperature")


@dataclass(frozen=True)
class Rows:
    tank_index: NDArray[np.int32]
    observed_ms: NDArray[np.int64]
    values: NDArray[np.float64]

    def taken(self, rows: NDArray[np.int64]) -> "Rows":
        return Rows(self.tank_index[rows], self.observed_ms[rows], self.values[rows])

    def block(self, *, start_ms: int = 0, steps: int = 5, max_fill_steps: int = 0) -> Block:
        return to_block(
            self.tank_index,
            self.observed_ms,
            self.values,
            tanks=TANKS,
            channels=CHANNELS,
            grid=Grid(start_ms, steps, STEP_S),
            max_fill_steps=max_fill_steps,
        )


def rows(*readings: tuple[int, float, float, float]) -> Rows:
    """Return rows of (tank, seconds, pressure, temperature)."""
    table = np.array(readings, dtype=np.float64).reshape(-1, 4)
    return Rows(
        table[:, 0].astype(np.int32), (table[:, 1] * 1000).astype(np.int64), table[:, 2:].copy()
    )


@st.composite
def any_rows(draw: st.DrawFn) -> Rows:
    count = draw(st.integers(0, 40))
    number = st.floats(-1e6, 1e6) | st.just(NAN)
    return Rows(
        draw(hnp.arrays(np.int32, count, elements=st.integers(0, 1))),
        draw(hnp.arrays(np.int64, count, elements=st.integers(-STEP_MS, 21 * STEP_MS))),
        draw(hnp.arrays(np.float64, (count, 2), elements=number)),
    )


@pytest.mark.parametrize(
    ("time_ms", "floor_ms"),
    [(0, 0), (59_999, 0), (60_000, 60_000), (-1, -60_000), (-60_000, -60_000)],
)
def test_a_step_holds_its_beginning_and_not_its_end(time_ms: int, floor_ms: int) -> None:
    assert step_floor(time_ms, STEP_S) == floor_ms


def test_a_reading_falls_into_the_step_that_holds_its_time() -> None:
    block = rows((0, 0, 1.0, 10.0), (1, 59.999, 2.0, 20.0), (0, 60, 3.0, 30.0)).block(steps=2)
    assert_array_equal(block.values[0], [[1.0, 10.0], [3.0, 30.0]])
    assert_array_equal(block.values[1], [[2.0, 20.0], [NAN, NAN]])
    assert_array_equal(block.mask[1], [[True, True], [False, False]])
    assert (block.tanks, block.channels, block.step_s) == (TANKS, CHANNELS, STEP_S)


def test_readings_of_one_step_are_averaged_by_channel_over_what_is_known() -> None:
    block = rows((0, 1, 1.0, NAN), (0, 2, 2.0, 7.0), (0, 3, 6.0, NAN)).block(steps=1)
    assert_array_equal(block.values[0, 0], [3.0, 7.0])


def test_readings_outside_the_block_are_left_out() -> None:
    block = rows((0, -1, 1.0, 1.0), (0, 120, 2.0, 2.0)).block(steps=2, max_fill_steps=9)
    assert np.isnan(block.values).all()
    assert not block.mask.any()


def test_a_block_without_readings_is_unknown_throughout() -> None:
    block = rows().block(steps=3)
    assert block.values.shape == (2, 3, 2)
    assert not block.mask.any()


def test_a_value_is_held_for_the_allowed_steps_and_no_longer() -> None:
    block = rows((0, 0, 5.0, NAN)).block(steps=5, max_fill_steps=2)
    assert_array_equal(block.values[0, :, 0], [5.0, 5.0, 5.0, NAN, NAN])
    assert_array_equal(block.mask[0, :, 0], [True, True, True, False, False])
    assert not block.mask[0, :, 1].any()


def test_the_fill_is_the_same_whether_the_hole_turns_out_short_or_long() -> None:
    short = rows((0, 0, 5.0, 5.0), (0, 120, 9.0, 9.0)).block(steps=3, max_fill_steps=1)
    long = rows((0, 0, 5.0, 5.0)).block(steps=3, max_fill_steps=1)
    assert_array_equal(short.values[:, :2], long.values[:, :2])
    assert_array_equal(short.values[0, :, 0], [5.0, 5.0, 9.0])


def test_nothing_is_filled_before_the_first_reading() -> None:
    block = rows((0, 60, 5.0, 5.0)).block(steps=2, max_fill_steps=9)
    assert not block.mask[0, 0].any()


def test_nothing_is_held_if_no_fill_is_allowed() -> None:
    values = np.array([[[1.0], [NAN], [3.0]]])
    held, mask = hold_last(values, 0)
    assert_array_equal(held, values)
    assert_array_equal(mask[0, :, 0], [True, False, True])


def test_last_known_names_the_step_or_minus_one() -> None:
    known = np.array([[[False], [True], [False], [True]]])
    assert_array_equal(last_known(known)[0, :, 0], [-1, 1, 1, 3])


@settings(deadline=None)
@given(any_rows(), st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_order_of_arrival_does_not_change_one_bit(
    readings: Rows, random: Random, max_fill_steps: int
) -> None:
    order = list(range(readings.observed_ms.size))
    random.shuffle(order)
    shuffled = readings.taken(np.array(order, dtype=np.int64))
    expected = readings.block(steps=4, max_fill_steps=max_fill_steps)
    assert_array_equal(
        shuffled.block(steps=4, max_fill_steps=max_fill_steps).values, expected.values
    )


@settings(deadline=None)
@given(any_rows(), st.integers(0, 4), st.integers(0, 12), st.integers(1, 8))
def test_a_part_with_enough_context_equals_the_cut_of_the_whole(
    readings: Rows, max_fill_steps: int, first: int, steps: int
) -> None:
    whole = readings.block(steps=20, max_fill_steps=max_fill_steps)
    context = min(first, max_fill_steps)
    part = readings.block(
        start_ms=(first - context) * STEP_MS, steps=context + steps, max_fill_steps=max_fill_steps
    ).between(context, context + steps)
    cut = whole.between(first, first + steps)
    assert part.start_ms == cut.start_ms
    assert_array_equal(part.values, cut.values)
    assert_array_equal(part.mask, cut.mask)


@settings(deadline=None)
@given(any_rows(), st.integers(0, 4), st.integers(1, 20))
def test_later_readings_never_change_earlier_steps(
    readings: Rows, max_fill_steps: int, steps: int
) -> None:
    early = readings.taken(np.flatnonzero(readings.observed_ms < steps * STEP_MS))
    known_then = early.block(steps=20, max_fill_steps=max_fill_steps)
    known_now = readings.block(steps=20, max_fill_steps=max_fill_steps)
    assert_array_equal(known_then.values[:, :steps], known_now.values[:, :steps])


@settings(deadline=None)
@given(any_rows(), st.integers(0, 4))
def test_the_mask_is_true_exactly_where_a_value_stands(readings: Rows, max_fill_steps: int) -> None:
    block = readings.block(steps=20, max_fill_steps=max_fill_steps)
    assert_array_equal(block.mask, ~np.isnan(block.values))


@settings(deadline=None)
@given(any_rows())
def test_a_mean_lies_between_the_readings_it_is_taken_of(readings: Rows) -> None:
    block = readings.block(steps=1)
    for tank in range(len(TANKS)):
        here = (readings.tank_index == tank) & (readings.observed_ms // STEP_MS == 0)
        for channel in range(len(CHANNELS)):
            read = readings.values[here, channel]
            read = read[~np.isnan(read)]
            assert bool(block.mask[tank, 0, channel]) == bool(read.size)
            if read.size:
                slack = 1e-9 * np.abs(read).max()
                mean = block.values[tank, 0, channel]
                assert read.min() - slack <= mean <= read.max() + slack
