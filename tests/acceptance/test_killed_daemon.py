"""A daemon that is killed again and again must end where an undisturbed one ends."""

import email
import email.policy
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from tankwatch.store.engine import connect, reading
from tests.acceptance.program import command, environment, run

FILES = 24
STEPS_A_FILE = 15
TANKS = ("TK-1", "TK-2", "TK-3", "TK-4")
KILLS = 10
SETTINGS = """\
[ingest]
settle_s = 0.0
[detect]
detector = "robust_z"
stale_s = 86400
page_within_s = 86400000
merge_gap_steps = 20
[channels.pressure]
high = 4.0
[schedule]
watch_s = 0.3
detect_s = 0.4
deliver_s = 0.5
"""


@dataclass(frozen=True)
class Ending:
    """Everything that a run leaves behind and that must not depend on how it went."""

    readings: list[tuple[Any, ...]]
    scores: list[tuple[Any, ...]]
    incidents: list[tuple[Any, ...]]
    transitions: list[tuple[Any, ...]]
    messages: list[tuple[Any, ...]]
    mails: list[str]


@pytest.fixture(scope="module")
def readings() -> pd.DataFrame:
    """A day to learn from and six hours to watch, with three faults in them."""
    rng = np.random.default_rng(5)
    steps = 1440 + FILES * STEPS_A_FILE
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=steps)
    minute = np.arange(steps)
    parts = []
    for index, tank in enumerate(TANKS):
        day = np.sin(2 * np.pi * minute / 1440 + index)
        pressure = 1.0 + 0.3 * day + rng.normal(0, 0.02, steps)
        temperature = 15.0 + 4.0 * day + rng.normal(0, 0.1, steps)
        if index == 0:
            pressure[1500:1580] += 2.0
        if index == 1:
            temperature[1560:1620] -= 30.0
        if index == 2:
            pressure[1620:1660] = 5.0
        moments = [start + timedelta(minutes=int(m)) for m in minute]
        columns = {"timestamp": moments, "pressure": pressure, "temperature": temperature}
        parts.append(pd.DataFrame({"tank": tank, **columns}).assign(minute=minute))
    return pd.concat(parts).sort_values(["minute", "tank"]).round({"pressure": 3, "temperature": 3})


@pytest.fixture(scope="module")
def trained(readings: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plant that has learned its first day and waits for files."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tankwatch.toml").write_text(SETTINGS)
    run(folder, "init")
    history = readings[readings["minute"] < 1440].drop(columns="minute")
    history.to_csv(folder / "history.csv", index=False)
    run(folder, "ingest", "history.csv")
    run(folder, "train")
    return folder


def files_of(readings: pd.DataFrame) -> list[pd.DataFrame]:
    live = readings[readings["minute"] >= 1440]
    groups = live.groupby((live["minute"] - 1440) // STEPS_A_FILE)
    return [part.drop(columns="minute") for _, part in groups]


PASSES = (
    "SELECT count(*) FROM job_run WHERE job = 'detect' AND outcome = 'done' AND started_at > :since"
)


def drop(part: pd.DataFrame, folder: Path, number: int) -> None:
    hidden = folder / "inbox" / f".{number:03}.csv"
    part.to_csv(hidden, index=False)
    hidden.rename(hidden.with_name(f"{number:03}.csv"))


def start(folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / "daemon.log").open("ab") as log:
        return subprocess.Popen(
            command("run"), cwd=folder, env=environment(), stderr=log, stdout=log
        )


def wait_until_idle(folder: Path, expected_readings: int) -> None:
    """Wait until every file is taken, every final step scored, and every message away."""
    engine = connect("sqlite:///tankwatch.db", home=folder)
    began, seen = time.monotonic(), None
    last_change, all_in = began, None
    while time.monotonic() - last_change < 2.5:
        with reading(engine) as connection:
            passes = connection.execute(text(PASSES), {"since": all_in or 0}).scalar_one()
            now = (
                connection.execute(text("SELECT count(*) FROM reading")).scalar_one(),
                connection.execute(text("SELECT count(*) FROM score")).scalar_one(),
                connection.execute(text("SELECT state, count(*) FROM outbox GROUP BY 1")).all(),
                len(list((folder / "inbox").glob("*.csv"))),
            )
        pending = any(state == "pending" for state, _ in now[2])
        if all_in is None and now[0] >= expected_readings and not now[3]:
            all_in = round(time.time() * 1000)
        # A daemon that is still starting changes nothing either: a whole pass must have followed.
        if now != seen or pending or all_in is None or not passes:
            last_change, seen = time.monotonic(), now
        time.sleep(0.2)
        assert time.monotonic() - began < 180
    engine.dispose()


def ending(folder: Path) -> Ending:
    engine = connect("sqlite:///tankwatch.db", home=folder)
    with reading(engine) as connection:

        def rows(query: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(text(query))]

        found = Ending(
            readings=rows("SELECT * FROM reading ORDER BY 1, 2"),
            scores=[
                (*row[:3], round(row[3], 5), *row[4:])
                for row in rows("SELECT * FROM score ORDER BY 1, 2, 3")
            ],
            incidents=rows(
                "SELECT uid, tank_id, state, detector, channel_id, symptom, started_at, raised_at,"
                " ended_at, round(peak_score, 5) FROM incident ORDER BY 1"
            ),
            transitions=rows(
                "SELECT uid, event, to_state, at FROM transition JOIN incident USING (incident_id)"
                " ORDER BY 1, transition_id"
            ),
            messages=rows("SELECT message_id, thread_id, kind, state FROM outbox ORDER BY 1"),
            mails=sorted(
                str(
                    email.message_from_bytes(path.read_bytes(), policy=email.policy.default)[
                        "Message-ID"
                    ]
                )
                for path in (folder / "outbox").glob("*.eml")
            ),
        )
    engine.dispose()
    return found


def stop(daemon: "subprocess.Popen[bytes]") -> None:
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=10) == 0


def run_undisturbed(folder: Path, parts: list[pd.DataFrame], expected: int) -> Ending:
    daemon = start(folder)
    for number, part in enumerate(parts):
        drop(part, folder, number)
        time.sleep(0.1)
    wait_until_idle(folder, expected)
    stop(daemon)
    return ending(folder)


def run_killed(folder: Path, parts: list[pd.DataFrame], expected: int) -> Ending:
    """Drop a file every second, and kill the daemon ten times while they come."""
    rng = random.Random(11)
    daemon, kills = start(folder), 0
    kill_at = time.monotonic() + rng.uniform(1.5, 3.0)
    number = 0
    next_drop = time.monotonic()
    while number < len(parts) or kills < KILLS:
        if number < len(parts) and time.monotonic() >= next_drop:
            drop(parts[number], folder, number)
            number, next_drop = number + 1, next_drop + 1.0
        if kills < KILLS and time.monotonic() >= kill_at:
            daemon.kill()
            daemon.wait()
            kills += 1
            daemon = start(folder)
            kill_at = time.monotonic() + rng.uniform(1.2, 3.2)
        time.sleep(0.01)
    wait_until_idle(folder, expected)
    stop(daemon)
    return ending(folder)


def test_daemon_killed_ten_times_ends_like_an_undisturbed_one(
    trained: Path, readings: pd.DataFrame, tmp_path: Path
) -> None:
    parts = files_of(readings)
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    for folder in (calm, killed):
        shutil.copytree(trained, folder)
    expected = run_undisturbed(calm, parts, len(readings))
    found = run_killed(killed, parts, len(readings))
    assert len(expected.readings) == len(readings)
    assert len(expected.incidents) >= 3
    assert {kind for _, _, kind, _ in expected.messages} == {"alarm", "all_clear"}
    assert found.readings == expected.readings
    assert found.incidents == expected.incidents
    assert found.transitions == expected.transitions
    assert found.scores == expected.scores
    assert found.messages == expected.messages
    assert all(state == "sent" for _, _, _, state in found.messages)
    assert found.mails == expected.mails == [message for message, *_ in found.messages]
