"""A tank that heads for a limit is told of before it is there, once, and only while it matters."""

from email import policy
from email.parser import BytesParser
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from tankwatch.core.incident import IncidentState, Symptom
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.train import train
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.plant import set_response, tank_ids
from tankwatch.store.transitions import load_transitions
from tests.integration.plant import (
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    store,
    told,
)

LEARNED, STEPS, TANKS = 1440, 1800, 3
FILL = 1520
LIMIT = 2.0


def ordinary_fills(values: NDArray[np.float64], *, until: int) -> None:
    """Let every tank be filled now and then, its vent lifting at 1.7 kPa."""
    for tank in range(values.shape[0]):
        for start in range(150 + 40 * tank, until, 260):
            rise = np.minimum(np.arange(60) * 0.02, 0.5)
            values[tank, start : start + 60, 0] = 1.2 + rise + values[tank, start, 0] * 0.01
            values[tank, start : start + 60, 0] += np.random.default_rng(start).normal(0, 0.01, 60)


@pytest.fixture
def values() -> NDArray[np.float64]:
    """Three tanks that are filled as usual; then the vent of the second does not lift."""
    values = quiet_values(TANKS, STEPS)
    ordinary_fills(values, until=STEPS - 100)
    rise = np.minimum(1.2 + 0.02 * np.arange(80), 2.5)
    values[1, FILL : FILL + 80, 0] = rise + np.random.default_rng(7).normal(0, 0.01, 80)
    values[1, FILL + 80 :, 0] = quiet_values(TANKS, STEPS)[1, FILL + 80 :, 0]
    return values


@pytest.fixture
def context(engine: Engine, values: NDArray[np.float64], tmp_path: Path) -> Context:
    """A plant with a limit that has learned its first day."""
    settings = make_settings(tmp_path, channels={"pressure": {"high": LIMIT}})
    context = make_context(engine, settings)
    store(engine, values, slice(0, LEARNED))
    train(context, "robust_z", now=at(LEARNED))
    detect(context, now=at(LEARNED))
    return context


def watch(context: Context, values: NDArray[np.float64], *cuts: int) -> None:
    """Score what came after learning, a pass for each cut, each as soon as its readings are in."""
    before = LEARNED
    for cut in cuts:
        store(context.engine, values, slice(before, cut))
        detect(context, now=at(cut))
        before = cut


EVERY_TEN = tuple(range(LEARNED + 10, STEPS + 1, 10))


def test_a_fill_that_heads_for_its_limit_is_told_before_and_the_crossing_joins(
    context: Context, values: NDArray[np.float64]
) -> None:
    watch(context, values, *EVERY_TEN)
    (found,) = incidents(context.engine)
    incident = found.incident
    crossed = at(FILL + 40)
    assert (incident.tank, incident.detector) == ("TK-2", "time_to_limit")
    assert incident.symptom is Symptom.TO_HIGH_LIMIT
    assert at(FILL + 20) <= incident.raised_at < crossed
    assert incident.outlook is not None
    assert incident.outlook.probability >= 0.9
    first, last = incident.outlook.earliest_s, incident.outlook.latest_s
    left = (crossed - incident.raised_at).total_seconds()
    assert first - 240 <= left <= last + 240
    assert incident.state is IncidentState.RETURNED_UNACKNOWLEDGED
    with reading(context.engine) as connection:
        history = load_transitions(connection, found.incident_id)
    assert any(row["reason"].startswith("limit: above_limit") for row in history)


def test_the_mail_says_how_much_time_is_left(
    context: Context, values: NDArray[np.float64], tmp_path: Path
) -> None:
    watch(context, values, *(cut for cut in EVERY_TEN if cut <= FILL + 40))
    deliver(context, now=at(FILL + 40))
    (mail,) = (tmp_path / "outbox").glob("*.eml")
    message = BytesParser(policy=policy.default).parsebytes(mail.read_bytes())
    subject = str(message["Subject"])
    assert subject.startswith("ALARM TK-2 pressure reaches its high limit in ")
    body = message.get_body(("plain",))
    assert body is not None
    shown = " ".join(body.get_content().split())
    assert "heads for its high limit of 2 kPa" in shown
    assert "within its response time of 30 min" in shown
    assert "Can what drives it be stopped or slowed" in shown


def test_ordinary_fills_warn_of_nothing(engine: Engine, tmp_path: Path) -> None:
    values = quiet_values(TANKS, STEPS)
    ordinary_fills(values, until=STEPS - 100)
    settings = make_settings(tmp_path, channels={"pressure": {"high": LIMIT}})
    context = make_context(engine, settings)
    store(engine, values, slice(0, LEARNED))
    train(context, "robust_z", now=at(LEARNED))
    detect(context, now=at(LEARNED))
    watch(context, values, *EVERY_TEN)
    assert [one.incident.symptom for one in incidents(engine)] == []


def test_passes_cut_anywhere_warn_of_the_same(
    context: Context, values: NDArray[np.float64]
) -> None:
    watch(context, values, *EVERY_TEN)
    in_tens = told(context.engine)
    with writing(context.engine) as connection:
        for table in ("transition", "outbox", "incident", "score", "detector_state"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        connection.execute(text("UPDATE watermark SET scored_until = NULL, claimed_until = NULL"))
    detect(context, now=at(LEARNED))
    watch(context, values, FILL + 3, FILL + 17, FILL + 18, FILL + 31, FILL + 33, STEPS)
    assert told(context.engine) == in_tens


def test_what_is_judged_late_warns_of_nothing_and_the_crossing_still_alarms(
    context: Context, values: NDArray[np.float64]
) -> None:
    watch(context, values, STEPS)
    found = [one.incident for one in incidents(context.engine)]
    assert found
    assert all(one.detector != "time_to_limit" and one.outlook is None for one in found)


@pytest.mark.parametrize(("response_s", "expected"), [(0.0, False), (1200.0, True)])
def test_a_tank_has_its_own_response_time(
    context: Context, values: NDArray[np.float64], response_s: float, *, expected: bool
) -> None:
    with writing(context.engine) as connection:
        set_response(connection, tank_ids(connection, ["TK-2"])["TK-2"], response_s)
    watch(context, values, *EVERY_TEN)
    outlooks = [one.incident.outlook for one in incidents(context.engine)]
    assert any(outlook is not None for outlook in outlooks) is expected
    assert all(outlook.response_s == response_s for outlook in outlooks if outlook)
