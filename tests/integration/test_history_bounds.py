"""What training holds in memory does not grow with the years."""

from dataclasses import replace
from pathlib import Path

import pytest

from tankwatch.core.block import Grid
from tankwatch.jobs.history import load_history, shorten
from tankwatch.store.engine import Engine
from tests.integration.plant import make_context, make_settings, quiet_values, store


def test_grid_is_shortened_to_its_newest_part() -> None:
    grid = Grid(start_ms=0, steps=1000, step_s=60)
    assert shorten(grid, 10, 10_000) == grid
    short = shorten(grid, 10, 4_005)
    assert (short.steps, short.end_ms) == (400, grid.end_ms)


@pytest.mark.parametrize("steps", [700, 1400])
def test_history_holds_no_more_than_it_may_however_long_it_is(
    engine: Engine, tmp_path: Path, steps: int
) -> None:
    context = make_context(engine, make_settings(tmp_path, train={"min_steps": 100}))
    store(engine, quiet_values(2, steps), slice(0, steps))
    train = context.settings.train.model_copy(update={"most_values": 2_000})
    bounded = replace(context, settings=context.settings.model_copy(update={"train": train}))
    whole = load_history(context, until=None).block
    block = load_history(bounded, until=None).block
    assert block.steps == 500
    assert block.values.tolist() == whole.values[:, -500:].tolist()
