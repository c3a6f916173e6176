"""What an incident is called when it is raised, when a rule joins, and when it is over."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.core.incident import Incident, Nature, Symptom
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect
from tankwatch.jobs.train import train
from tankwatch.store.engine import Engine, reading
from tankwatch.store.transitions import load_transitions
from tests.integration.plant import at, incidents, make_context, make_settings, quiet_values, store

LEARNED, STEPS = 5 * 1440, 5 * 1440 + 720
BEGAN = LEARNED + 200
Values = NDArray[np.float64]


@pytest.fixture
def context(engine: Engine, tmp_path: Path) -> Context:
    return make_context(engine, make_settings(tmp_path))


def plant() -> Values:
    return quiet_values(2, STEPS)


def pass_until(context: Context, values: Values, *ends: int) -> list[Incident]:
    """Learn, pass at each of the ends, and return the incidents of the first tank after each."""
    store(context.engine, values, slice(0, LEARNED))
    train(context, "robust_z", now=at(LEARNED))
    detect(context, now=at(LEARNED))
    begin, found = LEARNED, []
    for end in ends:
        store(context.engine, values, slice(begin, end))
        detect(context, now=at(end))
        found += [one.incident for one in incidents(context.engine) if one.incident.tank == "TK-1"]
        begin = end
    return found


def test_spikes_are_called_so_when_they_are_raised(context: Context) -> None:
    values = plant()
    values[0, BEGAN : BEGAN + 60 : 12, 0] += 3.0
    (spiky,) = pass_until(context, values, BEGAN + 15)
    assert (spiky.symptom, spiky.nature) == (Symptom.SPIKE, Nature.SENSOR)


def test_a_swing_is_told_once_it_is_over(context: Context) -> None:
    values = plant()
    values[0, BEGAN : BEGAN + 200, 0] += 1.0 * np.sin(2 * np.pi * np.arange(200) / 30)
    early, late = pass_until(context, values, BEGAN + 15, STEPS)
    assert early.uid == late.uid
    assert (early.symptom, early.nature) == (Symptom.ABOVE_EXPECTED, Nature.PROCESS)
    assert (late.symptom, late.nature) == (Symptom.OSCILLATION, Nature.PROCESS)
    assert late.ended_at is not None


def test_a_rule_of_the_same_sensor_that_joins_says_what_it_is(context: Context) -> None:
    values = plant()
    frozen = slice(BEGAN + 30, BEGAN + 300)
    values[0, BEGAN : BEGAN + 300, 0] += 1.0 - np.exp(-np.arange(300) / 5.0)
    values[0, frozen, 0] = values[0, frozen.start, 0]
    early, late = pass_until(context, values, BEGAN + 25, STEPS)
    assert early.uid == late.uid
    assert (early.symptom, early.nature) == (Symptom.ABOVE_EXPECTED, Nature.PROCESS)
    assert (late.symptom, late.nature) == (Symptom.FLAT_LINE, Nature.SENSOR)
    (stored,) = (one for one in incidents(context.engine) if one.incident.tank == "TK-1")
    with reading(context.engine) as connection:
        rows = load_transitions(connection, stored.incident_id)
    joined = [row["reason"] for row in rows if row["event"] == IncidentEvent.JOIN]
    assert any(reason.startswith("stuck: flat_line") for reason in joined)


def test_a_rule_of_another_channel_that_joins_changes_nothing(context: Context) -> None:
    values = plant()
    values[0, BEGAN : BEGAN + 300, 0] += 1.0 - np.exp(-np.arange(300) / 5.0)
    values[0, BEGAN + 30 : BEGAN + 300, 1] = 15.0
    *_, late = pass_until(context, values, STEPS)
    assert (late.channel, late.symptom) == ("pressure", Symptom.ABOVE_EXPECTED)
    assert late.nature is Nature.PROCESS


def test_a_tank_that_moves_away_for_a_day_drifts(context: Context) -> None:
    values = quiet_values(2, LEARNED + 4 * 1440)
    values[0, LEARNED:, 0] += np.linspace(0.0, 0.6, 4 * 1440)
    found = pass_until(context, values, LEARNED + 4 * 1440)
    assert found[0].channel == "pressure"
    assert found[0].symptom is Symptom.DRIFT_UP
