"""Doing again what is safe to repeat while PostgreSQL is away, restarts or fails over."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from tankwatch.errors import StoreError
from tankwatch.store.engine import PATIENCE, Connection, Engine, writing

LOG = structlog.get_logger("tankwatch")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 15.0

T = TypeVar("T")


def written(
    engine: Engine,
    work: Callable[[Connection], T],
    *,
    stop: threading.Event | None = None,
    patience_s: float | None = None,
) -> T:
    """Return what `work` returns in a transaction that was committed.

    Where the database is away, or gave up on the transaction for another's sake, all of it is done
    again, after pauses that grow, until `stop` is set or `patience_s` is over, by default the
    engine's.  A connection may be lost while it commits, so `work` must be such that twice is the
    same as once.

    Raises:
        StoreError: the database refused, or was away for too long.
    """
    stop = stop or threading.Event()
    if patience_s is None:
        patience_s = float(engine.get_execution_options().get(PATIENCE, 0.0))
    deadline_s, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
    while True:
        try:
            with writing(engine) as connection:
                return work(connection)
        except StoreError as error:
            # A little chance keeps many programs from coming back all at once.
            wait_s = pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            if not error.retry or time.monotonic() + wait_s > deadline_s:
                raise
            LOG.warning("database away", error=str(error), again_in_s=round(wait_s, 1))
            if stop.wait(wait_s):
                raise
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
