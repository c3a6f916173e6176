"""Two days of three tanks whose data quality can be worked out by hand."""

from datetime import UTC, datetime

import numpy as np

from tankwatch.jobs.context import Context
from tankwatch.jobs.rollup import roll_up
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, writing
from tankwatch.store.intake import store_readings
from tankwatch.store.plant import ensure_tanks, set_limits
from tankwatch.store.readings import ReadingRows
from tankwatch.store.runs import JobRun, Outcome, finish_run, start_run

START = datetime(2026, 3, 2, tzinfo=UTC)
START_MS = 1_772_409_600_000
DAY = range(1440)
# Names as a source may send them.
ODD, ODD_SITE = "<b>T/1</b> & 'co'", 'tank "farm"/<script>alert(1)</script>'


def send(engine: Engine, tank: int, minutes: range, pressure: float = 1.0) -> None:
    """Store a pressure at each of some minutes from the first day on."""
    observed = START_MS + np.array(minutes, dtype=np.int64) * 60_000
    values = np.full((observed.size, 1), pressure)
    rows = ReadingRows(np.full(observed.size, tank), observed, values)
    with writing(engine) as connection:
        store_readings(connection, rows, ("pressure",))


def fill(engine: Engine) -> None:
    """Store two days: T1 is whole, T2 sends every other step and falls silent, ODD is off limits.

    A fourth tank never sends anything.
    """
    with writing(engine) as connection:
        ids = ensure_tanks(connection, ["T1", "T2", "never"], site="north", at=START)
        ids |= ensure_tanks(connection, [ODD], site=ODD_SITE, at=START)
        set_limits(connection, ids[ODD], {1: (None, 5.0)})
    send(engine, ids["T1"], range(2880), pressure=1234.5)
    send(engine, ids["T2"], range(0, 1440, 2))
    send(engine, ids[ODD], range(2880))
    send(engine, ids[ODD], range(1440, 1512), pressure=9.0)
    roll_up(Context(engine, Settings()))


def run(engine: Engine, job: str, outcome: Outcome, at: datetime) -> None:
    """Note a run of a job that began and ended at `at`, or still runs."""
    with writing(engine) as connection:
        key = start_run(connection, job, at=at)
        if outcome is not Outcome.RUNNING:
            finish_run(connection, key, JobRun(job, at, at, outcome, 12_345, None, ""))
