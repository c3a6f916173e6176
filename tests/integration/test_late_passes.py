"""Two passes at once, and one that is cut off, while readings come late."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from tankwatch.jobs.commit import PassResult, commit
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect, find_round, judge
from tankwatch.jobs.rewind import survey_site, take_back
from tankwatch.jobs.rounds import Round, TakenError
from tankwatch.scoring.plan import load_plan
from tankwatch.store.engine import Engine, writing
from tankwatch.store.watermarks import claim
from tests.integration.late_plant import LEARNED, STEPS, TANKS, Values, audit, plant, send
from tests.integration.plant import (
    at,
    incidents,
    quiet_values,
    scores,
    store,
    told,
)


@pytest.fixture
def values() -> Values:
    return quiet_values(TANKS, STEPS)


def begun(context: Context, now_step: int) -> Round:
    """Begin a pass as another daemon would, up to its claim."""
    plan = load_plan(context.engine, context.settings)
    turn = find_round(context, plan, "north", now=at(now_step))
    assert turn is not None
    with writing(context.engine) as connection:
        assert claim(connection, turn.seen_ms, until_ms=turn.until_ms) == set(turn.seen_ms)
    return turn


def test_a_pass_that_read_before_a_late_reading_cannot_store_over_what_it_changed(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    """One daemon has claimed and read, a reading comes late, another goes back for it."""
    context = plant(engine, tmp_path, values)
    values[1, 1600:1660, 0] -= 3.0
    late = values.copy()
    late[1, 1610:1640] = np.nan
    send(context, late, LEARNED, 1700)
    store(engine, values, slice(1700, 1800))
    plan = load_plan(engine, context.settings)
    judged = judge(context, plan, begun(context, 1800), now=at(1800))
    other = Context(engine, context.settings)
    send(other, values, 1610, 1640, 1)
    detect(other, now=at(1800))
    with pytest.raises(TakenError), writing(engine) as connection:
        commit(connection, context, plan, judged, now=at(1800), result=PassResult())
    stored = told(engine), scores(engine)
    detect(context, now=at(1800))
    assert_stored(context, stored)
    assert_like_in_order(context, values, 1800)


def test_of_two_passes_that_see_the_same_late_readings_one_goes_back(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values)
    values[1, 1600:1660, 0] -= 3.0
    late = values.copy()
    late[1, 1610:1640] = np.nan
    send(context, late, LEARNED, 1700)
    store(engine, values, slice(1610, 1640), tanks=[1])
    plan = load_plan(engine, context.settings)
    seen = survey_site(context, plan, "north")
    assert len(seen.dirty) == 1
    detect(Context(engine, context.settings), now=at(1700))
    take_back(context, plan, seen, now=at(1700))
    assert [action for action, *_ in audit(context)].count("score-again") == 1
    assert_like_in_order(context, values, 1700)


def test_a_reading_that_comes_while_a_pass_goes_back_is_not_forgotten(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values)
    values[1, 1600:1660, 0] -= 3.0
    late = values.copy()
    late[1, 1610:1640] = np.nan
    send(context, late, LEARNED, 1700)
    store(engine, values, slice(1610, 1625), tanks=[1])
    plan = load_plan(engine, context.settings)
    judged = judge(context, plan, begun(context, 1700), now=at(1700))
    store(engine, values, slice(1625, 1640), tanks=[1])
    with writing(engine) as connection:
        commit(connection, context, plan, judged, now=at(1700), result=PassResult())
    assert len(survey_site(context, plan, "north").dirty) == 1
    detect(context, now=at(1700))
    assert_like_in_order(context, values, 1700)


def test_a_pass_that_is_cut_off_after_going_back_is_taken_up(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values)
    values[1, 1600:1660, 0] -= 3.0
    late = values.copy()
    late[1, 1610:1640] = np.nan
    send(context, late, LEARNED, 1900)
    store(engine, values, slice(1610, 1640), tanks=[1])
    plan = load_plan(engine, context.settings)
    judged = judge(context, plan, begun(context, 1900), now=at(1900))
    with writing(engine) as connection:
        commit(connection, context, plan, judged, now=at(1900), result=PassResult())
    # Between two rounds nothing is opened or withdrawn that the rest may show to be otherwise.
    assert [one.incident.historical for one in incidents(engine)] == [False]
    detect(Context(engine, context.settings), now=at(1900))
    assert_like_in_order(context, values, 1900)


def assert_stored(context: Context, stored: tuple[Any, NDArray[np.float64]]) -> None:
    assert told(context.engine) == stored[0]
    np.testing.assert_array_equal(scores(context.engine), stored[1])


def assert_like_in_order(context: Context, values: Values, until: int) -> None:
    """Compare with a plant that got the same readings in order and scored them in one pass."""
    found, found_scores = told(context.engine), scores(context.engine)
    with writing(context.engine) as connection:
        for table in ("transition", "outbox", "incident", "score", "detector_state"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        for table in ("checkpoint", "site_memory", "dirty_window"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        connection.execute(text("UPDATE watermark SET scored_until = NULL, claimed_until = NULL"))
    detect(context, now=at(until))
    assert found == told(context.engine)
    np.testing.assert_allclose(found_scores, scores(context.engine), atol=2e-4)
    assert np.isfinite(values[:, :until]).all()
