"""A CSV file into SQLite, parse to commit, against executemany upserts of ready tuples."""

import sqlite3
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from results import record

from tankwatch.ingest.accept import accept_file, file_options, intake_of
from tankwatch.settings import Settings
from tankwatch.store.engine import connect
from tankwatch.store.migrate import upgrade

ROWS, TANKS, ROUNDS = 400_000, 50, 3
UPSERT = (
    "INSERT INTO reading VALUES (?, ?, ?, ?) ON CONFLICT (tank_id, observed_at) DO UPDATE SET "
    "pressure = coalesce(excluded.pressure, reading.pressure), "
    "temperature = coalesce(excluded.temperature, reading.temperature)"
)


def make_csv(path: Path) -> None:
    """Write readings of `TANKS` tanks, by time."""
    rng = np.random.default_rng(0)
    steps = ROWS // TANKS
    moments = pd.date_range("2026-01-01", periods=steps, freq="min", tz="UTC")
    frame = pd.DataFrame(
        {
            "tank": np.tile([f"TK-{i}" for i in range(TANKS)], steps),
            "timestamp": np.repeat(moments.strftime("%Y-%m-%dT%H:%M:%SZ"), TANKS),
            "pressure": rng.normal(1, 0.1, ROWS).round(3),
            "temperature": rng.normal(20, 1, ROWS).round(2),
        }
    )
    frame.to_csv(path, index=False)


def ours(csv: Path, folder: Path) -> float:
    """Return rows a second of a tankwatch ingest into a fresh database."""
    engine = connect(f"sqlite:///{folder / 'ours.db'}")
    upgrade(engine)
    now = datetime(2027, 1, 1, tzinfo=UTC)
    options = file_options(engine, Settings(), now=now)
    began = time.perf_counter()
    accepted = accept_file(intake_of(engine, Settings()), csv, options, now=now)
    spent = time.perf_counter() - began
    engine.dispose()
    assert accepted.stored == ROWS
    return ROWS / spent


def raw(csv: Path, folder: Path) -> float:
    """Return rows a second of bare upserts of tuples that were ready before the clock started."""
    frame = pd.read_csv(csv)
    times = pd.to_datetime(frame["timestamp"], utc=True).astype("int64") // 1_000_000
    tank = frame["tank"].str.slice(3).astype(int)
    columns = (tank, times, frame["pressure"], frame["temperature"])
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    database = sqlite3.connect(folder / "raw.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(
        "CREATE TABLE reading (tank_id INTEGER, observed_at INTEGER, pressure REAL, "
        "temperature REAL, PRIMARY KEY (tank_id, observed_at)) WITHOUT ROWID"
    )
    began = time.perf_counter()
    for start in range(0, len(rows), 100_000):
        database.execute("BEGIN IMMEDIATE")
        database.executemany(UPSERT, rows[start : start + 100_000])
        database.execute("COMMIT")
    spent = time.perf_counter() - began
    database.close()
    return ROWS / spent


def main() -> None:
    """Measure both in turns, and record the best of each."""
    with tempfile.TemporaryDirectory() as name:
        csv = Path(name) / "readings.csv"
        make_csv(csv)
        mine, bare = [], []
        for number in range(ROUNDS):
            folder = Path(name) / str(number)
            folder.mkdir()
            mine.append(ours(csv, folder))
            bare.append(raw(csv, folder))
    record(
        "CSV file to SQLite, parse to commit",
        round(max(mine)),
        "rows/s",
        against="sqlite3 executemany upsert of ready tuples",
        other=round(max(bare)),
        target=0.45,
    )


if __name__ == "__main__":
    main()
