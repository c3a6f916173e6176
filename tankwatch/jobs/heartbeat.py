"""The heartbeat: an address is called while all is well, and not when something is not.

Whoever listens there (a dead man's switch) alarms when no call comes: of a machine that is off, a
daemon that hangs, and mail that does not leave alike.
"""

import http.client
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from tankwatch import __version__
from tankwatch.errors import DeliveryError
from tankwatch.jobs.context import Context, RunFacts
from tankwatch.store.engine import reading
from tankwatch.store.pulse import last_done_at, oldest_stuck_at

_ANSWER = range(200, 300)


class Trouble(StrEnum):
    """Why no call is made; stored with the run of the job."""

    NO_PASS = "no pass has ended yet"  # noqa: S105 - not a password
    LATE_PASS = "the last pass ended too long ago"  # noqa: S105 - nor is this
    STUCK_OUTBOX = "a message waits too long to be sent"


def troubles(context: Context, *, now: datetime) -> list[Trouble]:
    """Return what is not well at `now`; a database that does not answer raises."""
    late = timedelta(seconds=context.settings.heartbeat.late_s)
    with reading(context.engine) as connection:
        done = last_done_at(connection, "detect")
        stuck = oldest_stuck_at(connection, now=now)
    found = []
    if done is None:
        found.append(Trouble.NO_PASS)
    elif now - done > late:
        found.append(Trouble.LATE_PASS)
    if stuck is not None and now - stuck > late:
        found.append(Trouble.STUCK_OUTBOX)
    return found


def run_heartbeat(context: Context, now: datetime, facts: RunFacts) -> None:
    """Call the address if all is well; `rows` says whether it was called.

    Raises:
        DeliveryError: it did not answer in time, or not with 200 to 299.
    """
    found = troubles(context, now=now)
    if found:
        facts.detail = f"not called: {'; '.join(found)}"
        return
    settings = context.settings.heartbeat
    ca_file = context.settings.path(settings.ca_file) if settings.ca_file else None
    call = _Call(settings.url.get_secret_value(), settings.timeout_s, ca_file)
    # In a thread of its own: names are looked up, and answers trickle in, without any time limit.
    thread = threading.Thread(target=call.make, daemon=True, name="heartbeat")
    thread.start()
    end = time.monotonic() + settings.timeout_s
    while thread.is_alive() and time.monotonic() < end and not context.stop.is_set():
        thread.join(0.1)
    if thread.is_alive():
        raise _refused(f"no answer in {settings.timeout_s:g} s")
    if call.fault:
        raise _refused(call.fault)
    facts.rows, facts.detail = 1, f"called, answered {call.status}"


@dataclass(slots=True)
class _Call:
    """A call, and how it went."""

    url: str
    timeout_s: float
    ca_file: Path | None
    status: int = 0
    fault: str = ""

    def make(self) -> None:
        """Call, and note the answer or what went wrong."""
        try:
            self.status = self._ask()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.fault = str(error) or type(error).__name__
            return
        if self.status not in _ANSWER:
            self.fault = f"it answered {self.status}"

    def _ask(self) -> int:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        line: http.client.HTTPConnection
        if parts.scheme == "https":
            trusted = ssl.create_default_context(cafile=self.ca_file)
            line = http.client.HTTPSConnection(host, port, timeout=self.timeout_s, context=trusted)
        else:
            line = http.client.HTTPConnection(host, port, timeout=self.timeout_s)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            line.request("GET", path, headers={"User-Agent": f"tankwatch/{__version__}"})
            return line.getresponse().status
        finally:
            line.close()


def _refused(why: str) -> DeliveryError:
    message = f"the heartbeat was not taken ({why}): is heartbeat.url right, and can it be reached?"
    return DeliveryError(message, retry=True)
