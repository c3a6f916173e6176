"""What live sources share: into the store, how they fare, and when they try again."""

import asyncio
import random
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from tankwatch import clock
from tankwatch.core.readings import Accepted
from tankwatch.core.times import to_ms
from tankwatch.errors import StoreError
from tankwatch.ingest.accept import Intake, accept_rows, file_options, intake_of
from tankwatch.ingest.headers import match_label
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.rows import Rows
from tankwatch.settings import Settings
from tankwatch.settings_live import LiveSource
from tankwatch.store.engine import Engine

_OPTIONS_AGE = timedelta(seconds=30)
_LOOK_S = 0.1


@dataclass(slots=True)
class Tally:
    """How a source fares; one thread writes, others read.

    Attributes:
        messages: messages or values that came.
        accepted: what became of their rows.
        connected_at: since when the line stands; None while it does not.
        connections: how often it was made.
        trouble: why the line does not stand, or the database does not take.
        notes: what an operator should know, the last few.
    """

    messages: int = 0
    accepted: Accepted = field(default_factory=Accepted)
    connected_at: datetime | None = None
    connections: int = 0
    trouble: str = ""
    notes: list[str] = field(default_factory=list)

    def connected(self) -> None:
        """Note that the line stands."""
        self.connected_at = clock.now()
        self.connections += 1
        self.trouble = ""

    def broken(self, why: str) -> None:
        """Note that the line does not stand."""
        self.connected_at = None
        self.trouble = why

    def took(self, messages: int, accepted: Accepted) -> None:
        """Note what was stored."""
        self.messages += messages
        self.accepted += accepted
        if self.connected_at is not None:
            self.trouble = ""

    def note(self, text: str) -> None:
        """Keep `text` for the operator, once."""
        if text not in self.notes:
            self.notes = [*self.notes[-9:], text]


class Listener(Protocol):
    """A live source that is listened to."""

    tally: Tally

    async def run(self, stop: threading.Event) -> None:
        """Listen until `stop` is set, through every loss of the line.

        Raises:
            SettingsError: the settings of the source cannot work.
        """

    async def check(self) -> list[str]:
        """Connect, look at what is there, leave, and return what was found, for the operator.

        Raises:
            SourceError: there is no connection, with the remedy.
        """


class LiveIntake:
    """The way of a live source's rows into the store."""

    def __init__(self, engine: Engine, settings: Settings, understood: Mapping[str, Any]) -> None:
        self._intake: Intake = intake_of(engine, settings)
        self._settings = settings
        self._understood = dict(understood)
        self._options: FileOptions | None = None
        self._read_at = clock.now()

    def take(self, rows: Rows) -> Accepted:
        """Store `rows` in one transaction, and return what became of them.

        Raises:
            StoreError: the database refused; nothing is stored.
        """
        now = clock.now()
        latest = now + timedelta(seconds=self._settings.ingest.future_s)
        options = replace(self.options(now), latest_ms=to_ms(latest))
        return accept_rows(self._intake, rows, options, now=now)

    async def keep_trying(
        self,
        rows: Rows,
        tally: Tally,
        source: LiveSource,
        stop: threading.Event,
        *,
        messages: int,
    ) -> bool:
        """Store `rows`, trying until the database takes them; return whether it did."""
        waits = pauses(source)
        while True:
            try:
                accepted = await asyncio.to_thread(self.take, rows)
            except StoreError as error:
                tally.trouble = str(error)
                await rest(stop, next(waits))
                if stop.is_set():
                    return False
            else:
                tally.took(messages, accepted)
                return True

    def options(self, now: datetime) -> FileOptions:
        """Return how values are understood, with the channels and tanks that the store knows.

        Raises:
            UsageError: the source's settings name a channel or a unit that does not exist.
        """
        if self._options is None or now - self._read_at > _OPTIONS_AGE:
            known = file_options(self._intake.engine, self._settings, now=now)
            # What the settings say of files' columns and units does not hold for live sources.
            plain: dict[str, Any] = {
                "columns": {},
                "units": {},
                "absolute": frozenset(),
                "skip_columns": (),
            }
            self._options = replace(known, **{**plain, **self._understood})
            self._read_at = now
        return self._options

    def is_channel(self, label: str) -> bool:
        """Return whether `label` names a channel that the store knows."""
        return match_label(label, "", self.options(clock.now())) is not None


def pauses(source: LiveSource) -> Iterator[float]:
    """Yield seconds to wait between tries: doubled up to the cap, and spread.

    Spread, so that the many that lost one line do not all come back at once.
    """
    pause_s = source.retry_base_s
    while True:
        capped_s = min(pause_s, source.retry_cap_s)
        yield capped_s * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
        pause_s = min(pause_s * 2, source.retry_cap_s)


async def until_set(stop: threading.Event) -> None:
    """Return once another thread has set `stop`."""
    while not stop.is_set():
        await asyncio.sleep(_LOOK_S)


async def rest(stop: threading.Event, seconds: float) -> None:
    """Wait for `seconds`, or until `stop` is set."""
    try:
        await asyncio.wait_for(until_set(stop), seconds)
    except TimeoutError:
        return
