"""A daemon outlives its PostgreSQL server: crashed and started again while files come in."""

import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from tankwatch.store.engine import Engine, connect, reading
from tests.acceptance.program import command, environment, run
from tests.lone_server import LoneServer, lone_server

FILES, STEPS_A_FILE, CRASHES = 10, 20, 3
TANKS = ("TK-1", "TK-2", "TK-3")
SETTINGS = """\
[ingest]
settle_s = 0.0
[detect]
detector = "robust_z"
stale_s = 86400
[channels.pressure]
high = 4.0
[schedule]
watch_s = 0.3
detect_s = 0.4
deliver_s = 0.5
"""


@pytest.fixture(scope="module")
def server() -> Iterator[LoneServer]:
    with lone_server() as running:
        yield running


def make_readings() -> pd.DataFrame:
    """Return the last hours of three tanks; the second goes above its limit."""
    rng = np.random.default_rng(3)
    steps = FILES * STEPS_A_FILE
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=steps)
    parts = []
    for tank in TANKS:
        pressure = 1.0 + rng.normal(0, 0.02, steps)
        if tank == TANKS[1]:
            pressure[80:120] = 5.0
        parts.append(
            pd.DataFrame(
                {
                    "tank": tank,
                    "timestamp": [start + timedelta(minutes=step) for step in range(steps)],
                    "pressure": pressure.round(3),
                    "temperature": (15 + rng.normal(0, 0.1, steps)).round(3),
                }
            )
        )
    return pd.concat(parts).sort_values(["timestamp", "tank"], ignore_index=True)


def wait_until_taken(file: Path, daemon: "subprocess.Popen[bytes]") -> None:
    """Wait until the daemon is up: one that finds no server at its start ends with an error."""
    deadline_s = time.monotonic() + 120
    while file.exists():
        assert daemon.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def wait_until_done(engine: Engine, folder: Path, rows: int) -> None:
    """Wait until every file is stored and the incident's messages are away."""
    deadline_s = time.monotonic() + 120
    while True:
        with reading(engine) as connection:
            stored = connection.execute(text("SELECT count(*) FROM reading")).scalar_one()
            sent = connection.execute(
                text("SELECT count(*) FROM outbox WHERE state = 'sent'")
            ).scalar_one()
        if stored == rows and sent == 2 and not list((folder / "inbox").glob("*.csv")):
            return
        assert time.monotonic() < deadline_s, (stored, sent)
        time.sleep(0.2)


def test_daemon_outlives_a_server_that_crashes_while_files_come_in(
    server: LoneServer, tmp_path: Path
) -> None:
    url = server.create("plant")
    (tmp_path / "tankwatch.toml").write_text(SETTINGS + f'[database]\nurl = "{url}"\n')
    run(tmp_path, "init")
    sent = make_readings()
    with (tmp_path / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            command("run"), cwd=tmp_path, env=environment(), stdout=log, stderr=log
        )
    size = STEPS_A_FILE * len(TANKS)
    for number in range(FILES):
        hidden = tmp_path / "inbox" / f".{number:03}.csv"
        sent[number * size : (number + 1) * size].to_csv(hidden, index=False)
        hidden.rename(hidden.with_name(f"{number:03}.csv"))
        if number == 0:
            wait_until_taken(hidden.with_name(f"{number:03}.csv"), daemon)
        time.sleep(0.4)
        if number % 3 == 1 and number // 3 < CRASHES:
            server.crash()
            time.sleep(1.0)
            server.start()
    engine = connect(url)
    wait_until_done(engine, tmp_path, len(sent))
    assert daemon.poll() is None
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=15) == 0
    with reading(engine) as connection:
        query = "SELECT name AS tank, observed_at AS timestamp, pressure, temperature"
        query += " FROM reading JOIN tank USING (tank_id) ORDER BY 2, 1"
        found = pd.DataFrame(connection.execute(text(query)).mappings().all())
        incidents = connection.execute(text("SELECT count(*) FROM incident")).scalar_one()
        running = text("SELECT count(*) FROM job_run WHERE outcome = 'done'")
        assert connection.execute(running).scalar_one() > 0
    engine.dispose()
    found["timestamp"] = pd.to_datetime(found["timestamp"], utc=True).astype(
        sent["timestamp"].dtype
    )
    pd.testing.assert_frame_equal(found, sent)
    assert incidents == 1
    assert len(list((tmp_path / "outbox").glob("*.eml"))) == 2
