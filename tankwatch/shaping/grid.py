"""Readings onto a regular grid, without looking ahead and without inventing values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block, Grid


def step_floor(time_ms: int, step_s: int) -> int:
    """Return the beginning of the step that holds `time_ms`, in epoch milliseconds."""
    step_ms = step_s * 1000
    return time_ms // step_ms * step_ms


def to_block(
    tank_index: NDArray[np.integer[Any]],
    observed_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    *,
    tanks: tuple[str, ...],
    channels: tuple[str, ...],
    grid: Grid,
    max_fill_steps: int,
) -> Block:
    """Return the block of readings on `grid`.

    A step holds the mean of the readings that fall into it.  A step without a reading holds the
    last value for up to `max_fill_steps` steps after it; further on nothing is known: NaN, and
    false in the mask.  The fill looks only back, so a block that grows keeps its first part; load
    `max_fill_steps` steps before the ones that matter to get the same fill at their beginning.

    Args:
        tank_index: int (rows,), position in `tanks`.
        observed_ms: int64 (rows,), epoch milliseconds; rows outside the block are left out.
        values: float64 (rows, channels), NaN where a row has no value.
        tanks: names along the first axis.
        channels: names along the last axis.
        grid: first step, number of steps and their length.
        max_fill_steps: longest hole that is filled.
    """
    shape = (len(tanks), grid.steps, len(channels))
    position = (observed_ms - grid.start_ms) // (grid.step_s * 1000)
    inside = (position >= 0) & (position < grid.steps)
    if not inside.all():
        tank_index, position, values = tank_index[inside], position[inside], values[inside]
    slot = tank_index * np.int64(grid.steps) + position
    block = np.full((len(tanks) * grid.steps, len(channels)), np.nan)
    if np.bincount(slot, minlength=1).max() <= 1:
        block[slot] = values
    else:
        for channel in range(len(channels)):
            known = ~np.isnan(values[:, channel])
            _put_means(block[:, channel], slot[known], values[known, channel])
    held, mask = hold_last(block.reshape(shape), max_fill_steps)
    return Block(tanks, channels, grid.start_ms, grid.step_s, held, mask)


def _put_means(
    column: NDArray[np.float64], slots: NDArray[np.int64], values: NDArray[np.float64]
) -> None:
    """Write the mean of the values of each slot into `column`."""
    count = np.bincount(slots, minlength=column.size)
    # Summed from the least value up, so that the mean does not depend on the order of arrival.
    order = np.argsort(values)
    total = np.bincount(slots[order], weights=values[order], minlength=column.size)
    np.divide(total, count, out=column, where=count > 0)


def hold_last(
    values: NDArray[np.float64], max_fill_steps: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return `values` with short holes filled by the last value before them, and the mask.

    Args:
        values: float64 (tanks, steps, channels), NaN where nothing was read.
        max_fill_steps: steps after a reading for which it is held.
    """
    known = ~np.isnan(values)
    if known.all():
        return values, known
    last = last_known(known)
    age = np.arange(values.shape[1])[None, :, None] - last
    mask = (last >= 0) & (age <= max_fill_steps)
    held = np.take_along_axis(values, np.maximum(last, 0), axis=1)
    return np.where(mask, held, np.nan), mask


def last_known(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return, for each step, the index of the last known step up to it, -1 where there is none.

    Args:
        known: bool (tanks, steps, channels).
    """
    index = np.where(known, np.arange(known.shape[1])[None, :, None], -1)
    return np.maximum.accumulate(index, axis=1)
