"""The clean history that a detector learns from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block, Grid
from tankwatch.core.stretches import Why
from tankwatch.core.times import from_ms, to_ms
from tankwatch.errors import ModelError
from tankwatch.jobs.context import LOG, Context, load_block
from tankwatch.jobs.exclusions import Excluded, Mask, exclude, list_excluded
from tankwatch.jobs.scoring import Plan, load_plant
from tankwatch.shaping.grid import step_floor
from tankwatch.store.engine import reading
from tankwatch.store.operators import load_stretches
from tankwatch.store.plant import Channel, Tank
from tankwatch.store.watermarks import Watermark, load_watermarks

_CELLS_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class History:
    """A block to learn from, without what must not be learned, and the list of that."""

    block: Block
    tanks: tuple[Tank, ...]
    channels: tuple[Channel, ...]
    left_out: tuple[str, ...]
    excluded: tuple[Excluded, ...]


def load_history(context: Context, *, until: datetime | None) -> History:
    """Return the clean history of every tank that has enough of it.

    It is one block, 9 bytes for each tank, step and channel, twice while it is put together; a few
    tanks at a time are read and cleaned, which takes 180 bytes.  However many tanks and years there
    are, it holds no more than `train.most_values`: of a longer history the newest part.

    Raises:
        ModelError: no tank has.
    """
    settings = context.settings
    with reading(context.engine) as connection:
        marks = {mark.tank_id: mark for mark in load_watermarks(connection)}
        known = load_stretches(connection)
        plan = load_plant(connection)
    if not marks:
        message = "there are no readings to train on: bring some in with `tankwatch ingest`"
        raise ModelError(message)
    tanks = [tank for key, tank in plan.tanks.items() if key in marks]
    grid = _grid(context, marks.values(), until=until)
    grid = shorten(grid, len(tanks) * len(plan.channels), settings.train.most_values)
    at_once = max(_CELLS_AT_ONCE // max(grid.steps * len(plan.channels), 1), 1)
    parts = []
    for first in range(0, len(tanks), at_once):
        group = tanks[first : first + at_once]
        block = load_block(context, group, plan.channels, grid)
        left_out = exclude(block, group, plan=plan, settings=settings, known=known, marks=marks)
        parts.append(_clean(block, left_out, merge_gap=settings.detect.merge_gap_steps))
    return _together(context, plan, tanks, grid, parts)


def shorten(grid: Grid, values_a_step: int, most_values: int) -> Grid:
    """Return the newest part of `grid` that holds no more than `most_values`."""
    steps = min(grid.steps, most_values // max(values_a_step, 1))
    if steps < grid.steps:
        days = steps * grid.step_s / 86_400
        LOG.info("history shortened to train.most_values", days=round(days, 1))
    return Grid(grid.end_ms - steps * grid.step_s * 1000, steps, grid.step_s)


@dataclass(frozen=True, slots=True)
class _Part:
    values: NDArray[np.float64]
    mask: NDArray[np.bool_]
    excluded: tuple[Excluded, ...]


def _grid(context: Context, marks: Collection[Watermark], *, until: datetime | None) -> Grid:
    step_s = context.settings.grid.step_s
    last_ms = max(mark.last_reading_ms for mark in marks)
    end_ms = step_floor(last_ms if until is None else min(last_ms, to_ms(until)), step_s)
    history = timedelta(days=context.settings.train.history_days)
    back_ms = history // timedelta(milliseconds=1)
    first_ms = max(min(mark.first_reading_ms for mark in marks), end_ms - back_ms)
    start_ms = step_floor(first_ms, step_s)
    return Grid(start_ms, max((end_ms - start_ms) // context.step_ms, 0), step_s)


def _clean(block: Block, left_out: Mapping[Why, Mask], *, merge_gap: int) -> _Part:
    mask = block.mask.copy()
    for part in left_out.values():
        mask &= ~part
    excluded = list_excluded(block, left_out, merge_gap=merge_gap)
    return _Part(np.where(mask, block.values, np.nan), mask, excluded)


def _together(
    context: Context, plan: Plan, tanks: Sequence[Tank], grid: Grid, parts: Sequence[_Part]
) -> History:
    """Return the tanks that have enough clean steps, with the channels that any of them has."""
    least = context.settings.train.min_steps
    counts = np.concatenate([part.mask.any(axis=2).sum(axis=1) for part in parts])
    enough = [int(count) >= least for count in counts]
    if not any(enough):
        message = (
            f"no tank has {least} clean steps before {from_ms(grid.end_ms)} "
            f"(the most is {counts.max()}): bring in more history, or lower train.min_steps"
        )
        raise ModelError(message)
    mask = np.concatenate([part.mask for part in parts])[enough]
    used: Mask = np.any(mask, axis=(0, 1))
    values = np.concatenate([part.values for part in parts])[enough][:, :, used]
    channels = tuple(c for c, is_used in zip(plan.channels, used.tolist(), strict=True) if is_used)
    kept = tuple(tank for tank, has in zip(tanks, enough, strict=True) if has)
    names = tuple(tank.name for tank in kept), tuple(channel.name for channel in channels)
    return History(
        block=Block(*names, grid.start_ms, grid.step_s, values, mask[:, :, used]),
        tanks=kept,
        channels=channels,
        left_out=tuple(t.name for t, has in zip(tanks, enough, strict=True) if not has),
        excluded=tuple(one for part in parts for one in part.excluded),
    )
