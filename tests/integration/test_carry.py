"""Memories that are carried from pass to pass: what they give does not depend on the passes."""

from pathlib import Path

import numpy as np
import pytest

from tankwatch.jobs.carry import Memory, is_led_in, load_memories, memory_kind
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect, find_round
from tankwatch.jobs.housekeeping import housekeeping
from tankwatch.jobs.judging import lookback_steps
from tankwatch.jobs.train import train
from tankwatch.scoring.plan import load_plan
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.scores import load_states, store_states
from tests.integration.plant import (
    at,
    make_context,
    make_settings,
    quiet_values,
    scores,
    store,
    told,
)

LEARNED, STEPS, TANKS = 1440, 1900, 6
MODEL = {"forecaster_units": (8,), "forecaster_epochs": 3}


def plant(engine: Engine, home: Path) -> Context:
    settings = make_settings(home, detect={"detector": "fused"}, model=MODEL)
    context = make_context(engine, settings)
    values = quiet_values(TANKS, STEPS)
    store(engine, values, slice(0, LEARNED))
    train(context, "fused", now=at(LEARNED))
    detect(context, now=at(LEARNED))
    return context


@pytest.mark.parametrize("passes", [(1, 2, 17, 60, 161)])
def test_many_passes_score_what_one_would(
    engine: Engine, tmp_path: Path, passes: tuple[int, ...]
) -> None:
    context = plant(engine, tmp_path)
    values = quiet_values(TANKS, STEPS)
    values[1, 1600:1660, 0] -= 3.0
    values[3, 1700:1780] = np.nan
    begin = LEARNED
    for length in (*passes, STEPS - LEARNED - sum(passes)):
        store(engine, values, slice(begin, begin + length))
        begin += length
        detect(context, now=at(begin))
    in_passes, of_passes = scores(engine, "fused"), told(engine)
    assert any(tank == "TK-2" for _, tank, *_ in of_passes)

    plan = load_plan(engine, context.settings)
    assert plan.primary is not None
    block_scores = plan.primary.detector.score_samples(_read_back(values))
    at_once = {
        (tank, step): block_scores[tank, step]
        for tank in range(TANKS)
        for step in range(LEARNED + 60, STEPS - 2)
    }
    compared = [
        (score, at_once[int(tank) - 1, int(step)])
        for tank, step, score in in_passes
        if (int(tank) - 1, int(step)) in at_once
    ]
    assert len(compared) > TANKS * 300
    found, wanted = np.array(compared).T
    assert np.isfinite(wanted).all()
    np.testing.assert_allclose(found, wanted, rtol=2e-2, atol=2e-2)


def test_a_pass_that_is_led_in_loads_what_the_rules_need_and_no_more(
    engine: Engine, tmp_path: Path
) -> None:
    context = plant(engine, tmp_path)
    store(engine, quiet_values(TANKS, STEPS), slice(LEARNED, STEPS))
    plan = load_plan(engine, context.settings)
    turn = find_round(context, plan, "north", now=at(STEPS))
    assert turn is not None
    assert len(turn.tank_ids) == TANKS
    with reading(engine) as connection:
        memories = load_memories(connection, plan, turn.tank_ids)
    assert is_led_in(memories, turn.tank_ids, turn.begin_ms)
    assert not is_led_in(memories, turn.tank_ids, turn.begin_ms + 60_000)
    cold = lookback_steps(plan, context.settings)
    assert lookback_steps(plan, context.settings, led_in=True) < 300 < cold


def test_memories_of_versions_that_score_no_more_are_deleted(
    engine: Engine, tmp_path: Path
) -> None:
    context = plant(engine, tmp_path)
    version = load_plan(engine, context.settings).scorers[0].model_version_id
    with writing(engine) as connection:
        states = load_states(connection, memory_kind(version))
        assert len(states) == TANKS
        store_states(connection, memory_kind(version + 7), states)
    housekeeping(context, now=at(STEPS))
    with reading(engine) as connection:
        assert load_states(connection, memory_kind(version)) == states
        assert load_states(connection, memory_kind(version + 7)) == {}


def test_a_memory_is_stored_to_the_last_bit() -> None:
    numbers = np.array([0.1, np.nan, -1e300, 5e-324])
    again = Memory.from_json(Memory(123, numbers).to_json())
    assert again.until_ms == 123
    np.testing.assert_array_equal(again.numbers, numbers)


def _read_back(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the block as the grid gives it: a hole is filled for three steps."""
    filled = values.copy()
    filled[3, 1700:1703] = filled[3, 1699]
    return filled
