"""Bodies that wait on disk until the server has them: a SQLite file, synced at each commit.

A body is taken out only after the server has acknowledged it, so one may be sent twice, which
changes nothing there, and none is lost to a killed program or a power cut.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tankwatch.errors import SpoolError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS body (
  body_id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL, query TEXT NOT NULL, rows INTEGER NOT NULL, packed BLOB NOT NULL,
  refused TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS ix_body_waiting ON body (body_id) WHERE refused = '';
CREATE TABLE IF NOT EXISTS size (bytes INTEGER NOT NULL);
INSERT INTO size SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM size);
CREATE TRIGGER IF NOT EXISTS body_in AFTER INSERT ON body
  BEGIN UPDATE size SET bytes = bytes + length(NEW.packed); END;
CREATE TRIGGER IF NOT EXISTS body_out AFTER DELETE ON body
  BEGIN UPDATE size SET bytes = bytes - length(OLD.packed); END;
"""
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent at once.

    Attributes:
        kind: its media type.
        query: how it is to be understood, as the query of a URL.
        rows: rows in it.
        packed: it, packed with gzip.
        body_id: its place in the spool; 0 while it has none.
        refused: why the server will never take it; empty while it may.
    """

    kind: str
    query: str
    rows: int
    packed: bytes
    body_id: int = 0
    refused: str = ""


class Spool:
    """The bodies in one file; each thread opens its own."""

    def __init__(self, path: Path, most_mb: float) -> None:
        self._path = path
        self._most = int(most_mb * MB)
        with self._named():
            self._file = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._file.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = FULL")
            self._file.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def put(self, bodies: Sequence[Body]) -> None:
        """Keep `bodies`; once this returns they outlive the program.

        Raises:
            SpoolError: there is no room for all of them, and none is kept.
        """
        if not bodies:
            return
        rows = [(body.kind, body.query, body.rows, body.packed) for body in bodies]
        with self._named(), self._writing():
            self._file.executemany(
                "INSERT INTO body (kind, query, rows, packed) VALUES (?, ?, ?, ?)", rows
            )
            if self._bytes() > self._most:
                raise self._full()

    def has_room(self, bodies: Sequence[Body]) -> bool:
        """Return whether `bodies` could be kept now."""
        with self._named():
            return self._bytes() + sum(len(body.packed) for body in bodies) <= self._most

    def oldest(self) -> Body | None:
        """Return the body that has waited longest; None if none waits."""
        query = (
            "SELECT kind, query, rows, packed, body_id, refused FROM body WHERE refused = '' "
            "ORDER BY body_id LIMIT 1"
        )
        with self._named():
            row = self._file.execute(query).fetchone()
        return None if row is None else Body(*row)

    def drop(self, body: Body) -> None:
        """Take out a body that the server has acknowledged."""
        with self._named():
            self._file.execute("DELETE FROM body WHERE body_id = ?", (body.body_id,))
            self._file.execute("PRAGMA incremental_vacuum(64)").fetchall()

    def refuse(self, body: Body, why: str) -> None:
        """Set aside a body that the server will never take."""
        change = "UPDATE body SET refused = ? WHERE body_id = ?"
        with self._named():
            self._file.execute(change, (why or "refused", body.body_id))

    def waiting(self) -> int:
        """Return how many bodies are to be sent."""
        return self._count("refused = ''")

    def refused(self) -> int:
        """Return how many bodies are set aside."""
        return self._count("refused <> ''")

    def take_refused(self) -> Iterator[Body]:
        """Yield each body that was set aside, and take it out once the next is asked for."""
        query = (
            "SELECT kind, query, rows, packed, body_id, refused FROM body WHERE refused <> '' "
            "ORDER BY body_id LIMIT 1"
        )
        while True:
            with self._named():
                row = self._file.execute(query).fetchone()
            if row is None:
                return
            body = Body(*row)
            yield body
            self.drop(body)

    def _count(self, which: str) -> int:
        query = f"SELECT count(*) FROM body WHERE {which}"  # noqa: S608 - our own condition
        with self._named():
            return int(self._file.execute(query).fetchone()[0])

    def _bytes(self) -> int:
        return int(self._file.execute("SELECT bytes FROM size").fetchone()[0])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            message = (
                f"the spool {self._path} cannot be used ({error}): is there room on the disk, and "
                "may this user write there?"
            )
            raise SpoolError(message) from error

    def _full(self) -> SpoolError:
        return SpoolError(
            f"the spool {self._path} is full: {self._most / MB:g} MB wait to be sent; see why the "
            "server does not take them, or raise send.spool_mb"
        )
