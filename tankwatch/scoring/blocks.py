"""Readings from the store, shaped for scoring."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block, Grid
from tankwatch.settings import Settings
from tankwatch.shaping.grid import to_block
from tankwatch.store.engine import Engine
from tankwatch.store.fleet import load_fleet
from tankwatch.store.plant import Channel, Tank


def load_block(
    engine: Engine,
    settings: Settings,
    tanks: Sequence[Tank],
    channels: Sequence[Channel],
    grid: Grid,
) -> Block:
    """Return the readings of `tanks` on `grid`; its first holes are filled from before it."""
    fill = settings.grid.max_fill_steps
    early = Grid(grid.start_ms - fill * grid.step_s * 1000, grid.steps + fill, grid.step_s)
    names = tuple(channel.name for channel in channels)
    ids = [tank.tank_id for tank in tanks]
    rows = load_fleet(
        engine,
        ids,
        names,
        from_ms=early.start_ms,
        until_ms=early.end_ms,
        expected=len(ids) * early.steps,
    )
    block = to_block(
        _places(ids, rows.tank_id),
        rows.observed_ms,
        rows.values,
        tanks=tuple(tank.name for tank in tanks),
        channels=names,
        grid=early,
        max_fill_steps=fill,
    )
    return block.between(fill, early.steps)


def _places(ids: Sequence[int], tank_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of `tank_id` stands in `ids`; ids are small numbers, so a table does."""
    table = np.zeros(max(ids, default=0) + 1, dtype=np.int64)
    table[ids] = np.arange(len(ids))
    return table[tank_id]
