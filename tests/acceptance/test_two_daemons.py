"""Two daemons on one PostgreSQL: each job is run once, and goes on when its holder is killed."""

import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tankwatch.store.engine import Engine, connect, reading
from tests.acceptance.program import command, environment, run
from tests.conftest import PostgresServer

SETTINGS = """\
[detect]
detector = "robust_z"
[channels.pressure]
high = 4.0
[ingest]
folder = "{folder}"
settle_s = 0.0
[schedule]
watch_s = 0.3
detect_s = 0.4
deliver_s = 0.5
lease_s = 3
"""
Daemon = subprocess.Popen[bytes]


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    name = postgres_server.create(postgres_server.template)
    yield postgres_server.url(name)
    postgres_server.drop(name)


@pytest.fixture
def homes(database: str, tmp_path: Path) -> list[Path]:
    """Two folders, as on two machines, whose settings name one database and one inbox."""
    made = []
    for name in ("first", "second"):
        home = tmp_path / name
        home.mkdir()
        folder = (tmp_path / "inbox").as_posix()
        (home / "tankwatch.toml").write_text(SETTINGS.format(folder=folder))
        made.append(home)
    run(made[0], "db", "upgrade", TANKWATCH_DATABASE__URL=database)
    return made


def start(home: Path, database: str) -> Daemon:
    with (home / "daemon.log").open("ab") as log:
        surroundings = environment(TANKWATCH_DATABASE__URL=database)
        return subprocess.Popen(command("run"), cwd=home, env=surroundings, stderr=log, stdout=log)


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def drop(inbox: Path, name: str, start_at: datetime, steps: int) -> None:
    """Drop a file of readings; the last five minutes of ten lie above the limit."""
    lines = ["tank,timestamp,pressure,temperature"]
    for step in range(steps):
        moment = (start_at + timedelta(minutes=step)).isoformat()
        pressure = 5.0 if step % 60 in range(20, 26) else 1.0 + step % 7 / 100
        lines.append(f"TK-1,{moment},{pressure},{15 + step % 5 / 10}")
    hidden = inbox / f".{name}"
    hidden.write_text("\n".join(lines) + "\n")
    hidden.rename(inbox / name)


def holders(engine: Engine) -> set[str]:
    return {owner for (owner,) in rows(engine, "SELECT owner FROM lease WHERE until > now()")}


def process_of(owner: str) -> int:
    return int(owner.split("/")[2])


def test_of_two_daemons_one_runs_each_job_and_the_other_takes_over_when_it_is_killed(
    homes: list[Path], database: str, tmp_path: Path
) -> None:
    engine = connect(database)
    daemons = [start(home, database) for home in homes]
    try:
        wait_for(lambda: len(rows(engine, "SELECT 1 FROM job_run WHERE outcome = 'done'")) > 10)
        (holder,) = holders(engine)
        begun = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=4)
        drop(tmp_path / "inbox", "1.csv", begun, 120)
        wait_for(lambda: len(rows(engine, "SELECT 1 FROM outbox WHERE state = 'sent'")) >= 2)
        assert {owner for (owner,) in rows(engine, "SELECT owner FROM job_run")} == {holder}

        (killed,) = [one for one in daemons if one.pid == process_of(holder)]
        killed.kill()
        killed.wait()
        wait_for(lambda: bool(holders(engine) - {holder}))
        drop(tmp_path / "inbox", "2.csv", begun + timedelta(minutes=120), 115)
        wait_for(lambda: len(rows(engine, "SELECT 1 FROM incident")) >= 4)
        pending = "SELECT 1 FROM outbox WHERE state = 'pending'"
        wait_for(lambda: not rows(engine, pending))
    finally:
        for one in daemons:
            one.terminate()
        codes = {one.pid: one.wait(timeout=30) for one in daemons}
    (heir,) = {owner for (owner,) in rows(engine, "SELECT owner FROM job_run")} - {holder}
    assert codes[process_of(heir)] == 0
    overlapping = rows(
        engine,
        "SELECT a.job FROM job_run a JOIN job_run b ON a.job = b.job"
        " AND a.job_run_id < b.job_run_id AND b.started_at < a.finished_at"
        " AND a.outcome <> 'interrupted'",
    )
    assert overlapping == []
    assert rows(engine, "SELECT 1 FROM job_run WHERE outcome = 'running'") == []
    assert holders(engine) == set()  # given back at the end
    assert rows(engine, "SELECT count(*) FROM reading") == [(235,)]
    mails = [path for home in homes for path in (home / "outbox").glob("*.eml")]
    sent = rows(engine, "SELECT 1 FROM outbox WHERE state = 'sent'")
    assert len(mails) == len(sent) >= 4
    engine.dispose()
