"""What every job is given, and how a run of one is recorded."""

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from tankwatch import clock
from tankwatch.errors import LeaseError
from tankwatch.settings import Settings
from tankwatch.store.engine import Connection, Engine, writing
from tankwatch.store.patience import written
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
