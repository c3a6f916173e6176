"""Hours and days rolled up: what is new, and what late readings touched, nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.rollup import DAY_MS, HOUR_MS, RollupRows, join, roll_days, roll_hours
from tankwatch.jobs.context import Context
from tankwatch.scoring.plan import Plan, limits_of, load_plant
from tankwatch.store.engine import Connection, reading, writing
from tankwatch.store.readings import ReadingRows
from tankwatch.store.rollup_due import (
    Progress,
    add_due,
    clear_due,
    load_due,
    load_due_readings,
    load_progress,
    set_rolled,
)
from tankwatch.store.rollups import (
    load_rollups,
    note_channels,
    note_days,
    reading_day,
    reading_hour,
    store_rollups,
)
from tankwatch.store.watermarks import lock_watermarks

# About a second's work between two commits, in values.
_READINGS_AT_ONCE = 400_000


@dataclass(slots=True)
class RollupResult:
    """What a run did."""

    hours: int = 0


def roll_up(context: Context) -> RollupResult:
    """Bring hours and days up to the readings, and return how many hours that were.

    New hours are first noted as due, then whatever is due is computed and forgotten, a batch in one
    transaction.  A run that is cut off anywhere is taken up by the next.
    """
    result = RollupResult()
    with reading(context.engine) as connection:
        plan = load_plant(connection)
    an_hour = max(HOUR_MS // context.step_ms, 1) * max(len(plan.channels), 1)
    at_once = max(_READINGS_AT_ONCE // an_hour, 1)
    while not context.stop.is_set():
        if done := _roll_due(context, plan, at_once):
            result.hours += done
        elif not _note_new(context, at_once):
            break
    return result


def _note_new(context: Context, at_once: int) -> bool:
    """Note the oldest hours that are new as due; return whether there are any."""
    with reading(context.engine) as connection:
        behind = load_progress(connection)
    if not behind:
        return False
    hours = max(at_once // len(behind), 1)
    until_ms = min(_start(one) for one in behind) + hours * HOUR_MS
    chosen = [one for one in behind if _start(one) < until_ms]
    with writing(context.engine) as connection:
        # Whoever stores a reading of these tanks meanwhile waits, and then sees how far they are.
        lock_watermarks(connection, [one.tank_id for one in chosen])
        ends = {one.tank_id: min(one.last_ms, until_ms - 1) for one in chosen}
        spans = [
            np.arange(_start(one), ends[one.tank_id] + 1, HOUR_MS, dtype=np.int64) for one in chosen
        ]
        sizes = [span.size for span in spans]
        tank = np.repeat(np.array([one.tank_id for one in chosen], dtype=np.int64), sizes)
        add_due(connection, tank, np.concatenate(spans))
        set_rolled(connection, ends)
        note_days(
            connection,
            first_ms=min(_start(one) for one in chosen),
            until_ms=max(ends.values()) // context.step_ms * context.step_ms + context.step_ms,
        )
    return True


def _start(one: Progress) -> int:
    """Return the first hour that a tank lacks, or has only in part."""
    return one.next_ms // HOUR_MS * HOUR_MS


def _roll_due(context: Context, plan: Plan, at_once: int) -> int:
    """Compute the first hours that are due, and return their number."""
    with reading(context.engine) as connection:
        due = load_due(connection, limit=at_once)
    if not due.size:
        return 0
    with writing(context.engine) as connection:
        roll_hours_due(connection, context, plan, due)
    return len(due)


def roll_hours_due(
    connection: Connection, context: Context, plan: Plan, due: NDArray[np.int64]
) -> None:
    """Compute hours that are due, and the days they are in, in the open transaction."""
    tank_ids = np.unique(due[:, 0]).tolist()
    lock_watermarks(connection, tank_ids)
    names = [channel.name for channel in plan.channels]
    rows = load_due_readings(connection, due, names)
    hours = _hours(context, plan, rows)
    store_rollups(connection, reading_hour, hours)
    if hours.tank_id.size:
        days = _days(connection, hours)
        store_rollups(connection, reading_day, days)
        note_channels(connection, days)
        note_days(
            connection,
            first_ms=int(days.starts_ms.min()),
            until_ms=int(rows.observed_ms.max()) // context.step_ms * context.step_ms
            + context.step_ms,
        )
    clear_due(connection, due)


def _hours(context: Context, plan: Plan, rows: ReadingRows) -> RollupRows:
    tank_ids: Sequence[int] = np.unique(rows.tank_id).tolist()
    place = np.searchsorted(np.array(tank_ids, dtype=np.int64), rows.tank_id)
    low, high = limits_of(plan, context.settings, tank_ids)
    return join(
        [
            roll_hours(
                rows.tank_id,
                rows.observed_ms,
                rows.values[:, column],
                channel_id=channel.channel_id,
                limits=(low[place, column], high[place, column]),
                step_ms=context.step_ms,
            )
            for column, channel in enumerate(plan.channels)
        ]
    )


def _days(connection: Connection, hours: RollupRows) -> RollupRows:
    """Return the days that hold `hours`, from all their hours."""
    touched = np.unique(np.stack([hours.tank_id, hours.starts_ms // DAY_MS]), axis=1)
    first, last = int(touched[1].min()), int(touched[1].max())
    stored = load_rollups(
        connection,
        reading_hour,
        np.unique(touched[0]).tolist(),
        from_ms=first * DAY_MS,
        until_ms=(last + 1) * DAY_MS,
    )
    days = last - first + 1
    keys = touched[0] * days + touched[1] - first
    wanted = np.isin(stored.tank_id * days + stored.starts_ms // DAY_MS - first, keys)
    return roll_days(stored.where(wanted))
