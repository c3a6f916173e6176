"""A CSV file into PostgreSQL, parse to commit, against binary COPY and upsert of ready arrays.

Both write to the migrated schema of a database of their own on one server with its settings as
they come, so with fsync: the same partitions, key, index and foreign key.  Once with rows by time,
as a historian writes them, and once in no order, where hardly a row is newer than all of its tank.
"""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
from bench_ingest import ROWS, TANKS, make_csv
from results import record
from server import Server, server

from tankwatch.ingest.accept import accept_file, file_options, intake_of
from tankwatch.settings import Settings
from tankwatch.store.binary_rows import binary_rows
from tankwatch.store.engine import connect, writing
from tankwatch.store.migrate import upgrade
from tankwatch.store.partitions import make_partitions
from tankwatch.store.plant import ensure_tanks

ROUNDS = 3
CHUNK = 100_000
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2027, 1, 1, tzinfo=UTC)
STAGE = (
    "CREATE TEMP TABLE staged (tank_id integer, observed_at timestamptz, pressure float8, "
    "temperature float8) ON COMMIT DELETE ROWS"
)
UPSERT = (
    "INSERT INTO reading SELECT * FROM staged ORDER BY tank_id, observed_at "
    "ON CONFLICT (tank_id, observed_at) DO UPDATE SET "
    "pressure = coalesce(excluded.pressure, reading.pressure), "
    "temperature = coalesce(excluded.temperature, reading.temperature)"
)


def fresh(running: Server, name: str) -> str:
    """Return the URL of a migrated database with the tanks and months of the file."""
    url = running.create(name)
    engine = connect(url)
    upgrade(engine)
    with writing(engine) as connection:
        make_partitions(connection, now=START, months_ahead=1)
        ensure_tanks(connection, [f"TK-{i}" for i in range(TANKS)], site="main", at=START)
    engine.dispose()
    return url


def ours(csv: Path, url: str) -> float:
    """Return rows a second of a tankwatch ingest."""
    engine = connect(url)
    options = file_options(engine, Settings(), now=NOW)
    began = time.perf_counter()
    accepted = accept_file(intake_of(engine, Settings()), csv, options, now=NOW)
    spent = time.perf_counter() - began
    engine.dispose()
    assert accepted.stored == ROWS
    return ROWS / spent


def raw(csv: Path, url: str) -> float:
    """Return rows a second of arrays that were ready before the clock started."""
    frame = pd.read_csv(csv)
    times = pd.to_datetime(frame["timestamp"], utc=True).to_numpy(dtype="M8[ms]").astype(np.int64)
    tank = frame["tank"].str.slice(3).astype(int).to_numpy() + 1
    values = frame[["pressure", "temperature"]].to_numpy()
    with psycopg.connect(url) as connection:
        began = time.perf_counter()
        connection.execute(STAGE)
        for first in range(0, ROWS, CHUNK):
            part = slice(first, first + CHUNK)
            with (
                connection.cursor() as cursor,
                cursor.copy("COPY staged FROM STDIN (FORMAT binary)") as copy,
            ):
                copy.write(binary_rows((tank[part],), times[part], values[part]))
            connection.execute(UPSERT)
            connection.commit()
        spent = time.perf_counter() - began
        (stored,) = connection.execute("SELECT count(*) FROM reading").fetchone() or (0,)
    assert stored == ROWS
    return ROWS / spent


def shuffle(csv: Path) -> Path:
    """Return a file with the rows of `csv` in no order."""
    frame = pd.read_csv(csv, dtype=str).sample(frac=1, random_state=0)
    shuffled = csv.with_name("shuffled.csv")
    frame.to_csv(shuffled, index=False)
    return shuffled


def main() -> None:
    """Measure both in turns, for each order, and record the best of each."""
    with tempfile.TemporaryDirectory(prefix="tw") as name:
        by_time = Path(name) / "readings.csv"
        make_csv(by_time)
        files = {"CSV file": by_time, "CSV file in no order": shuffle(by_time)}
        mine: dict[str, list[float]] = {what: [] for what in files}
        bare: dict[str, list[float]] = {what: [] for what in files}
        with server(Path(name)) as running:
            for number in range(ROUNDS):
                for place, (what, csv) in enumerate(files.items()):
                    mine[what].append(ours(csv, fresh(running, f"ours{number}{place}")))
                    bare[what].append(raw(csv, fresh(running, f"raw{number}{place}")))
    for what in files:
        record(
            f"{what} to PostgreSQL, parse to commit",
            round(max(mine[what])),
            "rows/s",
            against="binary COPY and upsert of ready arrays",
            other=round(max(bare[what])),
            target=0.6,
        )


if __name__ == "__main__":
    main()
