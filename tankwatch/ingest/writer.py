"""One thread that writes what many sources send: what waits is committed together.

A commit costs about as much as the rows of a thousand readings, and SQLite has one writer in any
case.  So while a transaction is under way the next deliveries gather, and go into one transaction;
each is acknowledged after it.  Nor do two deliveries ever wait for each other's locks.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tankwatch import clock
from tankwatch.errors import StoreError
from tankwatch.ingest.delivery import Delivery, accept_deliveries
from tankwatch.store.engine import Engine, writing
from tankwatch.store.plant import Tank

Verdicts = NDArray[np.int8]
Waiting = tuple[Delivery, "Future[Verdicts]"]

MOST_ROWS: Final = 50_000
# What the store says of tanks is asked again now and then, in case one was moved to another site.
_PLANT_AGE = timedelta(seconds=10)
_ENOUGH_FAILURES = 2


class GroupWriter:
    """Takes deliveries from any thread, and stores them in groups."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._plant: dict[str, Tank] = {}
        self._plant_at = clock.now()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.groups = 0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what was put in so far, and end."""
        self._queue.put(None)
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Return whether deliveries are being written."""
        return self._thread.is_alive()

    def put(self, delivery: Delivery) -> "Future[Verdicts]":
        """Return what will be, once it is committed, int8 (readings,): places in ``VERDICTS``.

        The future's error is a StoreError if the database refused, and nothing of the delivery is
        stored; a WrongSiteError if the source may not write to one of the tanks.
        """
        future: Future[Verdicts] = Future()
        self._queue.put((delivery, future))
        return future

    def _run(self) -> None:
        kept: list[Waiting] = []
        ended = False
        while not ended or kept:
            waiting, ended = self._gather(kept, ended=ended)
            group, kept = split_off(waiting)
            if group:
                self._write(group)

    def _gather(self, kept: list[Waiting], *, ended: bool) -> tuple[list[Waiting], bool]:
        """Return what waits, at least one delivery unless the end has come."""
        waiting = list(kept)
        rows = sum(delivery.rows for delivery, _ in waiting)
        while not ended and rows < MOST_ROWS:
            try:
                item = self._queue.get(block=not waiting)
            except queue.Empty:
                break
            if item is None:
                return waiting, True
            if item[1].set_running_or_notify_cancel():
                waiting.append(item)
                rows += item[0].rows
        return waiting, ended

    def _write(self, group: Sequence[Waiting]) -> None:
        """Store a group; where that fails, each by itself, so that none fails for another."""
        error = self._try(group)
        if error is None:
            return
        failures = 0
        for delivery, future in group:
            if len(group) > 1 and failures < _ENOUGH_FAILURES:
                error = self._try([(delivery, future)])
                failures += isinstance(error, StoreError)
            if error is not None and not future.done():
                future.set_exception(error)

    def _try(self, group: Sequence[Waiting]) -> Exception | None:
        """Store `group` and tell its sources, or return why that failed."""
        now = clock.now()
        if now - self._plant_at > _PLANT_AGE:
            self._plant, self._plant_at = {}, now
        deliveries = [delivery for delivery, _ in group]
        try:
            with writing(self._engine) as connection:
                verdicts, plant = accept_deliveries(connection, deliveries, self._plant, now=now)
        except Exception as error:  # noqa: BLE001 - each source is told of it
            self._plant = {}
            return error
        self._plant = plant
        self.groups += 1
        for (_, future), verdict in zip(group, verdicts, strict=True):
            future.set_result(verdict)
        return None


def split_off(waiting: Sequence[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
    """Return what can go into one transaction, and what has to wait for the next.

    A delivery that may repeat a tank and time of another waits, and so does what its source sent
    behind it: so its rows are judged against the earlier ones, and the later value wins.
    """
    group: list[Waiting] = []
    kept: list[Waiting] = []
    held: set[int] = set()
    for item in waiting:
        delivery = item[0]
        is_free = delivery.token.token_id not in held
        if is_free and all(fit_together(delivery, other) for other, _ in group):
            group.append(item)
        else:
            kept.append(item)
            held.add(delivery.token.token_id)
    return group, kept


def fit_together(one: Delivery, other: Delivery) -> bool:
    """Return whether two deliveries have the same channels and surely no key in common."""
    if one.channels and other.channels and one.channels != other.channels:
        return False
    is_apart = one.last_ms < other.first_ms or other.last_ms < one.first_ms
    return is_apart or one.tanks.isdisjoint(other.tanks)
