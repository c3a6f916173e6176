"""What every job is given, and how a run of one is recorded."""

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from tankwatch import clock
from tankwatch.core.block import Block, Grid
from tankwatch.errors import LeaseError
from tankwatch.settings import Settings
from tankwatch.shaping.grid import to_block
from tankwatch.store.engine import Connection, Engine, writing
from tankwatch.store.fleet import load_fleet
from tankwatch.store.patience import written
from tankwatch.store.plant import Channel, Tank
from tankwatch.store.runs import JobRun, Outcome, finish_run, start_run

LOG = structlog.get_logger("tankwatch")


@dataclass(frozen=True, slots=True)
class OwnerName:
    """In whose name leases are held: a process that can be told from every other one.

    Attributes:
        host: name of the machine.
        space: namespace of process ids, so that two containers are not taken for one machine.
        pid: process id.
        mark: a random word, since process ids are used again.
    """

    host: str
    space: str
    pid: int
    mark: str

    def __str__(self) -> str:
        return f"{self.host}/{self.space}/{self.pid}/{self.mark}"

    @classmethod
    def parse(cls, text: str) -> "OwnerName | None":
        """Return the name that `str` gave, None if `text` is none."""
        parts = text.split("/")
        if len(parts) != 4 or not parts[2].isdigit():
            return None
        return cls(parts[0], parts[1], int(parts[2]), parts[3])

    @classmethod
    def of_this_process(cls) -> "OwnerName":
        """Return the name of this process."""
        host = socket.gethostname().replace("/", "-")[:60]
        link = Path("/proc/self/ns/pid")
        space = str(link.readlink()).strip("pid:[]") if link.is_symlink() else ""
        return cls(host, space, os.getpid(), _MARK)


_MARK = secrets.token_hex(4)


def _owner() -> str:
    return str(OwnerName.of_this_process())


@dataclass(frozen=True, slots=True)
class Context:
    """The database, the settings, the wish to stop, and who holds this program's leases."""

    engine: Engine
    settings: Settings
    stop: threading.Event = field(default_factory=threading.Event)
    owner: str = field(default_factory=_owner)

    @property
    def step_ms(self) -> int:
        """Return the length of a step in milliseconds."""
        return self.settings.grid.step_s * 1000


@dataclass(slots=True)
class RunFacts:
    """What a run tells about itself while it works."""

    rows: int = 0
    lag_s: float | None = None
    detail: str = ""


@contextmanager
def recorded(
    context: Context, job: str, *, may_run: Callable[[Connection], bool] | None = None
) -> Iterator[RunFacts]:
    """Record a run of `job`: when it began and ended, who ran it, how, and what it did.

    An error is stored with the run and goes on to the caller.

    Raises:
        LeaseError: `may_run`, which is asked in the transaction that notes the run, says no.
    """
    began = clock.now()
    with writing(context.engine) as connection:
        if may_run is not None and not may_run(connection):
            message = f"{job} is run by another daemon: this one stands by"
            raise LeaseError(message)
        key = start_run(connection, job, at=began, owner=context.owner)
    facts = RunFacts()
    outcome = Outcome.DONE
    try:
        yield facts
        if context.stop.is_set():
            outcome = Outcome.INTERRUPTED
    except BaseException as error:
        outcome = Outcome.FAILED
        facts.detail = f"{type(error).__name__}: {error}"
        raise
    finally:
        run = JobRun(job, began, clock.now(), outcome, facts.rows, facts.lag_s, facts.detail)
        written(context.engine, partial(finish_run, job_run_id=key, run=run), stop=context.stop)


def load_block(
    context: Context, tanks: Sequence[Tank], channels: Sequence[Channel], grid: Grid
) -> Block:
    """Return the readings of `tanks` on `grid`; its first holes are filled from before it."""
    fill = context.settings.grid.max_fill_steps
    early = Grid(grid.start_ms - fill * context.step_ms, grid.steps + fill, grid.step_s)
    names = tuple(channel.name for channel in channels)
    ids = [tank.tank_id for tank in tanks]
    rows = load_fleet(
        context.engine,
        ids,
        names,
        from_ms=early.start_ms,
        until_ms=early.end_ms,
        expected=len(ids) * early.steps,
    )
    block = to_block(
        _places(ids, rows.tank_id),
        rows.observed_ms,
        rows.values,
        tanks=tuple(tank.name for tank in tanks),
        channels=names,
        grid=early,
        max_fill_steps=fill,
    )
    return block.between(fill, early.steps)


def _places(ids: Sequence[int], tank_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of `tank_id` stands in `ids`; ids are small numbers, so a table does."""
    table = np.zeros(max(ids, default=0) + 1, dtype=np.int64)
    table[ids] = np.arange(len(ids))
    return table[tank_id]
