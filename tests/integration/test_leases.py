"""Leases on jobs: one holder at a time, renewed while it lives, taken over when it does not."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tankwatch import clock
from tankwatch.jobs.context import Context, OwnerName
from tankwatch.jobs.leases import JobStop, Leases, is_dead
from tankwatch.jobs.scheduler import due, jobs, lease_of, run_job
from tankwatch.store.engine import Engine, connect, reading, writing
from tankwatch.store.leases import end_lease, holds_lease, load_leases, take_lease
from tankwatch.store.runs import JobRun, Outcome, finish_run, load_runs, start_run
from tests.integration.plant import make_settings

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def take(engine: Engine, owner: str, *, at: int = 0, length: int = 30) -> int | None:
    now = NOW + at * SECOND
    with writing(engine) as connection:
        return take_lease(connection, "detect", owner=owner, now=now, until=now + length * SECOND)


def holds(engine: Engine, owner: str, token: int, *, at: int = 0) -> bool:
    with writing(engine) as connection:
        return holds_lease(connection, "detect", owner=owner, token=token, now=NOW + at * SECOND)


def test_a_lease_has_one_holder_until_it_ends(engine: Engine) -> None:
    assert take(engine, "a") == 1
    assert take(engine, "b", at=29) is None
    assert take(engine, "a", at=29) == 1
    assert take(engine, "b", at=58) is None
    assert take(engine, "b", at=59) == 2
    assert not holds(engine, "a", 1, at=59)
    assert holds(engine, "b", 2, at=59)
    assert not holds(engine, "b", 2, at=89)


def test_a_stale_holder_is_told_by_its_token(engine: Engine) -> None:
    take(engine, "a")
    assert take(engine, "b", at=30) == 2
    assert take(engine, "a", at=60) == 3
    assert not holds(engine, "a", 1, at=60)
    assert holds(engine, "a", 3, at=60)


def test_a_lease_that_is_given_back_is_free_at_once(engine: Engine) -> None:
    take(engine, "a")
    with writing(engine) as connection:
        assert not end_lease(connection, "detect", owner="b", at=NOW)
        assert end_lease(connection, "detect", owner="a", at=NOW)
    assert take(engine, "b") == 2


@pytest.mark.usefixtures("engine")
def test_of_many_that_try_at_once_one_gets_it(database_url: str) -> None:
    taken: dict[str, int | None] = {}
    start = threading.Barrier(4)

    def work(owner: str) -> None:
        mine = connect(database_url)
        start.wait()
        taken[owner] = take(mine, owner)
        mine.dispose()

    threads = [threading.Thread(target=work, args=(owner,)) for owner in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(token) for token in taken.values()) == ["1", "None", "None", "None"]


def daemon(engine: Engine, home: Path, mark: str) -> tuple[Context, Leases]:
    """Return a daemon that, to others, is one on another machine."""
    owner = str(replace(OwnerName.of_this_process(), host=f"host-{mark}", mark=mark))
    context = Context(engine, make_settings(home), owner=owner)
    names = sorted({lease_of(context, job.name) for job in jobs(context)})
    return context, Leases(context, names, length_s=60.0)


def test_a_job_is_run_by_the_holder_of_its_lease_only(engine: Engine, tmp_path: Path) -> None:
    first, one = daemon(engine, tmp_path, "a")
    second, other = daemon(engine, tmp_path, "b")
    assert one.beat(now=clock.now()) >= {"detect", "deliver", "train"}
    assert other.beat(now=clock.now()) == set()
    for job in jobs(first):
        run_job(first, job, one)
        run_job(second, job, other)
    with reading(engine) as connection:
        ran = load_runs(connection)
        leases = load_leases(connection)
    assert len(ran) == len({run.job for run in ran})
    assert {lease.owner for lease in leases.values()} == {first.owner}
    one.release()
    assert other.beat(now=clock.now()) >= {"detect", "deliver", "train"}
    assert not one.holds("detect")
    assert other.holds("detect")


def test_a_job_whose_lease_is_lost_comes_to_its_end(engine: Engine, tmp_path: Path) -> None:
    context, leases = daemon(engine, tmp_path, "a")
    leases.beat(now=clock.now())
    stop = JobStop(context.stop, leases, "detect")
    assert not stop.is_set()
    _other, others = daemon(engine, tmp_path, "b")
    others.beat(now=clock.now() + timedelta(seconds=61))
    leases.beat(now=clock.now())
    assert stop.is_set()
    assert not leases.holds("detect")


def test_a_run_is_refused_to_whom_the_database_does_not_know_as_holder(
    engine: Engine, tmp_path: Path
) -> None:
    context, leases = daemon(engine, tmp_path, "a")
    leases.beat(now=clock.now())
    _other, others = daemon(engine, tmp_path, "b")
    others.beat(now=clock.now() + timedelta(seconds=61))
    assert leases.holds("detect")  # as far as it knows: it slept meanwhile
    run_job(context, next(job for job in jobs(context) if job.name == "detect"), leases)
    with reading(engine) as connection:
        assert load_runs(connection) == []


def test_a_holder_that_lives_no_more_on_this_machine_is_dead() -> None:
    own = OwnerName.of_this_process()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_dead(str(replace(own, pid=ended.pid, mark="other")))
    assert is_dead(str(replace(own, mark="other")))
    assert not is_dead(str(own))
    assert not is_dead(str(replace(own, pid=os.getppid(), mark="other")))
    assert not is_dead(str(replace(own, host="elsewhere", pid=ended.pid)))
    assert not is_dead(str(replace(own, space="another", pid=ended.pid)))
    assert not is_dead("somebody")


@pytest.mark.parametrize(
    ("outcome", "is_due"), [(None, True), (Outcome.INTERRUPTED, True), (Outcome.DONE, False)]
)
def test_a_nightly_job_that_its_holder_did_not_finish_is_due_for_the_next(
    engine: Engine, tmp_path: Path, outcome: Outcome | None, *, is_due: bool
) -> None:
    context, _leases = daemon(engine, tmp_path, "a")
    night = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)
    if outcome is not None:
        with writing(engine) as connection:
            key = start_run(connection, "train", at=night, owner="another")
            run = JobRun("train", night, night + SECOND, outcome, 0, None, "")
            finish_run(connection, key, run)
    names = {job.name for job in due(context, {"train"}, now=night + timedelta(minutes=5))}
    assert ("train" in names) is is_due
    assert "first-model" in names
    assert "detect" not in names
