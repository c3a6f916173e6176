"""What a model learns from, when it is used, and when it is time for another."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from tankwatch.detectors.baselines import RobustZBaseline
from tankwatch.detectors.threshold import Threshold
from tankwatch.jobs.contest import compare_with_champion, held_out_block
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect
from tankwatch.jobs.drift import look_for_drift, why_train
from tankwatch.jobs.history import load_history
from tankwatch.jobs.scheduler import jobs, run_job
from tankwatch.jobs.shadow import compare_shadow
from tankwatch.jobs.train import train
from tankwatch.store.champions import promote, start_shadow
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.operators import (
    NOT_A_FAULT,
    REAL_FAULT,
)
from tankwatch.store.registry import ModelState, load_artefact, load_versions
from tests.integration.operators import label, say_fault
from tests.integration.plant import (
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    scores,
    store,
)


def test_a_candidate_that_misses_a_confirmed_fault_is_not_used(
    engine: Engine, tmp_path: Path
) -> None:
    context = make_context(engine, make_settings(tmp_path))
    values = quiet_values(2, 2000)
    values[1, 1700:1730, 0] -= 3.0
    store(engine, values, slice(0, 2000))
    train(context, "robust_z", now=at(2000), until=at(1600))
    say_fault(engine, 2, 1700, 1730)
    history = load_history(context, until=None)
    candidate = RobustZBaseline().fit(history.block.values, history.block.mask)
    late = held_out_block(candidate, history)
    score = candidate.judge(late.values, late.mask).score
    seen = compare_with_champion(context, candidate, history, score)
    assert seen.promoted
    assert "finds 1 of 1 confirmed faults, the model in use 1" in seen.reason
    assert "false alarms per tank-month against" in seen.reason
    level = candidate.threshold_.level * 100
    candidate.threshold_ = Threshold(level, 1, candidate.threshold_.tank_months)
    blind = compare_with_champion(context, candidate, history, score / np.float32(100))
    assert not blind.promoted
    assert "finds 0 of 1 confirmed faults, the model in use 1" in blind.reason


def test_a_candidate_that_sees_nothing_any_more_is_not_used(engine: Engine, tmp_path: Path) -> None:
    context = make_context(engine, make_settings(tmp_path))
    store(engine, quiet_values(3, 2000), slice(0, 2000))
    train(context, "robust_z", now=at(2000), until=at(1600))
    history = load_history(context, until=None)
    candidate = RobustZBaseline().fit(history.block.values, history.block.mask)
    late = held_out_block(candidate, history)
    score = candidate.judge(late.values, late.mask).score
    keen = compare_with_champion(context, candidate, history, score)
    # Four places, two channels, three tanks.
    assert keen.promoted
    assert "sees 24 of 24 test disturbances" in keen.reason
    level = candidate.threshold_.level * 100
    candidate.threshold_ = Threshold(level, 1, candidate.threshold_.tank_months)
    blind = compare_with_champion(context, candidate, history, score / np.float32(100))
    assert not blind.promoted
    assert "0.00 false alarms per tank-month against" in blind.reason
    assert "sees 0 of 24 test disturbances" in blind.reason


def test_a_damaged_champion_is_replaced(engine: Engine, tmp_path: Path) -> None:
    context = make_context(engine, make_settings(tmp_path))
    store(engine, quiet_values(2, 1000), slice(0, 1000))
    train(context, "robust_z", now=at(1000))
    with writing(engine) as connection:
        connection.execute(text("UPDATE model_version SET sha256 = 'nothing'"))
    again = train(context, "robust_z", now=at(1000))
    assert again.promoted
    assert "the model in use cannot score" in again.reason


def steady_values(tanks: int, steps: int, seed: int = 0) -> NDArray[np.float64]:
    """Return pressure and temperature without the course of the day, (tanks, steps, 2)."""
    noise = np.random.default_rng(seed).normal(0, 1, (tanks, steps, 2))
    return np.asarray(np.array([1.0, 15.0]) + noise * np.array([0.02, 0.1]))


@pytest.fixture
def learned(engine: Engine, tmp_path: Path) -> Context:
    """A plant that trains weekly and has learned its first day and a half."""
    settings = make_settings(tmp_path, train={"every_days": 7.0, "drift_days": 1.0})
    context = make_context(engine, settings)
    store(engine, steady_values(6, 2160), slice(0, 2160))
    train(context, "robust_z", now=at(2160))
    return context


def test_a_shadow_is_scored_and_compared_and_never_alarms(learned: Context) -> None:
    engine = learned.engine
    eager = make_settings(learned.settings.home, train={"false_alarms_per_tank_month": 1000.0})
    second = train(make_context(engine, eager), "robust_z", now=at(2160))
    assert not second.promoted
    assert "promote it by hand" in second.reason
    values = steady_values(6, 3600)
    values[4, 2600:2660, 0] -= 3.0
    store(engine, values, slice(2160, 2400))
    detect(learned, now=at(2400))
    with writing(engine) as connection:
        start_shadow(connection, second.model_version_id, at=at(2400))
    store(engine, values, slice(2400, 3600))
    detect(learned, now=at(3600))
    assert [one.incident.tank for one in incidents(engine)] == ["TK-5"]
    label(engine, incidents(engine)[0].incident_id, REAL_FAULT, at(3600))
    found = compare_shadow(learned, second.model_version_id)
    # 1200 steps but the last, which is not final yet, and the fault.
    assert found.new.tank_months == found.old.tank_months
    assert found.old.tank_months == pytest.approx((6 * 1200 - 61) / 43_200, rel=0.01)
    assert (found.new.found, found.old.found, found.new.real) == (1, 1, 1)
    assert found.new.alarms > 3
    assert not found.no_worse
    assert 0.5 < found.agreement < 1.0
    assert found.shared_alarms >= 1
    before = scores(engine)
    with writing(engine) as connection:
        promote(connection, second.model_version_id, at=at(3600), reason="by hand")
    np.testing.assert_array_equal(scores(engine), before)


def test_scores_as_they_were_ask_for_no_training(learned: Context) -> None:
    store(learned.engine, steady_values(6, 3700, seed=3), slice(2160, 3700))
    detect(learned, now=at(3700))
    (result,) = look_for_drift(learned, now=at(3700))
    assert (result.note, result.tanks) == ("", 6)
    assert why_train(learned, "robust_z", now=at(3700)) == ""
    assert why_train(learned, "robust_z", now=at(2160 + 7 * 1440)) == "scheduled"


def test_a_shadow_that_cannot_score_does_not_stop_the_champion(learned: Context) -> None:
    second = train(learned, "robust_z", now=at(2160)).model_version_id
    with writing(learned.engine) as connection:
        promote(connection, second, at=at(2160), reason="by hand")
        start_shadow(connection, 1, at=at(2160))
        connection.execute(
            text("UPDATE model_version SET sha256 = 'no' WHERE model_version_id = 1")
        )
    assert detect(learned, now=at(2160)).steps > 0


def test_shifted_scores_ask_for_training_and_say_why(learned: Context) -> None:
    values = steady_values(6, 3700, seed=3)
    values[:, :, 1] += 0.06  # two thirds of the noise
    store(learned.engine, values, slice(2160, 3700))
    detect(learned, now=at(3700))
    (result,) = look_for_drift(learned, now=at(3700))
    assert "the residuals have shifted: PSI" in result.note
    assert "of 6 tanks" in result.note
    assert why_train(learned, "robust_z", now=at(3700)) == result.note
    with reading(learned.engine) as connection:
        shown = connection.execute(text("SELECT drift FROM dash_model_health")).scalar_one()
    assert shown == pytest.approx(result.psi)
    second = train(learned, "robust_z", now=at(3701), because=result.note)
    with reading(learned.engine) as connection:
        manifest = load_artefact(connection, second.model_version_id).manifest
    assert manifest["trained_because"] == result.note
    # It was trained since, whether it is used or not: the same shift does not ask twice.
    assert why_train(learned, "robust_z", now=at(3701)) == ""


def test_a_training_that_is_not_due_is_left_out_by_the_daemon(learned: Context) -> None:
    with writing(learned.engine) as connection:
        recent = "UPDATE model_version SET trained_at = :at"
        moment = datetime.now(tz=at(0).tzinfo)  # the daemon's own clock
        value: Any = moment
        if learned.engine.name == "sqlite":
            value = int(moment.timestamp() * 1000)
        connection.execute(text(recent), {"at": value})
    (job,) = [job for job in jobs(learned) if job.name == "train"]
    run_job(learned, job)
    with reading(learned.engine) as connection:
        assert [v.state for v in load_versions(connection)] == [ModelState.CHAMPION]


def test_a_false_alarm_just_above_the_threshold_lowers_the_next_scores(learned: Context) -> None:
    engine = learned.engine
    values = steady_values(6, 3000)
    store(engine, values, slice(2160, 2400))
    detect(learned, now=at(2400))
    values[2, 2500:2530, 0] -= 0.04
    store(engine, values, slice(2400, 2700))
    detect(learned, now=at(2700))
    (one,) = incidents(engine)
    assert 1.0 <= one.incident.peak_score < 2.0
    label(engine, one.incident_id, NOT_A_FAULT, at(2700))
    store(engine, values, slice(2700, 3000))
    as_learned = make_context(engine, learned.settings)
    detect(as_learned, now=at(3000))
    with_label = scores(engine)
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM label"))
        connection.execute(text("DELETE FROM score"))
        for table in ("transition", "outbox", "incident", "detector_state"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        connection.execute(text("UPDATE watermark SET scored_until = NULL, claimed_until = NULL"))
    detect(learned, now=at(3000))
    late = with_label[:, 1] >= 2700
    raised = np.where(with_label[late, 0] == 3, 1.1, 1.0)
    np.testing.assert_allclose(scores(engine)[late, 2], with_label[late, 2] * raised, atol=2e-4)
