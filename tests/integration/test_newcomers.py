"""A tank too new for the model is scored from its first hours, and shown as learning."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from tankwatch.core.incident import Symptom
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect
from tankwatch.jobs.evidence import load_evidence
from tankwatch.jobs.train import train
from tankwatch.scoring.plan import load_plan
from tankwatch.store.engine import Engine, reading, writing
from tests.integration.plant import (
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    scores,
    store,
    told,
)

LEARNED, STEPS, TANKS = 2880, 4300, 5
NEW = TANKS - 1
LOSS = slice(3700, 3760)


@pytest.fixture
def values() -> NDArray[np.float64]:
    """Five tanks; the last sends nothing before the others have been learned, then has a fault."""
    values = quiet_values(TANKS, STEPS)
    values[NEW, :LEARNED] = np.nan
    values[NEW, LEARNED:] += np.array([0.7, 4.0])
    values[NEW, LOSS, 0] -= 3.0
    return values


@pytest.fixture
def context(engine: Engine, values: NDArray[np.float64], tmp_path: Path) -> Context:
    context = make_context(engine, make_settings(tmp_path, siblings={"window_s": 0.0}))
    store(engine, values, slice(0, LEARNED))
    train(context, "robust_z", now=at(LEARNED))
    detect(context, now=at(LEARNED))
    return context


def statuses(engine: Engine) -> dict[str, tuple[str, bool]]:
    """Return the state of each tank, and whether it has a score."""
    with reading(engine) as connection:
        rows = connection.execute(text("SELECT tank, state, score FROM dash_tank_status"))
        return {tank: (state, score is not None) for tank, state, score in rows}


def test_a_new_tank_is_scored_after_six_hours_and_its_fault_is_found(
    context: Context, values: NDArray[np.float64]
) -> None:
    store(context.engine, values, slice(LEARNED, LEARNED + 300))
    detect(context, now=at(LEARNED + 300))
    assert scores(context.engine, "newcomer").size == 0
    assert statuses(context.engine)["TK-5"] == ("learning", False)
    store(context.engine, values, slice(LEARNED + 300, LEARNED + 600))
    detect(context, now=at(LEARNED + 600))
    found = scores(context.engine, "newcomer")
    assert found[:, 1].min() == LEARNED + 359
    assert found[:, 2].max() < 1.0
    assert statuses(context.engine)["TK-5"] == ("learning", True)
    assert statuses(context.engine)["TK-1"] == ("normal", True)
    store(context.engine, values, slice(LEARNED + 600, STEPS))
    detect(context, now=at(STEPS))
    (fault,) = (one for one in incidents(context.engine) if one.incident.tank == "TK-5")
    assert (fault.incident.detector, fault.incident.channel) == ("newcomer", "pressure")
    assert fault.incident.symptom is Symptom.BELOW_EXPECTED
    assert at(LOSS.start) <= fault.incident.started_at <= at(LOSS.start + 15)
    assert fault.incident.ended_at is not None
    plan = load_plan(context.engine, context.settings)
    shown = load_evidence(context, plan, fault, as_of=at(STEPS))
    assert np.nanmax(shown.score) >= 1.0


@pytest.mark.parametrize("cuts", [[1, 29, 30, 31, 400, 823, 900], list(range(7, 1420, 97))])
def test_passes_cut_anywhere_say_the_same_of_a_new_tank(
    context: Context, values: NDArray[np.float64], cuts: list[int]
) -> None:
    before = 0
    for cut in [*cuts, STEPS - LEARNED]:
        store(context.engine, values, slice(LEARNED + before, LEARNED + cut))
        detect(context, now=at(LEARNED + cut))
        before = cut
    in_parts = told(context.engine), scores(context.engine, "newcomer")
    assert in_parts[0]
    with writing(context.engine) as connection:
        for table in ("transition", "outbox", "incident", "score", "detector_state"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        connection.execute(text("UPDATE watermark SET scored_until = NULL, claimed_until = NULL"))
    detect(context, now=at(STEPS))
    assert told(context.engine) == in_parts[0]
    np.testing.assert_array_equal(scores(context.engine, "newcomer"), in_parts[1])


def test_a_tank_that_the_next_model_knows_is_new_no_more(
    context: Context, values: NDArray[np.float64]
) -> None:
    store(context.engine, values, slice(LEARNED, STEPS - 100))
    detect(context, now=at(STEPS - 100))
    again = train(context, "robust_z", now=at(STEPS - 100))
    assert again.promoted
    store(context.engine, values, slice(STEPS - 100, STEPS))
    detect(context, now=at(STEPS))
    assert statuses(context.engine)["TK-5"][0] in {"normal", "alarm"}
    # The last reading before the training was no step that was final yet.
    assert scores(context.engine, "newcomer")[:, 1].max() == STEPS - 102


def test_late_readings_of_a_new_tank_are_scored_in_their_order(
    context: Context, values: NDArray[np.float64]
) -> None:
    stop, hole = LEARNED + 700, slice(LEARNED + 480, LEARNED + 500)
    late = values.copy()
    late[NEW, hole] = np.nan
    for cut in range(LEARNED, stop, 100):
        store(context.engine, late, slice(cut, cut + 100))
        detect(context, now=at(cut + 100))
    without = scores(context.engine, "newcomer")
    store(context.engine, values, hole, tanks=[NEW])
    detect(context, now=at(stop))
    found = scores(context.engine, "newcomer")
    assert len(found) > len(without)
    assert found[:, 1].tolist() == list(range(LEARNED + 359, stop - 1))
    with writing(context.engine) as connection:
        tables = ("transition", "outbox", "incident", "score", "detector_state", "checkpoint")
        for table in (*tables, "site_memory"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        connection.execute(text("UPDATE watermark SET scored_until = NULL, claimed_until = NULL"))
    detect(context, now=at(stop))
    np.testing.assert_array_equal(scores(context.engine, "newcomer"), found)
