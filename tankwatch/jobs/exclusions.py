"""What of a block must not be learned as normal, and the list of it that a version keeps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.core.stretches import Stretch, Why
from tankwatch.core.timeline import Timeline
from tankwatch.core.times import from_ms, to_ms
from tankwatch.detectors.view import LeftOut
from tankwatch.quality.rules import check_flat_line, check_limits, check_range
from tankwatch.scoring.plan import Plan, limits_of
from tankwatch.scoring.rules import channel_rules
from tankwatch.settings import Settings
from tankwatch.store.plant import Tank
from tankwatch.store.watermarks import Watermark

MOST_LISTED = 5000
_OWN_SHARE = 4

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Excluded:
    """A stretch that was not learned from: tank, start and end as ISO 8601, and why."""

    tank: str
    start: str
    end: str
    why: str


def exclude(
    block: Block,
    tanks: Sequence[Tank],
    *,
    plan: Plan,
    settings: Settings,
    known: Sequence[Stretch],
    marks: Mapping[int, Watermark],
) -> dict[Why, Mask]:
    """Return for each reason what it leaves out, bool (tanks, steps, channels or 1 for all).

    What an operator called no fault is learned from even while an incident is open; what one
    confirmed never is.  Readings beyond their limits or their range and flat lines are left out
    whoever says what.

    Args:
        block: all there is.
        tanks: its tanks, with their keys.
        plan: limits and channels.
        settings: rules of channels, and how long a tank is new.
        known: what operators know.
        marks: first readings.
    """
    left_out = {why: np.zeros((*block.mask.shape[:2], 1), dtype=bool) for why in Why}
    row = {tank.tank_id: index for index, tank in enumerate(tanks)}
    fresh = _starts_of_life(marks, settings.train.settle_hours)
    mine = [one for one in (*known, *fresh) if one.tank_id in row]
    for one in mine:
        left_out[one.why][row[one.tank_id], _steps(block, one)] = True
    left_out[Why.OPEN_INCIDENT] &= ~left_out.pop(Why.NOT_A_FAULT)
    low, high = limits_of(plan, settings, [tank.tank_id for tank in tanks])
    left_out[Why.BEYOND_LIMITS] = np.nan_to_num(check_limits(block, low, high).score) >= 1.0
    rules = channel_rules(plan.channels, settings)
    left_out[Why.OUT_OF_RANGE] = np.nan_to_num(check_range(block, rules).score) >= 1.0
    flat = np.nan_to_num(check_flat_line(block, rules).score) >= 1.0
    for channel, rule in enumerate(rules):
        _reach_back(flat[:, :, channel], rule.flat_steps or 1)
    left_out[Why.FLAT_LINE] = flat
    return left_out


def list_excluded(
    block: Block, left_out: Mapping[Why, Mask], *, merge_gap: int
) -> tuple[Excluded, ...]:
    """Return the stretches that are left out, by tank and time.

    Stretches of one reason closer than `merge_gap` steps are one; time without any reading counts
    only within a stretch.

    Args:
        block: all there is.
        left_out: bool (tanks, steps, channels or 1 for all) for each reason.
        merge_gap: steps.
    """
    found = []
    for why, mask in left_out.items():
        touched: Mask = np.any(mask & block.mask, axis=2)
        for row in np.flatnonzero(touched.any(axis=1)).tolist():
            steps = np.flatnonzero(touched[row])
            borders = np.flatnonzero(np.diff(steps) > merge_gap) + 1
            found += [(row, int(part[0]), int(part[-1]), why) for part in np.split(steps, borders)]
    return tuple(
        Excluded(
            block.tanks[row],
            from_ms(block.start_ms + first * block.step_ms).isoformat(),
            from_ms(block.start_ms + (last + 1) * block.step_ms).isoformat(),
            why.value,
        )
        for row, first, last, why in sorted(found)
    )


def name_left_out(
    tanks: Sequence[str], timeline: Timeline, left_out: Iterable[LeftOut]
) -> tuple[Excluded, ...]:
    """Return the stretches that a detector chose not to learn from, by the tanks' names."""
    found = []
    for one in left_out:
        start, end = (from_ms(ms).isoformat() for ms in timeline.span_ms(one.first, one.last))
        found.append(Excluded(tanks[one.tank], start, end, one.why))
    return tuple(found)


def _steps(block: Block, one: Stretch) -> slice:
    first = max((to_ms(one.start) - block.start_ms) // block.step_ms, 0)
    if one.end is None:
        return slice(first, block.steps)
    return slice(first, max((to_ms(one.end) - block.start_ms) // block.step_ms + 1, 0))


def _reach_back(flat: Mask, flat_steps: int) -> None:
    """Mark the steps that a flat line is seen by, beside the step at which it is seen."""
    for row in np.flatnonzero(flat.any(axis=1)).tolist():
        for step in np.flatnonzero(np.diff(flat[row], prepend=False) & flat[row]).tolist():
            flat[row, max(step - flat_steps + 1, 0) : step] = True


def _starts_of_life(marks: Mapping[int, Watermark], settle_hours: float) -> list[Stretch]:
    """Return the first hours of each tank that joined a plant that ran already.

    Never more than a quarter of what there is of a tank, so that a short history is not lost.
    """
    settle_ms = timedelta(hours=settle_hours) // timedelta(milliseconds=1)
    began_ms = min(mark.first_reading_ms for mark in marks.values())
    fresh = []
    for tank_id, mark in marks.items():
        if mark.first_reading_ms - began_ms <= settle_ms:
            continue
        own_ms = (mark.last_reading_ms - mark.first_reading_ms) // _OWN_SHARE
        start, end_ms = mark.first_reading_ms, mark.first_reading_ms + min(settle_ms, own_ms)
        fresh.append(Stretch(tank_id, from_ms(start), from_ms(end_ms), Why.NEW_TANK))
    return fresh
