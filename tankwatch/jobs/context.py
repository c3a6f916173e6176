"""What every job is given, and how a run of one is recorded."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import structlog
from numpy.typing import NDArray

from tankwatch import clock
from tankwatch.core.block import Block, Grid
from tankwatch.settings import Settings
from tankwatch.shaping.grid import to_block
from tankwatch.store.engine import Engine, writing
from tankwatch.store.fleet import load_fleet
from tankwatch.store.patience import written
from tankwatch.store.plant import Channel, Tank
from tankwatch.store.runs import JobRun, Outcome, finish_run, start_run

LOG = structlog.get_logger("tankwatch")


@dataclass(frozen=True, slots=True)
class Context:
    """The database, the settings, and the wish to stop."""

    engine: Engine
    settings: Settings
    stop: threading.Event = field(default_factory=threading.Event)

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
def recorded(context: Context, job: str) -> Iterator[RunFacts]:
    """Record a run of `job`: when it began and ended, how, and what it did.

    An error is stored with the run and goes on to the caller.
    """
    began = clock.now()
    with writing(context.engine) as connection:
        key = start_run(connection, job, at=began)
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
