"""The most memory that ingesting 50 million rows into SQLite takes, against one million.

Each runs in a process of its own, and the text of the file is made while it is read.  `--rows`
takes fewer; how many were taken stands in the figure's name.
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from results import record

from tankwatch.ingest.accept import accept_chunks, file_options, intake_of
from tankwatch.ingest.file import read_stream
from tankwatch.settings import Settings
from tankwatch.store.engine import connect
from tankwatch.store.migrate import upgrade

ROWS, FEW, TANKS, STEPS_A_PIECE = 50_000_000, 1_000_000, 1000, 50
START_S = 1_577_836_800  # 2020-01-01
NOW = datetime(2027, 1, 1, tzinfo=UTC)
NAMES = [f"TK-{tank}" for tank in range(TANKS)]


def pieces(rows: int) -> Iterator[bytes]:
    """Yield a CSV file of `rows` rows by time, a reading of each tank a minute."""
    yield b"tank,timestamp,pressure,temperature\n"
    rng = np.random.default_rng(0)
    for step in range(0, rows // TANKS, STEPS_A_PIECE):
        steps = np.arange(step, min(step + STEPS_A_PIECE, rows // TANKS))
        times = np.datetime_as_string((START_S + steps * 60).astype("M8[s]"))
        noise = rng.integers(0, 1000, 2 * TANKS)
        ends = [
            f"{1 + a / 1000:.3f},{20 + b / 100:.2f}\n"
            for a, b in zip(noise[:TANKS].tolist(), noise[TANKS:].tolist(), strict=True)
        ]
        heads = [f"{name}," for name in NAMES]
        yield "".join(
            f"{head}{moment}Z,{end}"
            for moment in times.tolist()
            for head, end in zip(heads, ends, strict=True)
        ).encode()


class Made(io.RawIOBase):
    """A stream whose bytes are made when they are read."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._held = b""

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` as far as one piece goes."""
        if not self._held:
            self._held = next(self._source, b"")
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size


def ingest(rows: int) -> None:
    """Ingest into a fresh database, and print the process's largest resident size in MB."""
    with tempfile.TemporaryDirectory(prefix="tw") as name:
        engine = connect(f"sqlite:///{Path(name) / 'readings.db'}")
        upgrade(engine)
        options = file_options(engine, Settings(), now=NOW)
        stream = cast("BinaryIO", io.BufferedReader(Made(pieces(rows)), 1 << 20))
        began = time.perf_counter()
        chunks = read_stream(stream, "made.csv", options)
        accepted = accept_chunks(intake_of(engine, Settings()), chunks, now=NOW)
        spent = time.perf_counter() - began
        engine.dispose()
    assert accepted.stored == rows
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "peak_mb": round(peak_mb, 1), "seconds": round(spent, 1)}))


def in_a_process(rows: int) -> float:
    """Return the peak of ingesting `rows` in a process of its own, in MB."""
    command = [sys.executable, __file__, "--ingest", str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = done.stdout.splitlines()[-1]
    print(told)
    return float(json.loads(told)["peak_mb"])


def main() -> None:
    """Measure the small one, then the large one."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=ROWS, help="rows of the large ingest")
    arguments.add_argument("--ingest", type=int, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.ingest:
        ingest(given.ingest)
        return
    small, large = in_a_process(FEW), in_a_process(given.rows)
    # As a ratio of which more is better: 0.909 is 10 % more memory.
    record(
        f"peak memory, ingesting {FEW:,} rows against {given.rows:,}",
        small,
        "MB",
        against=f"peak of ingesting {given.rows:,}",
        other=large,
        target=round(1 / 1.1, 3),
    )


if __name__ == "__main__":
    main()
