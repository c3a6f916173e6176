"""From the spool to the server, oldest first, for as long as it takes."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tankwatch import clock
from tankwatch.core.readings import Accepted
from tankwatch.errors import SpoolError
from tankwatch.send.client import Answer, Client, Fate
from tankwatch.send.spool import Body, Spool

_LOOK_S = 0.2
_FAILURES = 8  # of the server over one body, before it is set aside
_TOLD_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait between tries, and when to give up.

    Attributes:
        base_s: the first pause; it doubles.
        cap_s: the longest pause.
        give_up_s: give up after so long without a body taken; None for never.
        when_denied: keep trying although an operator has to mend something first.
    """

    base_s: float
    cap_s: float
    give_up_s: float | None = None
    when_denied: bool = False


@dataclass(slots=True)
class Sent:
    """What was sent.

    Attributes:
        posts: bodies that the server took.
        accepted: what became of their readings.
        refused: bodies that were set aside.
        gave_up: why the sender ended although something waits; empty if it did not.
    """

    posts: int = 0
    accepted: Accepted = field(default_factory=Accepted)
    refused: int = 0
    gave_up: str = ""


class Sender:
    """Sends what waits in a spool."""

    def __init__(self, client: Client, patience: Patience, *, say: Callable[[str], None]) -> None:
        self._client = client
        self._patience = patience
        self._say = say
        self._pause_s = patience.base_s
        self._told = ("", 0.0)
        self._failures: dict[int, int] = {}
        self.sent = Sent()

    def run(
        self, path: Path, most_mb: float, *, ended: threading.Event, stop: threading.Event
    ) -> None:
        """Send until the spool is empty and `ended` is set, or `stop` is."""
        try:
            with Spool(path, most_mb) as spool:
                self._run(spool, ended=ended, stop=stop)
        except SpoolError as error:
            self.sent.gave_up = str(error)
        finally:
            self._client.close()

    def _run(self, spool: Spool, *, ended: threading.Event, stop: threading.Event) -> None:
        since_s = time.monotonic()
        while not stop.is_set() and not self.sent.gave_up:
            is_last = ended.is_set()  # asked first: what comes before the end is then in the spool
            body = spool.oldest()
            if body is None and is_last:
                return
            if body is None:
                since_s = time.monotonic()
                ended.wait(_LOOK_S)
                continue
            answer = self._client.post(body, now=clock.now())
            if self._settle(spool, body, answer):
                since_s = time.monotonic()
            else:
                self._wait(answer, stop, since_s=since_s)

    def _settle(self, spool: Spool, body: Body, answer: Answer) -> bool:
        """Take a body out of the spool, or set it aside, and return whether either was done."""
        if answer.fate is Fate.TAKEN:
            spool.drop(body)
            self.sent.posts += 1
            self.sent.accepted += answer.accepted
            self._pause_s = self._patience.base_s
            self._told = ("", 0.0)
            return True
        failures = self._failures.get(body.body_id, 0) + (answer.fate is Fate.FAILED)
        self._failures = {body.body_id: failures}
        if answer.fate is Fate.NEVER or failures >= _FAILURES:
            spool.refuse(body, answer.why)
            self.sent.refused += 1
            self._say(f"set aside {body.rows} rows: {answer.why}")
            return True
        return False

    def _wait(self, answer: Answer, stop: threading.Event, *, since_s: float) -> None:
        patience = self._patience
        waited_s = time.monotonic() - since_s
        is_over = patience.give_up_s is not None and waited_s >= patience.give_up_s
        if is_over or (answer.fate is Fate.DENIED and not patience.when_denied):
            self.sent.gave_up = answer.why
            return
        # Spread, so that the many that lost one server do not all come back at once.
        pause_s = self._pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
        if answer.after_s is not None:
            pause_s = max(pause_s, answer.after_s * random.uniform(1.0, 1.25))  # noqa: S311
        self._pause_s = min(self._pause_s * 2, patience.cap_s)
        if patience.give_up_s is not None:
            pause_s = min(pause_s, max(0.0, patience.give_up_s - waited_s))
        self._tell(answer.why, pause_s)
        stop.wait(pause_s)

    def _tell(self, why: str, pause_s: float) -> None:
        """Say what keeps the sender, when it is new and once a minute."""
        told, at_s = self._told
        if why != told or time.monotonic() - at_s > _TOLD_EVERY_S:
            self._say(f"{why}: trying again in {pause_s:.1f} s; everything waits in the spool")
            self._told = (why, time.monotonic())
