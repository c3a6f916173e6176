"""Readings over HTTP, 1,000 a post, against the same rows straight into the store, in turns.

The server runs as a program of its own on this machine, and the gateways in this one, which keep
eight posts under way.  The store is given the same rows, parsed before the clock starts, 1,000 to a
transaction: each is then as durable as a post that was answered.  Beside it stands the store with
100,000 rows to a transaction, which acknowledges nothing before their end.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from results import record
from server import server

from tankwatch.store.engine import connect, writing
from tankwatch.store.intake import store_rows
from tankwatch.store.migrate import upgrade
from tankwatch.store.partitions import make_partitions
from tankwatch.store.plant import ensure_tanks
from tankwatch.store.readings import ReadingRows
from tankwatch.store.tokens import add_token

# Enough posts that the first half second of a server, which runs for months, does not count.
POSTS, ROWS, TANKS, LINES, ROUNDS = 1000, 1000, 50, 8, 3
START = datetime(2026, 1, 1, tzinfo=UTC)
CHANNELS = ("pressure", "temperature")
NAMES = [f"TK-{number:02}" for number in range(TANKS)]
FORMS = {"CSV": "text/csv", "JSON": "application/json"}


@dataclass(frozen=True)
class Load:
    """The rows of a run, as bodies and as arrays.

    Attributes:
        bodies: the posts by form.
        rows: observed times and values; its tanks are places in `NAMES`.
    """

    bodies: dict[str, list[bytes]]
    rows: ReadingRows


def make_load() -> Load:
    """Return readings by time, as a gateway sends them."""
    rng = np.random.default_rng(0)
    steps = POSTS * ROWS // TANKS
    moments = pd.date_range(START, periods=steps, freq="min")
    values = np.column_stack(
        [rng.normal(1, 0.1, POSTS * ROWS).round(3), rng.normal(20, 1, POSTS * ROWS).round(2)]
    )
    tank = np.tile(np.arange(TANKS), steps)
    observed_ms = np.repeat(moments.as_unit("ms").asi8, TANKS)
    frame = pd.DataFrame(values, columns=list(CHANNELS))
    frame.insert(0, "timestamp", np.repeat(moments.strftime("%Y-%m-%dT%H:%M:%SZ"), TANKS))
    frame.insert(0, "tank", np.array(NAMES)[tank])
    parts = [frame.iloc[at : at + ROWS] for at in range(0, len(frame), ROWS)]
    bodies = {
        "CSV": [part.to_csv(index=False).encode() for part in parts],
        "JSON": [json.dumps(part.to_dict("records")).encode() for part in parts],
    }
    return Load(bodies, ReadingRows(tank, observed_ms, values))


def fresh(url: str) -> str:
    """Migrate the empty database at `url`, and return a token for it."""
    engine = connect(url)
    upgrade(engine)
    with writing(engine) as connection:
        make_partitions(connection, now=START, months_ahead=1)
        ensure_tanks(connection, NAMES, site="main", at=START)
        token = add_token(connection, "gateway", sites=(), every_site=True, at=START)
    engine.dispose()
    return token


def straight(url: str, rows: ReadingRows, *, rows_each: int) -> float:
    """Return rows a second of the store itself."""
    fresh(url)
    engine = connect(url)
    with writing(engine) as connection:
        known = ensure_tanks(connection, NAMES, site="main", at=START)
    tank_id = np.array([known[name] for name in NAMES], dtype=np.int64)[rows.tank_id]
    began = time.perf_counter()
    stored = 0
    for at in range(0, tank_id.size, rows_each):
        part = slice(at, at + rows_each)
        some = ReadingRows(tank_id[part], rows.observed_ms[part], rows.values[part])
        with writing(engine) as connection:
            stored += store_rows(connection, some, CHANNELS).count().stored
    spent = time.perf_counter() - began
    engine.dispose()
    assert stored == tank_id.size
    return stored / spent


def over_http(url: str, bodies: list[bytes], kind: str, folder: Path) -> float:
    """Return rows a second of a gateway that keeps `LINES` posts under way."""
    token = fresh(url)
    with serving(url, folder) as port:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        waiting, stored = list(reversed(bodies)), []

        def send() -> None:
            line = http.client.HTTPConnection("127.0.0.1", port)
            while waiting:
                try:
                    body = waiting.pop()
                except IndexError:
                    break
                line.request("POST", "/api/v1/readings", body, headers)
                stored.append(json.loads(line.getresponse().read())["stored"])
            line.close()

        threads = [threading.Thread(target=send) for _ in range(LINES)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent = time.perf_counter() - began
    assert sum(stored) == POSTS * ROWS
    return sum(stored) / spent


@contextmanager
def serving(url: str, folder: Path) -> Iterator[int]:
    """Run `tankwatch serve` over a database, and return its port."""
    variables = {"TANKWATCH_DATABASE__URL": url, "TANKWATCH_SERVE__PORT": "0"}
    program = [sys.executable, "-c", "from tankwatch.cli import main; main()", "serve"]
    with subprocess.Popen(
        program, cwd=folder, env=os.environ | variables, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        port = int(running.stderr.readline().rsplit(":", 1)[1])
        try:
            yield port
        finally:
            running.terminate()


def measure(backend: str, load: Load, folder: Path, urls: Iterator[str]) -> None:
    """Measure one backend in turns, and record the best of each."""
    each: dict[str, list[float]] = {"1,000": [], "100,000": [], **{form: [] for form in FORMS}}
    for _ in range(ROUNDS):
        for form, kind in FORMS.items():
            each[form].append(over_http(next(urls), load.bodies[form], kind, folder))
        each["1,000"].append(straight(next(urls), load.rows, rows_each=1000))
        each["100,000"].append(straight(next(urls), load.rows, rows_each=100_000))
    best = {name: round(max(found)) for name, found in each.items()}
    for form in FORMS:
        for size, target in (("1,000", 0.5), ("100,000", None)):
            record(
                f"HTTP, 1,000 readings a POST, {form}, {backend}"
                + (" (large transactions)" if target is None else ""),
                best[form],
                "rows/s",
                against=f"the same rows straight into the store, {size} to a transaction",
                other=best[size],
                target=target,
            )


def main() -> None:
    """Measure SQLite and PostgreSQL."""
    load = make_load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure("SQLite", load, folder, (f"sqlite:///{folder}/{n}.db" for n in range(1000)))
        with server(folder) as running:
            urls = (running.create(f"b{number}") for number in range(1000))
            measure("PostgreSQL", load, folder, urls)


if __name__ == "__main__":
    main()
