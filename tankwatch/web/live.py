"""News of the alarm list for everybody who watches: one look at the database serves them all."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio.to_thread
import structlog

from tankwatch.errors import StoreError
from tankwatch.store.alarm_list import count_unseen, load_marker
from tankwatch.store.engine import Engine, reading
from tankwatch.store.people import has_logins, load_session_epochs

LOG = structlog.get_logger("tankwatch.web")
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the database found.

    Attributes:
        marker: numbers that change whenever the alarm list does.
        unseen: how many alarms nobody has acknowledged.
        epochs: epoch that the session of each active operator must be of.
        has_logins: whether anybody can log in.
    """

    marker: tuple[int, ...]
    unseen: int
    epochs: dict[int, int]
    has_logins: bool


class Live:
    """Looks at the database once a second while somebody watches, and tells them all.

    Web and jobs meet in the database alone, so news is what a look finds changed.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._followers = 0
        self._seen: Seen | None = None
        self._over = asyncio.Event()
        self._wanted = asyncio.Event()
        self._told = asyncio.Condition()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look, for as long as the application runs."""
        task = asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            await self.close()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def close(self) -> None:
        """End everybody's stream: the server stops."""
        async with self._told:
            self._over.set()
            self._told.notify_all()

    async def follow(self) -> AsyncGenerator[Seen]:
        """Yield what each look finds, changed or not; it ends when the server stops."""
        self._followers += 1
        self._wanted.set()
        try:
            if self._followers > 1 and self._seen is not None:
                yield self._seen
            while not self._over.is_set():
                async with self._told:
                    if not self._over.is_set():
                        await self._told.wait()
                    seen = self._seen
                if self._over.is_set():
                    return
                if seen is not None:
                    yield seen
        finally:
            self._followers -= 1
            if not self._followers:
                self._wanted.clear()

    async def _look_on(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                seen = await anyio.to_thread.run_sync(self._look)
            except StoreError as error:
                # Whoever watches sees no news meanwhile, and then all of it.
                LOG.warning("no look at the alarms", error=str(error))
            else:
                async with self._told:
                    self._seen = seen
                    self._told.notify_all()
            await asyncio.sleep(LOOK_S)

    def _look(self) -> Seen:
        with reading(self._engine) as connection:
            return Seen(
                marker=load_marker(connection),
                unseen=count_unseen(connection),
                epochs=load_session_epochs(connection),
                has_logins=has_logins(connection),
            )
