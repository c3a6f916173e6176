"""What training reads and holds does not grow with the years, and every month is in it."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import insert

from tankwatch.core.block import Grid
from tankwatch.core.stretches import Why
from tankwatch.core.times import from_ms, parse_time, to_ms
from tankwatch.detectors.catalogue import build_detector
from tankwatch.detectors.silence import RESET_STEPS
from tankwatch.detectors.streaming import WARM_STEPS
from tankwatch.jobs.contest import held_out_block
from tankwatch.jobs.context import Context
from tankwatch.jobs.history import History, load_history
from tankwatch.jobs.train import train
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.maintenance import MaintenanceRow
from tankwatch.store.registry import load_artefact
from tests.integration.operators import say_fault
from tests.integration.plant import (
    START_MS,
    STEP_MS,
    at,
    make_context,
    make_settings,
    quiet_values,
    store,
)

DAY = 1440
HOLE = RESET_STEPS + WARM_STEPS
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MODEL = {"window": 12, "forecaster_units": (8,), "forecaster_epochs": 2}


def bounded(engine: Engine, home: Path, most_values: int, **sections: dict[str, Any]) -> Context:
    """Return a context whose training holds few values, fewer than settings allow."""
    context = make_context(engine, make_settings(home, **sections))
    train_ = context.settings.train.model_copy(update={"most_values": most_values})
    return replace(context, settings=context.settings.model_copy(update={"train": train_}))


def steps_of(grid: Grid) -> slice:
    first = (grid.start_ms - START_MS) // STEP_MS
    return slice(first, first + grid.steps)


def seasonal(tanks: int, days: int) -> NDArray[np.float64]:
    """Return a quiet plant whose temperature climbs by twelve degrees and falls again."""
    values = quiet_values(tanks, days * DAY)
    values[..., 1] += 12.0 * np.sin(np.pi * np.arange(days * DAY) / (days * DAY))
    return values


@pytest.mark.parametrize("steps", [700, 1400])
def test_a_bound_too_small_for_stretches_leaves_the_newest_part(
    engine: Engine, tmp_path: Path, steps: int
) -> None:
    store(engine, quiet_values(2, steps), slice(0, steps))
    settings = {"train": {"min_steps": 100}}
    whole = load_history(bounded(engine, tmp_path, 10**8, **settings), until=None).block
    block = load_history(bounded(engine, tmp_path, 2_000, **settings), until=None).block
    assert block.steps == 500
    assert block.values.tolist() == whole.values[:, -500:].tolist()


def test_stretches_of_all_of_the_time_are_read_into_their_places(
    engine: Engine, tmp_path: Path
) -> None:
    values = seasonal(2, 40)
    store(engine, values, slice(0, 40 * DAY))
    most = 4 * 4 * DAY
    context = bounded(engine, tmp_path, most)
    history = load_history(context, until=None)
    block, timeline = history.block, history.timeline
    assert block.values.size == most == block.mask.size
    assert len(timeline.grids) == 4
    known = np.zeros(block.steps, dtype=bool)
    for grid, place in zip(timeline.grids, timeline.places, strict=True):
        assert block.values[:, place].tolist() == values[:, steps_of(grid)].tolist()
        assert block.mask[:, place].all()
        known[place] = True
    assert (~known).sum() == 3 * HOLE
    assert not block.mask[:, ~known].any()
    assert np.isnan(block.values[:, ~known]).all()
    # Every third of the time before the newest part is there.
    older = steps_of(timeline.newest).start
    thirds = [3 * steps_of(grid).start // older for grid in timeline.grids[:-1]]
    assert sorted(thirds) == [0, 1, 2]
    again = load_history(context, until=None)
    assert again.timeline == timeline
    assert np.array_equal(again.block.values, block.values, equal_nan=True)
    other = bounded(engine, tmp_path, most, model={"seed": 1})
    assert load_history(other, until=None).timeline != timeline
    assert_late_is_newest(context, history, values)


def assert_late_is_newest(context: Context, history: History, values: NDArray[np.float64]) -> None:
    late = held_out_block(build_detector("fused", context.settings), history)
    end = 40 * DAY - 1
    assert late.values.tolist() == values[:, end - late.steps : end].tolist()
    assert late.start_ms == START_MS + (end - late.steps) * STEP_MS
    assert history.newest.values.tolist() == values[:, end - history.newest.steps : end].tolist()


def test_what_is_left_out_falls_where_it_was(engine: Engine, tmp_path: Path) -> None:
    rules = {"pressure": {"high": 2.0}}
    context = bounded(engine, tmp_path, 4 * 3 * DAY, channels=rules)
    values = seasonal(2, 30)
    store(engine, values, slice(0, 30 * DAY))
    timeline = load_history(context, until=None).timeline
    early, later = (steps_of(grid) for grid in timeline.grids[:2])
    unread = steps_of(timeline.newest).start - 30
    high = values.copy()
    high[1, early.start + 100 : early.start + 120, 0] = 2.5
    high[1, unread - 20 : unread, 0] = 2.5
    store(engine, high, slice(0, 30 * DAY))
    say_fault(engine, 1, early.start + 50, early.start + 80)
    say_fault(engine, 1, unread - 20, unread)
    with writing(engine) as connection:
        span = {"from_at": at(later.start - 200), "until_at": at(later.start + 10)}
        connection.execute(insert(MaintenanceRow), [{"tank_id": 2, "reason": "inspection", **span}])
    history = load_history(context, until=None)
    assert history.timeline == timeline
    found = {
        (one.tank, to_ms(parse_time(one.start)), to_ms(parse_time(one.end)), one.why)
        for one in history.excluded
    }

    def ms(step: int) -> int:
        return START_MS + step * STEP_MS

    assert found == {
        ("TK-1", ms(early.start + 50), ms(early.start + 81), Why.REAL_FAULT),
        ("TK-2", ms(early.start + 100), ms(early.start + 120), Why.BEYOND_LIMITS),
        ("TK-2", ms(later.start), ms(later.start + 11), Why.MAINTENANCE),
    }
    gone = np.zeros(history.block.mask.shape, dtype=bool)
    begin, next_begin = (place.start for place in timeline.places[:2])
    gone[0, begin + 50 : begin + 81] = True
    gone[1, begin + 100 : begin + 120, 0] = True
    gone[1, next_begin : next_begin + 11] = True
    for place in timeline.places:
        assert history.block.mask[:, place].tolist() == (~gone[:, place]).tolist()


@ON_SQLITE
def test_memory_does_not_grow_with_the_history(engine: Engine, tmp_path: Path) -> None:
    values = seasonal(2, 60)
    context = bounded(engine, tmp_path, 4 * 2 * DAY)
    peaks = []
    for first, last in ((0, 12), (12, 60)):
        store(engine, values, slice(first * DAY, last * DAY))
        tracemalloc.start()
        block = load_history(context, until=None).block
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert block.values.size <= 4 * 2 * DAY
    # A stretch is read at a time: the newest is the longest, and that of the shorter history longer
    # still, since fewer fortnights lie before it.
    assert peaks[1] <= 1.1 * peaks[0]


@ON_SQLITE
@pytest.mark.parametrize("detector", ["robust_z", "fused", "autoencoder"])
def test_detectors_learn_from_stretches_and_say_from_which(
    engine: Engine, tmp_path: Path, detector: str
) -> None:
    store(engine, seasonal(5, 30), slice(0, 30 * DAY))
    model = MODEL | {"units": (6,), "epochs": 2, "max_windows": 2000, "trim": 0.05}
    context = bounded(engine, tmp_path, 10 * 4 * DAY, model=model)
    result = train(context, detector, now=at(30 * DAY))
    timeline = load_history(context, until=None).timeline
    assert result.until == from_ms(timeline.newest.end_ms)
    with reading(engine) as connection:
        manifest = load_artefact(connection, result.model_version_id).manifest
    assert manifest["stretches"] == timeline.to_json()
    assert manifest["from"] == timeline.to_json()[0]["from"]
    late_ms = to_ms(parse_time(manifest["calibrated_from"]))
    assert timeline.newest.start_ms <= late_ms < timeline.newest.end_ms
    assert result.excluded_windows == 0
    spans = [(grid.start_ms, grid.end_ms) for grid in timeline.grids]
    for one in manifest["excluded"]:
        start, end = (to_ms(parse_time(one[name])) for name in ("start", "end"))
        assert any(low <= start < end <= high for low, high in spans)
    assert bool(manifest["excluded"]) == (detector == "autoencoder")
    # The middle of the year is known, though the newest part alone is half as warm.
    usual_high = max(row[1] for row in manifest["usual_range"]["high"])
    assert usual_high > 15.0 + 3.0 + 10.0
