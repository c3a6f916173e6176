"""The clean history that a detector learns from."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from tankwatch.core.block import Block, Grid
from tankwatch.core.times import from_ms, to_ms
from tankwatch.errors import ModelError
from tankwatch.jobs.context import Context, load_block
from tankwatch.jobs.exclusions import Excluded, exclude, list_excluded
from tankwatch.jobs.scoring import load_plant
from tankwatch.shaping.grid import step_floor
from tankwatch.store.engine import reading
from tankwatch.store.operators import load_stretches
from tankwatch.store.plant import Channel, Tank
from tankwatch.store.watermarks import load_watermarks


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
    last_ms = max(mark.last_reading_ms for mark in marks.values())
    end_ms = step_floor(
        last_ms if until is None else min(last_ms, to_ms(until)), settings.grid.step_s
    )
    back_ms = timedelta(days=settings.train.history_days) // timedelta(milliseconds=1)
    first_ms = max(min(mark.first_reading_ms for mark in marks.values()), end_ms - back_ms)
    start_ms = step_floor(first_ms, settings.grid.step_s)
    tanks = [tank for key, tank in plan.tanks.items() if key in marks]
    grid = Grid(start_ms, max((end_ms - start_ms) // context.step_ms, 0), settings.grid.step_s)
    block = load_block(context, tanks, plan.channels, grid)
    left_out = exclude(block, tanks, plan=plan, settings=settings, known=known, marks=marks)
    mask = block.mask.copy()
    for part in left_out.values():
        mask &= ~part
    enough = mask.any(axis=2).sum(axis=1) >= settings.train.min_steps
    if not enough.any():
        most = int(mask.any(axis=2).sum(axis=1).max(initial=0))
        message = (
            f"no tank has {settings.train.min_steps} clean steps before {from_ms(end_ms)} "
            f"(the most is {most}): bring in more history, or lower train.min_steps"
        )
        raise ModelError(message)
    used = mask[enough].any(axis=(0, 1))
    values = np.where(mask, block.values, np.nan)[enough][:, :, used]
    channels = tuple(c for c, is_used in zip(plan.channels, used.tolist(), strict=True) if is_used)
    kept = tuple(tank for tank, has in zip(tanks, enough.tolist(), strict=True) if has)
    return History(
        block=Block(
            tuple(tank.name for tank in kept),
            tuple(channel.name for channel in channels),
            start_ms,
            settings.grid.step_s,
            values,
            mask[enough][:, :, used],
        ),
        tanks=kept,
        channels=channels,
        left_out=tuple(t.name for t, has in zip(tanks, enough.tolist(), strict=True) if not has),
        excluded=list_excluded(block, left_out, merge_gap=settings.detect.merge_gap_steps),
    )
