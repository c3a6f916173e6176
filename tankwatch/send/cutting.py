"""A stream of CSV or JSON lines to bodies of whole lines, each of which stands for itself."""

import gzip
import time

from tankwatch.errors import SourceError
from tankwatch.send.spool import Body

CSV, JSON_LINES = "text/csv", "application/x-ndjson"
MOST_BYTES = 4 << 20  # half of what a server takes unless it is told otherwise
_LONGEST_LINE = 1 << 20
_BEFORE_TEXT = b"\xef\xbb\xbf \t\r\n"


class Cutter:
    """Cuts what it is fed into bodies.

    Each body of CSV begins with the stream's header.  A row is a line: what a quoted field of CSV
    has behind a line end may come into another body, where it is quarantined.
    """

    def __init__(self, name: str, *, query: str, rows: int) -> None:
        self._name = name
        self._query = query
        self._rows = rows
        self._rest = b""
        self._kind = ""
        self._head: list[bytes] = []
        self._has_header = False
        self._lines: list[bytes] = []
        self._bytes = 0
        self._since_s = 0.0

    def feed(self, piece: bytes) -> list[Body]:
        """Return the bodies that `piece` completes.

        Raises:
            SourceError: it is neither CSV nor JSON lines.
        """
        *whole, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            message = (
                f"{self._name}: a line is longer than {_LONGEST_LINE} bytes: send CSV or JSON lines"
            )
            raise SourceError(message)
        bodies = []
        for line in whole:
            self._add(line)
            if len(self._lines) >= self._rows or self._bytes >= MOST_BYTES:
                bodies += self.flush()
        return bodies

    def flush(self) -> list[Body]:
        """Return the body of the whole lines so far, if there are any."""
        if not self._lines:
            return []
        text = b"\n".join([*self._head, *self._lines, b""])
        body = Body(self._kind, self._query, len(self._lines), gzip.compress(text, 6, mtime=0))
        self._lines, self._bytes = [], 0
        return [body]

    def finish(self) -> list[Body]:
        """Return what is left at the end of the stream, its last line whether it ends or not."""
        last, self._rest = self._rest, b""
        if last.strip():
            self._add(last)
        return self.flush()

    def age_s(self) -> float:
        """Return for how long the oldest line has waited for its body; 0 if none waits."""
        return time.monotonic() - self._since_s if self._lines else 0.0

    def _add(self, line: bytes) -> None:
        if not self._kind:
            self._kind = self._tell(line)
        if not line.strip() or self._is_head(line):
            return
        if not self._lines:
            self._since_s = time.monotonic()
        self._lines.append(line)
        self._bytes += len(line) + 1

    def _is_head(self, line: bytes) -> bool:
        """Return whether `line` stands before the rows of CSV: a comment, `sep=`, or the header."""
        if self._kind != CSV or self._has_header:
            return False
        self._head.append(line)
        text = line.lstrip(_BEFORE_TEXT)
        self._has_header = not text.startswith((b"#", b"sep="))
        return True

    def _tell(self, line: bytes) -> str:
        text = line.lstrip(_BEFORE_TEXT)
        if not text:
            return ""
        if b"\0" in line or text.startswith((b"PAR1", b"PK", b"[")):
            message = (
                f"{self._name}: neither CSV nor JSON lines in UTF-8: convert it, or use "
                "`tankwatch ingest` where the database is"
            )
            raise SourceError(message)
        return JSON_LINES if text.startswith(b"{") else CSV
