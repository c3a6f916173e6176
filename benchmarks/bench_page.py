"""What a chart of a tank costs: buckets in SQL and roll-ups, against shipping the raw rows.

A store of 100 tanks on SQLite and PostgreSQL: one has a year of a reading and a score a minute, the
others two weeks of readings.  Both ways end in the bytes that a browser is sent.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from results import record
from server import server
from sqlalchemy import text

from tankwatch.core.rollup import DAY_MS
from tankwatch.jobs.context import Context
from tankwatch.jobs.rollup import roll_up
from tankwatch.settings import Settings
from tankwatch.store.engine import Connection, Engine, connect, reading, writing
from tankwatch.store.migrate import upgrade
from tankwatch.store.partitions import ensure_partitions
from tankwatch.store.plant import ensure_tanks, load_channels
from tankwatch.store.readings import load_readings
from tankwatch.store.registry import Artefact, TrainingFacts, store_model
from tankwatch.store.scores import ScoreRows, load_scores, store_scores
from tankwatch.store.series import load_kept
from tankwatch.store.tanks import find_tank
from tankwatch.web.series import load_series

TANKS, DAYS, OTHER_DAYS, POINTS, ROUNDS = 100, 365, 14, 1000, 5
MINUTE_MS = 60_000
START_MS = 1_772_409_600_000
END_MS = START_MS + DAYS * DAY_MS
NAMES = ("pressure", "temperature")
SPANS = {"a day": 1, "a week": 7, "a month": 30, "three months": 90, "a year": 365}
_VALUES = "(s * 104729) % 1000 / 100.0, 20 + (s * 17) % 977 / 50.0"
FILL = {
    "sqlite": f"""
INSERT INTO reading (tank_id, observed_at, pressure, temperature)
WITH RECURSIVE steps(s) AS (SELECT :first UNION ALL SELECT s + 1 FROM steps WHERE s < :last)
SELECT :tank, {START_MS} + s * {MINUTE_MS}, {_VALUES} FROM steps""",  # noqa: S608 - constants only
    "postgresql": f"""
INSERT INTO reading (tank_id, observed_at, pressure, temperature)
SELECT CAST(:tank AS integer), to_timestamp({START_MS // 1000} + s * 60), {_VALUES}
FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) s""",  # noqa: S608 - constants only
}


@contextmanager
def filled(backend: str, folder: Path) -> Iterator[Engine]:
    """Open a database with the readings, their roll-ups and the scores."""
    with server(folder) if backend == "postgresql" else nullcontext() as running:
        url = running.create("page") if running else f"sqlite:///{folder / 'page.db'}"
        engine = connect(url)
        upgrade(engine)
        steps = DAYS * 1440
        with writing(engine) as connection:
            names = [f"T{number:03}" for number in range(TANKS)]
            made = datetime(2026, 3, 2, tzinfo=UTC)
            ids = list(ensure_tanks(connection, names, site="north", at=made).values())
            moments = np.arange(START_MS, END_MS, DAY_MS, dtype=np.int64)
            ensure_partitions(connection, "reading", moments)
            for place, tank in enumerate(ids):
                first = 0 if place == TANKS // 2 else steps - OTHER_DAYS * 1440
                span = {"tank": tank, "first": first, "last": steps - 1}
                connection.execute(text(FILL[backend]), span)
            # The others are there to be stepped over: without a watermark they are not rolled up.
            _watermark(connection, ids[TANKS // 2], START_MS)
        store_year_of_scores(engine, ids[TANKS // 2], steps)
        roll_up(Context(engine, Settings()))
        with engine.connect() as connection:
            connection.execute(text("ANALYZE"))
        print(f"{backend}: filled")
        yield engine
        engine.dispose()


def _watermark(connection: Connection, tank: int, first_ms: int) -> None:
    moment = ":first, :last"
    if connection.dialect.name == "postgresql":
        moment = "to_timestamp(:first / 1000.0), to_timestamp(:last / 1000.0)"
    query = "INSERT INTO watermark (tank_id, first_reading_at, last_reading_at)"
    given = {"tank": tank, "first": first_ms, "last": END_MS - MINUTE_MS}
    connection.execute(text(f"{query} VALUES (:tank, {moment})"), given)


def store_year_of_scores(engine: Engine, tank: int, steps: int) -> None:
    """Store a score for each minute of the year, a day at a time, as passes do."""
    facts = TrainingFacts(datetime(2026, 3, 2, tzinfo=UTC), 1, 1, 0, None, None)
    with writing(engine) as connection:
        model = store_model(connection, Artefact("fused", {}), facts, reason="")
        values = np.random.default_rng(0).gamma(2.0, 0.1, steps)
        for first in range(0, steps, 14_400):
            place = np.arange(first, min(first + 14_400, steps), dtype=np.int64)
            ones = np.ones(place.size, dtype=np.int64)
            moments = START_MS + place * MINUTE_MS
            store_scores(connection, model, ScoreRows(ones * tank, moments, values[place], ones))


def ours(engine: Engine, from_ms: int) -> bytes:
    """Return what the page's chart is sent."""
    with reading(engine) as connection:
        tank = find_tank(connection, f"north/T{TANKS // 2:03}")
        assert tank is not None
        kept = load_kept(connection, tank.tank_id)
        channels, span = load_channels(connection), (from_ms, END_MS)
        series = load_series(
            connection, tank, channels, kept, span, points=POINTS, settings=Settings()
        )
    return series.model_dump_json().encode()


def raw(engine: Engine, from_ms: int) -> bytes:
    """Return every row of the same span."""
    with reading(engine) as connection:
        tank = find_tank(connection, f"north/T{TANKS // 2:03}")
        assert tank is not None
        span = {"from_ms": from_ms, "until_ms": END_MS}
        rows = load_readings(connection, [tank.tank_id], NAMES, **span)
        scores = load_scores(connection, "fused", [tank.tank_id], **span)
    told = [rows.observed_ms.tolist(), rows.values.tolist(), scores.score.tolist()]
    return json.dumps(told).encode()


def best_ms(work: Callable[[Engine, int], bytes], engine: Engine, from_ms: int) -> float:
    """Return the time of one run of `work` in milliseconds."""
    began = time.perf_counter()
    work(engine, from_ms)
    return (time.perf_counter() - began) * 1000


def measure(backend: str, folder: Path) -> None:
    """Measure one backend in turns, and record the best of each span."""
    with filled(backend, folder) as engine:
        for told, days in SPANS.items():
            from_ms = END_MS - days * DAY_MS + 12_345  # as a hand leaves it, not at a border
            mine, other = [], []
            for number in range(ROUNDS):
                mine.append(best_ms(ours, engine, from_ms))
                if number < 2:
                    other.append(best_ms(raw, engine, from_ms))
            sizes = (len(ours(engine, from_ms)) / 1000, len(raw(engine, from_ms)) / 1000)
            print(f"{told}: {min(mine):.1f} ms and {sizes[0]:.0f} kB against {sizes[1]:.0f} kB")
            record(
                f"chart of {told} of a tank, {backend}",
                round(1000 / min(mine), 2),
                "charts/s",
                against="every row as JSON",
                other=round(1000 / min(other), 2),
                target=0.5 if days == 1 else 1.0,
            )


def main() -> None:
    """Measure the backends that are named, or both."""
    for backend in sys.argv[1:] or FILL:
        with tempfile.TemporaryDirectory() as name:
            measure(backend, Path(name))


if __name__ == "__main__":
    main()
