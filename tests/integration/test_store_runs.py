from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.runs import (
    JobRun,
    Outcome,
    delete_runs_before,
    finish_run,
    interrupt_unfinished,
    load_runs,
    start_run,
    write_audit,
)

NOW = datetime(2026, 3, 2, 6, 30, 0, 5000, tzinfo=UTC)
HOUR = timedelta(hours=1)
DONE = JobRun("detect", NOW, NOW + HOUR, Outcome.DONE, 42, 1.5, "all well")


def ran(engine: Engine, run: JobRun) -> None:
    with writing(engine) as connection:
        key = start_run(connection, run.job, at=run.started_at)
        if run.outcome is not Outcome.RUNNING:
            finish_run(connection, key, run)


def runs(engine: Engine, limit: int = 50) -> list[JobRun]:
    with reading(engine) as connection:
        return load_runs(connection, limit=limit)


def test_run_is_shown_running_and_then_as_it_ended(engine: Engine) -> None:
    with writing(engine) as connection:
        key = start_run(connection, "detect", at=NOW)
        assert load_runs(connection) == [JobRun("detect", NOW, None, Outcome.RUNNING, 0, None, "")]
        finish_run(connection, key, DONE)
    assert runs(engine) == [DONE]


def test_newest_runs_come_first(engine: Engine) -> None:
    three = [replace(DONE, job=job) for job in ("watch", "detect", "train")]
    for run in three:
        ran(engine, run)
    assert runs(engine) == three[::-1]
    assert runs(engine, limit=1) == three[2:]


def test_runs_that_a_stopped_program_left_are_marked(engine: Engine) -> None:
    left = JobRun("detect", NOW, None, Outcome.RUNNING, 0, None, "")
    for run in (DONE, left, replace(left, job="other")):
        ran(engine, run)
    with writing(engine) as connection:
        assert interrupt_unfinished(connection, ("detect", "train"), at=NOW + HOUR) == 1
        assert interrupt_unfinished(connection, ("detect", "train"), at=NOW + HOUR) == 0
    other, interrupted, done = runs(engine)
    assert (other.outcome, done) == (Outcome.RUNNING, DONE)
    assert (interrupted.outcome, interrupted.finished_at) == (Outcome.INTERRUPTED, NOW + HOUR)
    assert "stopped" in interrupted.detail


def test_old_runs_are_deleted_unless_they_still_run(engine: Engine) -> None:
    old = replace(DONE, started_at=NOW - HOUR)
    running = JobRun("train", NOW - HOUR, None, Outcome.RUNNING, 0, None, "")
    for run in (old, running, DONE):
        ran(engine, run)
    with writing(engine) as connection:
        assert delete_runs_before(connection, NOW) == 1
    assert runs(engine) == [DONE, running]


def test_audit_trail_keeps_who_did_what(engine: Engine) -> None:
    with writing(engine) as connection:
        write_audit(connection, at=NOW, actor="kim", action="promote", subject="model 3")
        query = text("SELECT actor, action, subject, detail FROM audit")
        assert connection.execute(query).all() == [("kim", "promote", "model 3", "")]
