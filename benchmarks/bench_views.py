"""What each panel of a dashboard waits for: the views on millions of readings.

Median of 20 answers, warm, all rows fetched, beside an alternative that is asked as often as
five seconds allow: one that takes longer is recorded with those.  SQLite holds 10 million readings
and as many scores; PostgreSQL 20 million, or as many as `--rows` says.

    python benchmarks/bench_views.py [sqlite] [postgresql] [--rows 100000000]
"""

import argparse
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from results import record
from server import server
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from view_queries import USUAL, given
from view_store import fill

from tankwatch.store.engine import Connection, Engine, connect, reading, writing
from tankwatch.store.migrate import upgrade
from tankwatch.store.views import view_query

ROUNDS, PATIENCE_S, MOST_MS = 20, 5.0, 50.0
OLD = {
    "dash_readings": 1,
    "dash_scores": 2,
    "dash_incidents": 3,
    "dash_job_health": 1,
    "dash_alarm_kpis": 1,
    "dash_tank_status": 2,
}
ROWS = {"sqlite": 10_000_000, "postgresql": 20_000_000}


def add_old_views(engine: Engine) -> None:
    """Make the older versions of the views, beside those of today."""
    with writing(engine) as connection:
        for name, version in OLD.items():
            query = view_query(connection, name, version, channels=("pressure", "temperature"))
            connection.exec_driver_sql(f"CREATE VIEW old_{name} AS {query}")


def milliseconds(connection: Connection, query: str) -> float:
    """Return how long an answer takes, all of its rows."""
    began = time.perf_counter()
    rows = connection.execute(text(query), given(query)).all()
    spent = (time.perf_counter() - began) * 1000
    assert rows, query
    return spent


def usual(engine: Engine, query: str) -> float:
    """Return the median of several answers."""
    with reading(engine) as connection:
        milliseconds(connection, query)
        return statistics.median(milliseconds(connection, query) for _ in range(ROUNDS))


def alternative(engine: Engine, query: str) -> float:
    """Return the median of the answers that come in time, or the time that was waited."""
    found: list[float] = []
    began = time.monotonic()
    with reading(engine) as connection:
        _bound(connection)
        try:
            while len(found) < ROUNDS and time.monotonic() - began < PATIENCE_S:
                found.append(milliseconds(connection, query))
        except DBAPIError as error:
            if not any(word in str(error) for word in ("interrupt", "timeout")):
                raise
    engine.dispose()
    return statistics.median(found) if found else PATIENCE_S * 1000


def _bound(connection: Connection) -> None:
    """Let no query take longer than the alternative is waited for."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET statement_timeout = '{PATIENCE_S}s'")
        return
    end = time.monotonic() + PATIENCE_S
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: time.monotonic() > end, 100_000)


def measure(backend: str, rows: int, folder: Path) -> None:
    """Measure one backend, and record each panel."""
    with server(folder) if backend == "postgresql" else nullcontext() as running:
        if running is not None:
            running.set("fsync = off", "max_wal_size = '8GB'")
        engine = connect(running.create("views") if running else f"sqlite:///{folder}/views.db")
        upgrade(engine)
        began = time.monotonic()
        fill(engine, rows)
        add_old_views(engine)
        print(f"filled in {time.monotonic() - began:.0f} s")
        for panel in USUAL:
            mine = usual(engine, panel.sql(backend))
            other = alternative(engine, panel.other_sql(backend)) if panel.other else None
            record(
                f"view: {panel.panel}, {backend}, {rows // 1_000_000} M readings",
                round(mine, 2),
                "ms",
                against=panel.against,
                other=None if other is None else round(other, 2),
                most=MOST_MS,
            )
        engine.dispose()


def main() -> None:
    """Measure the backends that are named, or both."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("backends", nargs="*", default=list(ROWS))
    asked.add_argument("--rows", type=int, help="readings; by default 10 or 20 million")
    asked.add_argument("--dir", help="where the databases are made, for instance a large disk")
    options = asked.parse_args()
    for backend in options.backends:
        with tempfile.TemporaryDirectory(dir=options.dir) as name:
            measure(backend, options.rows or ROWS[backend], Path(name))


if __name__ == "__main__":
    main()
