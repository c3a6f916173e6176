"""One post to the server, and what its answer means for what waits."""

import http.client
import json
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from tankwatch import __version__
from tankwatch.core.readings import Accepted
from tankwatch.errors import SettingsError
from tankwatch.send.spool import Body

PATH = "/api/v1/readings"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_NEVER = {400, 413, 415, 422}
_LONGEST_ANSWER = 64 << 20


class Fate(StrEnum):
    """What is to be done with a body after an answer."""

    TAKEN = "taken"
    AGAIN = "again"
    FAILED = "failed"  # the server failed over it: again, but not for ever
    NEVER = "never"  # this body will never be taken
    DENIED = "denied"  # none will be taken before an operator mends something


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said of a body, or why it said nothing.

    Attributes:
        fate: what is to be done with the body.
        why: what is wrong and the remedy; empty if it was taken.
        accepted: what became of its readings.
        after_s: how long the server asks to be left alone; None if it does not say.
    """

    fate: Fate
    why: str = ""
    accepted: Accepted = field(default_factory=Accepted)
    after_s: float | None = None


class Client:
    """A connection to the server, made again when it is lost."""

    def __init__(self, url: str, token: str, *, timeout_s: float, ca_file: Path | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = "send.url names no server: write for instance https://tankwatch.example:8321"
            raise SettingsError(message)
        if not token or not token.isascii() or not token.isprintable():
            message = (
                "send.token is not a token: put the one that `tankwatch token add` showed on the "
                "server into a file, and its path into TANKWATCH_SEND__TOKEN_FILE"
            )
            raise SettingsError(message)
        self._path = parts.path.rstrip("/") + PATH
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Encoding": "gzip",
            "User-Agent": f"tankwatch/{__version__}",
        }
        self.is_plain = parts.scheme == "http" and parts.hostname not in _LOOPBACK
        self._line: http.client.HTTPConnection
        if parts.scheme == "https":
            self._line = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout_s, context=_context(ca_file)
            )
        else:
            self._line = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)

    def post(self, body: Body, *, now: datetime) -> Answer:
        """Send a body, and return what is to be done with it."""
        was_open = self._line.sock is not None
        try:
            try:
                return self._ask(body, now)
            except (http.client.RemoteDisconnected, ConnectionError):
                if not was_open:
                    raise
                self.close()  # the server had hung up in the meantime, which says nothing
                return self._ask(body, now)
        except ssl.SSLCertVerificationError as error:
            self.close()
            why = f"the server's certificate is not trusted ({error.verify_message})"
            return Answer(Fate.DENIED, f"{why}: name its authority with send.ca_file")
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Answer(
                Fate.AGAIN, f"the server does not answer ({str(error) or type(error).__name__})"
            )

    def _ask(self, body: Body, now: datetime) -> Answer:
        path = f"{self._path}?{body.query}" if body.query else self._path
        headers = self._headers | {"Content-Type": body.kind}
        try:
            self._line.request("POST", path, body.packed, headers)
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses early closes before it has read all: its answer is there.
            if self._line.sock is None:
                raise
        answer = self._line.getresponse()
        text = answer.read(_LONGEST_ANSWER)
        if answer.length:  # the library tells of a cut only where no size is asked for
            raise http.client.IncompleteRead(text, answer.length)
        if answer.will_close:
            self.close()
        return read_answer(answer.status, text, answer.headers.get("Retry-After"), now=now)

    def close(self) -> None:
        """Hang up; the next post connects anew."""
        self._line.close()


def read_answer(status: int, text: bytes, retry_after: str | None, *, now: datetime) -> Answer:
    """Return what an answer means."""
    try:
        found = json.loads(text)
    except ValueError:
        found = {}
    if not isinstance(found, dict):
        found = {}
    if status == 200 and "verdicts" in found:
        counts = ("stored", "updated", "duplicate", "rejected")
        return Answer(Fate.TAKEN, accepted=Accepted(*(int(found[name]) for name in counts)))
    told = f"{found['title']}: {found.get('remedy', '')}" if "title" in found else "no reason given"
    why = f"the server answered {status} ({told})"
    after_s = _seconds(retry_after, now)
    if status in _NEVER:
        return Answer(Fate.NEVER, why)
    if status in {408, 429, 502, 503, 504}:
        return Answer(Fate.AGAIN, why, after_s=after_s)
    if status >= 500:
        return Answer(Fate.FAILED, why, after_s=after_s)
    return Answer(Fate.DENIED, why, after_s=after_s)


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """Return the seconds that the header asks for, which may be a number or a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        message = (
            f"send.ca_file {ca_file} cannot be used ({error}): give a PEM file of certificates"
        )
        raise SettingsError(message) from error
