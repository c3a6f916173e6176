"""Processes that read SQLite for this one: a fleet in shares, as many as there are cores."""

import json
import mmap
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
import structlog

from tankwatch.store.readings import ReadingRows

_LOG = structlog.get_logger("tankwatch")
_MOST = 4


class ReaderPool:
    """Readers that are started when first needed and end with this process, however it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: list[_Reader] = []

    def read(
        self,
        database: str | None,
        tank_ids: Sequence[int],
        names: Sequence[str],
        span: tuple[int, int],
    ) -> ReadingRows | None:
        """Return the readings of `tank_ids`, or None where they must be read another way.

        Args:
            database: file of the database; one in memory is seen by its own process alone.
            tank_ids: whose readings, ascending.
            names: checked names of channels.
            span: first moment and the one after the last, in epoch milliseconds.
        """
        if not database or database == ":memory:":
            return None
        request = {"database": Path(database).absolute().as_uri(), "names": list(names)}
        with self._lock:
            try:
                while len(self._readers) < min(os.cpu_count() or 1, _MOST):
                    self._readers.append(_Reader())
                shares = np.array_split(np.asarray(tank_ids, dtype=np.int64), len(self._readers))
                for reader, share in zip(self._readers, shares, strict=True):
                    reader.ask({**request, "span": list(span), "tank_ids": share.tolist()})
                parts = [reader.take(len(names)) for reader in self._readers]
            except (OSError, ValueError) as error:
                _LOG.warning("fast reading failed; reading row by row", error=str(error))
                self._end()
                return None
        return ReadingRows(
            np.concatenate([part.tank_id for part in parts]),
            np.concatenate([part.observed_ms for part in parts]),
            np.concatenate([part.values for part in parts]),
        )

    def close(self) -> None:
        """End the readers; the next read starts new ones."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        for reader in self._readers:
            reader.end()
        self._readers.clear()


class _Reader:
    """One process, asked over its standard input; arrays come back in memory that both see."""

    def __init__(self) -> None:
        with ExitStack() as stack:
            self._shared: IO[bytes] = stack.enter_context(_shared_memory())
            number = self._shared.fileno()
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "tankwatch.store.sqlite_reader", str(number)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                pass_fds=(number,),
            )
            stack.pop_all()

    def ask(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe, as asked for
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def take(self, channels: int) -> ReadingRows:
        assert self._process.stdout is not None  # noqa: S101 - a pipe, as asked for
        answer = json.loads(self._process.stdout.readline() or '{"error": "a reader has ended"}')
        if "error" in answer:
            raise ValueError(answer["error"])
        rows = answer["rows"]
        if not rows:
            return ReadingRows(
                np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, channels))
            )
        with mmap.mmap(self._shared.fileno(), rows * 8 * (2 + channels)) as memory:
            data = bytes(memory)
        whole = np.frombuffer(data, np.int64, 2 * rows)
        values = np.frombuffer(data, np.float64, rows * channels, 16 * rows)
        return ReadingRows(whole[:rows], whole[rows:], values.reshape(channels, rows).T)

    def end(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was not sent yet has nobody to go to
                    continue
        self._process.wait()
        self._shared.close()


def _shared_memory() -> IO[bytes]:
    """Return a file without a name, in memory where the system has that."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("tankwatch-readings"), "w+b")
    return tempfile.TemporaryFile()
