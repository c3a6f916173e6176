"""Housekeeping that is killed anywhere, even in the middle of a file, loses no reading."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from tankwatch.jobs.rollup import roll_up
from tankwatch.store.engine import Engine, connect, reading
from tests.integration.months import NOW, assert_same, context_of, everything, fill, stored

# Kills itself, as a power cut would, when so many statements and writes of files have begun.
_PROGRAM = """
import json, os, signal, sys
from datetime import datetime
from pathlib import Path
from sqlalchemy import event
from tankwatch.jobs import archive_file, retention
from tankwatch.jobs.context import Context
from tankwatch.jobs.retention import drop_old_readings
from tankwatch.settings import Settings
from tankwatch.store.engine import connect

url, home, keep, left, now = json.loads(sys.argv[1])

def step(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(work):
    def wrapped(*args, **kwargs):
        step()
        return work(*args, **kwargs)
    return wrapped

retention._READINGS_AT_ONCE = 1
archive_file.ArchiveWriter.write = counted(archive_file.ArchiveWriter.write)
archive_file.ArchiveWriter.finish = counted(archive_file.ArchiveWriter.finish)
retention.store_archive = counted(retention.store_archive)
engine = connect(url)
event.listen(engine, "before_cursor_execute", step)
event.listen(engine, "commit", step)
settings = Settings(keep=keep, train={"history_days": 30}, home=Path(home))
drop_old_readings(Context(engine, settings), now=datetime.fromisoformat(now))
engine.dispose()
"""
_FIRST, _GROWTH = 40, 1.35


def test_housekeeping_that_is_killed_again_and_again_loses_nothing(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    ids = fill(engine)
    roll_up(context_of(engine, tmp_path))
    before, hours = stored(engine, ids), rolled(engine)
    kills, left = 0, float(_FIRST)
    while True:
        request = [database_url, str(tmp_path), {"reading_days": 60.0}, int(left), NOW.isoformat()]
        command = [sys.executable, "-c", _PROGRAM, json.dumps(request)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        fresh = connect(database_url)
        assert_same(everything(fresh, tmp_path, ids), before)
        fresh.dispose()
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills, left = kills + 1, left * _GROWTH
    assert kills >= 2
    assert 0 < stored(engine, ids).size < before.size
    assert rolled(engine) == hours


def rolled(engine: Engine) -> list[tuple[object, ...]]:
    query = text("SELECT * FROM dash_readings_hourly ORDER BY tank, hour_ms, channel")
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(query)]
