"""Passes: what they find must not depend on how they are cut, and nothing pages too late."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import insert, text

from tankwatch.core.incident import IncidentState, Nature, Severity, Symptom
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect
from tankwatch.jobs.train import train
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.maintenance import MaintenanceRow
from tankwatch.store.outbox import load_messages
from tankwatch.store.transitions import load_transitions
from tankwatch.store.watermarks import claim, load_dirty_windows, load_watermarks
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

LEARNED, STEPS = 1440, 2160
TANKS = 3


@pytest.fixture
def values() -> NDArray[np.float64]:
    """Three tanks over a day and a half; the second loses pressure, the third gets stuck."""
    values = quiet_values(TANKS, STEPS)
    values[1, 1600:1660, 0] -= 3.0
    values[2, 1500:1900, 1] = values[2, 1500, 1]
    return values


@pytest.fixture
def context(engine: Engine, values: NDArray[np.float64], tmp_path: Path) -> Context:
    """A plant that has learned its first day."""
    context = make_context(engine, make_settings(tmp_path))
    store(engine, values, slice(0, LEARNED))
    train(context, "robust_z", now=at(LEARNED))
    detect(context, now=at(LEARNED))
    return context


def test_a_pressure_loss_and_a_stuck_sensor_become_incidents(
    context: Context, values: NDArray[np.float64]
) -> None:
    store(context.engine, values, slice(LEARNED, STEPS))
    result = detect(context, now=at(STEPS))
    assert result.raised == 2
    loss, stuck = sorted((one.incident for one in incidents(context.engine)), key=lambda i: i.tank)
    assert (loss.tank, loss.detector, loss.channel) == ("TK-2", "robust_z", "pressure")
    assert loss.symptom is Symptom.STEP
    assert at(1598) <= loss.started_at <= at(1603)
    assert loss.ended_at is not None
    assert loss.state is IncidentState.RETURNED_UNACKNOWLEDGED
    assert (stuck.tank, stuck.symptom, stuck.channel) == (
        "TK-3",
        Symptom.FLAT_LINE,
        "temperature",
    )
    assert stuck.severity is Severity.ALARM
    assert {loss.nature, stuck.nature} == {Nature.SENSOR}


def test_what_is_seen_during_planned_work_is_an_operation(
    context: Context, values: NDArray[np.float64]
) -> None:
    work = {"tank_id": 2, "from_at": at(1550), "until_at": at(1700), "reason": "transfer"}
    with writing(context.engine) as connection:
        connection.execute(insert(MaintenanceRow), [work])
    store(context.engine, values, slice(LEARNED, STEPS))
    detect(context, now=at(STEPS))
    natures = {one.incident.tank: one.incident.nature for one in incidents(context.engine)}
    assert natures == {"TK-2": Nature.OPERATION, "TK-3": Nature.SENSOR}


@pytest.mark.parametrize("cuts", [[7, 60, 61, 300, 301, 302], list(range(5, 720, 45))])
def test_passes_cut_anywhere_find_what_one_pass_finds(
    engine: Engine,
    values: NDArray[np.float64],
    context: Context,
    cuts: list[int],
) -> None:
    before = 0
    for cut in [*cuts, STEPS - LEARNED]:
        store(engine, values, slice(LEARNED + before, LEARNED + cut))
        detect(context, now=at(LEARNED + cut))
        before = cut
    in_parts = told(engine), scores(engine)
    with writing(engine) as connection:
        for table in ("transition", "outbox", "incident", "score", "detector_state"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        connection.execute(text("UPDATE watermark SET scored_until = NULL, claimed_until = NULL"))
    detect(context, now=at(STEPS))
    at_once = told(engine), scores(engine)
    assert in_parts[0] == at_once[0]
    assert len(in_parts[0]) == 2
    np.testing.assert_allclose(in_parts[1], at_once[1], atol=2e-4)


def test_a_second_pass_over_the_same_readings_changes_nothing(
    context: Context, values: NDArray[np.float64]
) -> None:
    store(context.engine, values, slice(LEARNED, STEPS))
    detect(context, now=at(STEPS))
    before = told(context.engine)
    again = detect(context, now=at(STEPS))
    assert (again.steps, again.raised) == (0, 0)
    assert told(context.engine) == before


def test_a_pass_that_was_cut_off_after_its_claim_is_taken_up(
    context: Context, values: NDArray[np.float64]
) -> None:
    store(context.engine, values, slice(LEARNED, STEPS))
    with writing(context.engine) as connection:
        marks = {mark.tank_id: mark.scored_ms for mark in load_watermarks(connection)}
        claim(connection, marks, until_ms={tank: ms + 10**7 for tank, ms in marks.items()})
    assert detect(context, now=at(STEPS)).raised == 2


def test_a_late_reading_is_scored_again_and_opens_a_historical_incident(
    context: Context, values: NDArray[np.float64]
) -> None:
    late = values.copy()
    late[1, 1600:1660] = np.nan
    store(context.engine, late, slice(LEARNED, 1900))
    detect(context, now=at(1900))
    assert all(one.incident.symptom is Symptom.STALE for one in told_of(context, "TK-2"))
    store(context.engine, values, slice(1600, 1660), tanks=[1])
    result = detect(context, now=at(1900))
    assert result.rescored > 60
    assert result.raised == 0
    with reading(context.engine) as connection:
        assert load_dirty_windows(connection) == []
        messages = {message.incident_id for message in load_messages(connection)}
    found = [one for one in told_of(context, "TK-2") if one.incident.historical]
    assert [one.incident.severity for one in found] in ([Severity.JOURNAL], [])
    scored = scores(context.engine)
    again = scored[(scored[:, 0] == found_id(context, "TK-2")) & (scored[:, 1] == 1630)]
    assert again[0, 2] >= 1.0
    assert {one.incident_id for one in found} <= messages


def test_a_historical_incident_is_opened_where_there_was_none(
    context: Context, values: NDArray[np.float64]
) -> None:
    late = values.copy()
    late[1, 1600:1625] = np.nan
    late[1, 1625:1660] = quiet_values(TANKS, STEPS)[1, 1625:1660]
    store(context.engine, late, slice(LEARNED, 1900))
    detect(context, now=at(1900))
    assert told_of(context, "TK-2") == []
    store(context.engine, values, slice(1600, 1625), tanks=[1])
    detect(context, now=at(1900))
    (found,) = told_of(context, "TK-2")
    assert found.incident.historical
    assert found.incident.severity is Severity.JOURNAL
    assert found.incident.ended_at is not None


def test_a_tank_that_falls_silent_is_stale_and_returns_with_its_readings(
    context: Context,
) -> None:
    values = quiet_values(TANKS, STEPS)
    silent = values.copy()
    silent[0, 1700:1800] = np.nan
    store(context.engine, silent, slice(LEARNED, 1720))
    detect(context, now=at(1720))
    assert told_of(context, "TK-1") == []
    store(context.engine, silent, slice(1720, 1750))
    detect(context, now=at(1750))
    (stale,) = told_of(context, "TK-1")
    assert stale.incident.symptom is Symptom.STALE
    assert stale.incident.ended_at is None
    store(context.engine, silent, slice(1750, 1900))
    detect(context, now=at(1900))
    (back,) = told_of(context, "TK-1")
    assert back.incident.ended_at is not None


def test_a_channel_that_falls_silent_alone_is_stale(context: Context) -> None:
    values = quiet_values(TANKS, STEPS)
    values[0, 1700:, 1] = np.nan
    store(context.engine, values, slice(LEARNED, STEPS))
    detect(context, now=at(STEPS))
    (stale,) = told_of(context, "TK-1")
    assert (stale.incident.symptom, stale.incident.channel) == (Symptom.STALE, "temperature")
    assert stale.incident.ended_at is None


def test_an_incident_found_long_after_is_filed_and_not_paged(
    context: Context, values: NDArray[np.float64]
) -> None:
    store(context.engine, values, slice(LEARNED, STEPS))
    detect(context, now=at(STEPS + 3 * 1440))
    found = [one.incident for one in incidents(context.engine)]
    assert found
    assert all(one.historical and one.severity is Severity.JOURNAL for one in found)


def test_limits_alarm_before_any_model_is_trained(engine: Engine, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, channels={"pressure": {"high": 2.0}})
    context = make_context(engine, settings)
    values = quiet_values(1, 200)
    values[0, 150:160, 0] = 2.5
    store(engine, values, slice(0, 200))
    detect(context, now=at(200))
    (found,) = incidents(engine)
    assert found.incident.symptom is Symptom.ABOVE_LIMIT
    assert found.incident.started_at == at(150)
    assert found.incident.raised_at == at(153)


def test_the_sensor_comes_first_and_its_other_channel_is_still_scored(
    engine: Engine, values: NDArray[np.float64], tmp_path: Path
) -> None:
    rules = {"pressure": {"high": 2.0, "range_low": -1.0, "range_high": 5.0}}
    context = make_context(engine, make_settings(tmp_path, channels=rules))
    store(engine, values, slice(0, LEARNED))
    train(context, "robust_z", now=at(LEARNED))
    values[1, 1500:1660, 0] = 99.0
    values[1, 1800:1900, 0] += np.random.default_rng(9).normal(0.0, 0.3, 100)
    values[1, 1820:1880, 1] += 12.0
    store(engine, values, slice(LEARNED, STEPS))
    detect(context, now=at(STEPS))
    loop, noise = told_of(context, "TK-2")
    assert [one.incident.symptom for one in (loop, noise)] == [Symptom.OUT_OF_RANGE, Symptom.NOISE]
    assert {one.incident.nature for one in (loop, noise)} == {Nature.SENSOR}
    with reading(engine) as connection:
        first, second = (
            [row["reason"].split(":")[0] for row in load_transitions(connection, one.incident_id)]
            for one in (loop, noise)
        )
    assert first[:2] == ["out_of_range", "limit"]
    assert second[:2] == ["noise_burst", "robust_z"]


def told_of(context: Context, tank: str) -> list[StoredIncident]:
    return [one for one in incidents(context.engine) if one.incident.tank == tank]


def found_id(context: Context, tank: str) -> int:
    with reading(context.engine) as connection:
        query = text("SELECT tank_id FROM tank WHERE name = :tank")
        return int(connection.execute(query, {"tank": tank}).scalar_one())
