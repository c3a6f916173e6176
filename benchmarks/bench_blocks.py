"""The last 240 steps of 10,000 tanks to a block, against pandas.read_sql, pivot and to_numpy.

On SQLite and PostgreSQL, with 240 steps stored and with ten times that.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from results import record
from server import server
from sqlalchemy import text

from tankwatch.core.block import Grid
from tankwatch.jobs.context import Context
from tankwatch.scoring.blocks import load_block
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, connect, reading, writing
from tankwatch.store.migrate import upgrade
from tankwatch.store.partitions import ensure_partitions
from tankwatch.store.plant import ensure_tanks, load_channels, load_tanks

# A machine with busy neighbours takes up to twice as long for one look: the best of many counts.
TANKS, STEPS, TIMES, ROUNDS = 10_000, 240, 10, 20
STEP_MS = 60_000
START_MS = 1_772_409_600_000
VALUES = "(t * 7919 + s * 104729) % 1000 / 100.0, 20 + (t * 31 + s * 17) % 977 / 50.0"
# By tank, as the table is kept on SQLite; by time, as readings arrive, on PostgreSQL.
FILL = {
    "sqlite": f"""
INSERT INTO reading (tank_id, observed_at, pressure, temperature)
WITH RECURSIVE tanks(t) AS (SELECT 1 UNION ALL SELECT t + 1 FROM tanks WHERE t < {TANKS}),
steps(s) AS (SELECT :first UNION ALL SELECT s + 1 FROM steps WHERE s < :last)
SELECT t, {START_MS} + s * {STEP_MS}, {VALUES} FROM tanks CROSS JOIN steps""",  # noqa: S608 - constants only
    "postgresql": f"""
INSERT INTO reading (tank_id, observed_at, pressure, temperature)
SELECT t, to_timestamp({START_MS // 1000} + s * {STEP_MS // 1000}), {VALUES}
FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) s
CROSS JOIN generate_series(1, {TANKS}) t""",  # noqa: S608 - constants only
}
PLAIN = {
    "sqlite": "observed_at >= :low AND observed_at < :high",
    "postgresql": "observed_at >= to_timestamp(:low / 1000.0) AND "
    "observed_at < to_timestamp(:high / 1000.0)",
}


@contextmanager
def stores(backend: str, folder: Path) -> Iterator[tuple[Engine, Engine]]:
    """Open a database with the last steps alone, and one with ten times the history."""
    with server(folder) if backend == "postgresql" else nullcontext() as running:
        names = ("short", "long")
        engines = [
            connect(running.create(n) if running else f"sqlite:///{folder / n}.db") for n in names
        ]
        for engine, steps in zip(engines, (STEPS, STEPS * TIMES), strict=True):
            upgrade(engine)
            with writing(engine) as connection:
                tanks = [f"TK-{number:05}" for number in range(TANKS)]
                ensure_tanks(connection, tanks, site="north", at=datetime(2026, 3, 1, tzinfo=UTC))
            fill(engine, 0, steps - 1)
        yield engines[0], engines[1]
        for engine in engines:
            engine.dispose()


def fill(engine: Engine, first: int, last: int) -> None:
    """Store a reading of every tank in the steps from `first` to `last`.

    PostgreSQL makes the key's index afterwards: readings by time would go all over it.
    """
    is_postgresql = engine.name == "postgresql"
    with writing(engine) as connection:
        edges = START_MS + np.array([first, last], dtype=np.int64) * STEP_MS
        ensure_partitions(connection, "reading", edges)
        if is_postgresql:
            connection.execute(text("ALTER TABLE reading DROP CONSTRAINT pk_reading"))
        connection.execute(text(FILL[engine.name]), {"first": first, "last": last})
        if is_postgresql:
            key = "ADD CONSTRAINT pk_reading PRIMARY KEY (tank_id, observed_at)"
            connection.execute(text(f"ALTER TABLE reading {key}"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if is_postgresql:
            connection.execute(text("VACUUM ANALYZE reading"))
        else:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


def ours(engine: Engine, last: int) -> NDArray[np.float64]:
    """Return the block of the last steps, as a pass loads it."""
    context = Context(engine, Settings(grid={"max_fill_steps": 0}))
    with reading(engine) as connection:
        tanks, channels = load_tanks(connection), load_channels(connection)
    grid = Grid(START_MS + (last + 1 - STEPS) * STEP_MS, STEPS, STEP_MS // 1000)
    return load_block(context.engine, context.settings, tanks, channels, grid).values


def plain(engine: Engine, last: int) -> NDArray[np.float64]:
    """Return the same by the usual way of pandas."""
    query = text(
        "SELECT tank_id, observed_at, pressure, temperature FROM reading "  # noqa: S608
        f"WHERE {PLAIN[engine.name]}"
    )
    high = START_MS + (last + 1) * STEP_MS
    with engine.connect() as connection:
        span = {"low": high - STEPS * STEP_MS, "high": high}
        frame = pd.read_sql(query, connection, params=span)
    table = frame.pivot(index="tank_id", columns="observed_at")
    return table.to_numpy().reshape(TANKS, 2, STEPS).transpose(0, 2, 1)


def seconds(work: Callable[[Engine, int], object], engine: Engine, last: int) -> float:
    """Return how long one run of `work` takes."""
    began = time.perf_counter()
    work(engine, last)
    return time.perf_counter() - began


def measure(backend: str, folder: Path) -> None:
    """Measure one backend in turns, and record the best of each."""
    short_last, long_last = STEPS - 1, STEPS * TIMES - 1
    mine, later, other = [], [], []
    with stores(backend, folder) as (short, long):
        for engine, last in ((short, short_last), (long, long_last)):
            ours(engine, last)  # what reads is started once, and then serves every pass
        assert np.allclose(ours(short, short_last), plain(short, short_last))
        for number in range(ROUNDS):
            mine.append(seconds(ours, short, short_last))
            later.append(seconds(ours, long, long_last))
            if number % 3 == 0:
                other.append(seconds(plain, short, short_last))
    name = f"last {STEPS} steps of {TANKS:,} tanks to a block, {backend}"
    record(
        name,
        round(1 / min(mine), 3),
        "blocks/s",
        against="pandas.read_sql + pivot + to_numpy",
        other=round(1 / min(other), 3),
        target=8.0,
    )
    record(
        f"{name}, {TIMES} times the history",
        round(1 / min(later), 3),
        "blocks/s",
        against="itself with one time the history",
        other=round(1 / min(mine), 3),
        target=round(1 / 1.15, 3),
    )


def main() -> None:
    """Measure the backends that are named, or both."""
    for backend in sys.argv[1:] or FILL:
        with tempfile.TemporaryDirectory() as name:
            measure(backend, Path(name))


if __name__ == "__main__":
    main()
