"""Readings to one row an hour, and hours to one row a day: pure arithmetic."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

HOUR_MS = 3_600_000
_HOURS = 24
DAY_MS = _HOURS * HOUR_MS


@dataclass(frozen=True, slots=True)
class RollupRows:
    """Roll-ups, a row for each tank, period and channel, ordered by these.

    Attributes:
        tank_id: int64 (rows,).
        starts_ms: int64 (rows,), epoch milliseconds at which the period begins, in UTC.
        channel_id: int64 (rows,).
        readings: int64 (rows,), values that were read.
        valid: int64 (rows,), those within the channel's engineering limits.
        filled_share: float64 (rows,), share of the period's steps that hold a value.
        quality_share: float64 (rows,), share of the period's steps that hold a valid value, as
            PercentGood of OPC 10000-13.
        mean, low, high, first, last: float64 (rows,), canonical units.
    """

    tank_id: Ints
    starts_ms: Ints
    channel_id: Ints
    readings: Ints
    valid: Ints
    filled_share: Floats
    quality_share: Floats
    mean: Floats
    low: Floats
    high: Floats
    first: Floats
    last: Floats

    def where(self, chosen: NDArray[np.bool_]) -> "RollupRows":
        """Return the rows that are `chosen`, bool (rows,)."""
        return RollupRows(*(getattr(self, field.name)[chosen] for field in fields(RollupRows)))


def join(parts: list[RollupRows]) -> RollupRows:
    """Return the rows of all parts by tank, period and channel."""
    columns = [
        np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(RollupRows)
    ]
    order = np.lexsort((columns[2], columns[1], columns[0]))
    return RollupRows(*(column[order] for column in columns))


def roll_hours(
    tank_id: Ints,
    observed_ms: Ints,
    values: Floats,
    *,
    channel_id: int,
    limits: tuple[Floats, Floats],
    step_ms: int,
) -> RollupRows:
    """Return one channel's readings as a row for each tank and hour that has any.

    The rows must come by tank and time, which is why the order of arrival cannot matter.

    Args:
        tank_id: int64 (rows,).
        observed_ms: int64 (rows,), epoch milliseconds.
        values: float64 (rows,), NaN where there is none.
        channel_id: the channel's.
        limits: lowest and highest valid value of each row, float64 (rows,), NaN for none.
        step_ms: length of a step of the grid in milliseconds.
    """
    known = np.isfinite(values)
    tank, moment, value = tank_id[known], observed_ms[known], values[known]
    low, high = (edge[known] for edge in limits)
    hour = moment // HOUR_MS
    group, first = _groups(tank, hour)
    valid = ~(value < low) & ~(value > high)
    step = moment // step_ms
    count = np.bincount(group, minlength=first.size)
    last = np.append(first[1:], value.size)[: first.size] - 1
    return RollupRows(
        tank_id=tank[first],
        starts_ms=hour[first] * HOUR_MS,
        channel_id=np.full(first.size, channel_id, dtype=np.int64),
        readings=count,
        valid=np.bincount(group[valid], minlength=first.size),
        filled_share=_share(_distinct(group, step, first.size), step_ms),
        quality_share=_share(_distinct(group[valid], step[valid], first.size), step_ms),
        # Added one after the other, so that equal readings have equal means to the last bit.
        mean=np.bincount(group, weights=value, minlength=first.size) / np.maximum(count, 1),
        low=_reduced(np.minimum, value, first),
        high=_reduced(np.maximum, value, first),
        first=value[first],
        last=value[last],
    )


def roll_days(hours: RollupRows) -> RollupRows:
    """Return hours as a row for each tank, UTC day and channel."""
    order = np.lexsort(
        (hours.starts_ms, hours.channel_id, hours.starts_ms // DAY_MS, hours.tank_id)
    )
    sorted_hours = RollupRows(*(getattr(hours, f.name)[order] for f in fields(RollupRows)))
    day = sorted_hours.starts_ms // DAY_MS
    group, first = _groups(sorted_hours.tank_id, day, sorted_hours.channel_id)
    last = np.append(first[1:], day.size)[: first.size] - 1

    def total(column: NDArray[np.generic]) -> Floats:
        weights = column.astype(np.float64)
        return np.bincount(group, weights=weights, minlength=first.size).astype(np.float64)

    readings = total(sorted_hours.readings)
    return RollupRows(
        tank_id=sorted_hours.tank_id[first],
        starts_ms=day[first] * DAY_MS,
        channel_id=sorted_hours.channel_id[first],
        readings=readings.astype(np.int64),
        valid=total(sorted_hours.valid).astype(np.int64),
        filled_share=total(sorted_hours.filled_share) / _HOURS,
        quality_share=total(sorted_hours.quality_share) / _HOURS,
        mean=total(sorted_hours.mean * sorted_hours.readings) / np.maximum(readings, 1),
        low=_reduced(np.minimum, sorted_hours.low, first),
        high=_reduced(np.maximum, sorted_hours.high, first),
        first=sorted_hours.first[first],
        last=sorted_hours.last[last],
    )


def _groups(*keys: Ints) -> tuple[Ints, Ints]:
    """Return the number of each row's group, and where each group begins; rows come by group."""
    size = keys[0].size
    begins = np.ones(size, dtype=bool)
    begins[1:] = np.any([np.diff(key) != 0 for key in keys], axis=0)
    return np.cumsum(begins) - 1, np.flatnonzero(begins)


def _distinct(group: Ints, step: Ints, groups: int) -> Ints:
    """Return how many different steps each group has."""
    if not group.size:
        return np.zeros(groups, dtype=np.int64)
    _, first = _groups(group, step)
    return np.bincount(group[first], minlength=groups)


def _share(steps: Ints, step_ms: int) -> Floats:
    """Return the share of an hour that so many steps are; a step longer than that fills it."""
    share: Floats = np.minimum(steps * (step_ms / HOUR_MS), 1.0)
    return share


def _reduced(extreme: np.ufunc, values: Floats, first: Ints) -> Floats:
    reduced: Floats = np.empty(first.size)
    if first.size:
        reduced[:] = extreme.reduceat(values, first)
    return reduced
