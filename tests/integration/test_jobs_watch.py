"""The drop folder, clean-up, and training with its decision."""

import os
import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tankwatch import clock
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.errors import ModelError
from tankwatch.jobs.context import recorded
from tankwatch.jobs.detect import detect
from tankwatch.jobs.history import load_history
from tankwatch.jobs.housekeeping import housekeeping
from tankwatch.jobs.scheduler import jobs, run_job
from tankwatch.jobs.train import train
from tankwatch.jobs.watch import watch
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import apply_event
from tankwatch.store.intake import load_quarantine
from tankwatch.store.operators import NOT_A_FAULT, REAL_FAULT, store_label
from tankwatch.store.registry import ModelState, load_versions
from tankwatch.store.runs import Outcome, load_runs
from tests.integration.plant import (
    START,
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    scores,
    store,
)

CSV = "tank,timestamp,pressure,temperature\nTK-1,2026-03-02T00:00:00Z,1.0,15.0\n"


def test_settled_files_are_taken_and_moved_and_others_left(engine: Engine, tmp_path: Path) -> None:
    context = make_context(engine, make_settings(tmp_path, ingest={"settle_s": 5.0}))
    now = clock.now()
    assert watch(context, now=now).files == 0
    inbox = tmp_path / "inbox"
    old = now.timestamp() - 60
    for name in ("a.csv", "b.csv.part", ".c.csv", "d.csv", "broken.csv"):
        (inbox / name).write_text(CSV if name != "broken.csv" else "no,header,here\n1,2,3\n")
        os.utime(inbox / name, (old, old))
    (inbox / "young.csv").write_text(CSV)
    result = watch(context, now=now)
    assert (result.files, result.refused) == (2, 1)
    assert (result.accepted.stored, result.accepted.duplicate) == (1, 1)
    assert sorted(p.name for p in (inbox / "done").iterdir()) == ["a.csv", "d.csv"]
    assert [p.name for p in (inbox / "refused").iterdir()] == ["broken.csv"]
    assert sorted(p.name for p in inbox.iterdir() if p.is_file()) == [
        ".c.csv",
        "b.csv.part",
        "young.csv",
    ]
    with reading(engine) as connection:
        (why,) = load_quarantine(connection, limit=9)
    assert "broken.csv" in why.source
    os.utime(inbox / "young.csv", (old, old))
    (inbox / "young.csv").rename(inbox / "a.csv")
    watch(context, now=now)
    assert sorted(p.name for p in (inbox / "done").iterdir()) == ["a.2.csv", "a.csv", "d.csv"]


def test_a_file_is_taken_again_after_a_stop_in_its_middle(engine: Engine, tmp_path: Path) -> None:
    context = make_context(engine, make_settings(tmp_path, ingest={"settle_s": 0.0}))
    watch(context, now=clock.now())
    (tmp_path / "inbox" / "a.csv").write_text(CSV)
    context.stop.set()
    assert watch(context, now=clock.now() + timedelta(minutes=1)).files == 0
    context.stop.clear()
    assert watch(context, now=clock.now() + timedelta(minutes=1)).accepted.stored == 1


def test_an_error_is_stored_with_its_run_and_leaves_the_daemon_alive(
    engine: Engine, tmp_path: Path
) -> None:
    context = make_context(engine, make_settings(tmp_path))
    (tmp_path / "inbox").write_text("a file where the folder should be")
    by_name = {job.name: job for job in jobs(context)}
    run_job(context, by_name["watch"])
    run_job(context, by_name["train"])
    with reading(engine) as connection:
        runs = {run.job: run for run in load_runs(connection)}
    assert runs["watch"].outcome is Outcome.FAILED
    assert "FileExistsError" in runs["watch"].detail
    assert "there are no readings to train on" in runs["train"].detail


def test_every_job_of_the_daemon_runs_and_is_recorded(engine: Engine, tmp_path: Path) -> None:
    context = make_context(engine, make_settings(tmp_path, train={"every_days": 1e-9}))
    store(engine, quiet_values(2, 900), slice(0, 900))
    for job in jobs(context):
        run_job(context, job)
    with reading(engine) as connection:
        runs = load_runs(connection)
        states = [version.state for version in load_versions(connection)]
    assert {run.job for run in runs} == {
        *("watch", "detect", "deliver", "bulletins", "drift", "train", "rollup", "housekeeping")
    }
    assert all(run.outcome is Outcome.DONE for run in runs)
    # The first model came before the night, and the night's replaced it.
    assert states == [ModelState.CHAMPION, ModelState.RETIRED]
    # Every final step, and as many empty ones as show that the tanks are silent since.
    assert next(run for run in runs if run.job == "detect").rows == 2 * (899 + 30 + 3 + 2)


def test_a_stopped_run_is_recorded_as_interrupted(engine: Engine, tmp_path: Path) -> None:
    context = make_context(engine, make_settings(tmp_path))
    with recorded(context, "detect"):
        context.stop.set()
    with reading(engine) as connection:
        assert [run.outcome for run in load_runs(connection)] == [Outcome.INTERRUPTED]


def test_old_scores_and_runs_are_deleted_and_young_ones_kept(
    engine: Engine, tmp_path: Path
) -> None:
    context = make_context(engine, make_settings(tmp_path, keep={"score_days": 0.5}))
    store(engine, quiet_values(1, 1440), slice(0, 1440))
    train(context, "robust_z", now=at(1440))
    detect(context, now=at(1440))
    assert housekeeping(context, now=at(1440)).scores == 720
    assert scores(engine)[:, 1].min() == 720


def test_training_leaves_out_what_was_wrong_and_keeps_what_was_not(
    engine: Engine, tmp_path: Path
) -> None:
    context = make_context(engine, make_settings(tmp_path, channels={"pressure": {"high": 2.0}}))
    values = quiet_values(2, 1000)
    values[0, 300:320, 0] = 2.5
    values[1, 500:520, 0] = 2.5
    store(engine, values, slice(0, 1000))
    detect(context, now=at(1000))
    first, second = incidents(engine)
    with writing(engine) as connection:
        for one, verdict in ((first, REAL_FAULT), (second, NOT_A_FAULT)):
            key = one.incident_id
            apply_event(connection, key, IncidentEvent.ACKNOWLEDGE, at=at(1000), actor="kim")
            store_label(connection, key, verdict=verdict, cause="", by="kim", at=at(1000))
    mask = load_history(context, until=None).block.mask
    assert not mask[0, 300:320].any()
    # Beyond its limit is never normal, whatever the label; the other channel may be learned.
    assert not mask[1, 500:520, 0].any()
    assert mask[1, 500:520, 1].all()
    assert mask[:, 600:900].all()


def test_a_candidate_that_is_worse_is_kept_and_not_used(engine: Engine, tmp_path: Path) -> None:
    context = make_context(engine, make_settings(tmp_path))
    quiet = quiet_values(2, 2000)
    store(engine, quiet, slice(0, 1000))
    assert train(context, "robust_z", now=at(1000)).promoted
    generous = make_settings(tmp_path, train={"false_alarms_per_tank_month": 1000.0})
    worse = train(make_context(engine, generous), "robust_z", now=at(1000))
    assert not worse.promoted
    assert "worse than the model in use" in worse.reason
    with reading(engine) as connection:
        assert [v.state for v in load_versions(connection)] == [
            ModelState.CANDIDATE,
            ModelState.CHAMPION,
        ]


def test_too_little_history_is_refused_with_the_remedy(engine: Engine, tmp_path: Path) -> None:
    context = make_context(engine, make_settings(tmp_path))
    store(engine, quiet_values(1, 100), slice(0, 100))
    with pytest.raises(ModelError, match=r"the most is 99.*lower train\.min_steps"):
        train(context, "robust_z", now=at(100))


def test_a_tank_without_history_is_scored_by_rules_only(engine: Engine, tmp_path: Path) -> None:
    context = make_context(engine, make_settings(tmp_path))
    values = quiet_values(2, 1200)
    store(engine, values, slice(0, 900), tanks=[0])
    train(context, "robust_z", now=at(900))
    store(engine, values, slice(900, 1200))
    detect(context, now=START + timedelta(minutes=1200))
    assert np.unique(scores(engine)[:, 0]).size == 1
    assert isinstance(context.stop, threading.Event)
