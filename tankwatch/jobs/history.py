"""The clean history that a detector learns from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block, Grid
from tankwatch.core.stretches import Stretch
from tankwatch.core.timeline import Timeline
from tankwatch.core.times import from_ms, to_ms
from tankwatch.detectors.silence import RESET_STEPS
from tankwatch.detectors.streaming import WARM_STEPS
from tankwatch.errors import ModelError
from tankwatch.jobs.context import Context
from tankwatch.jobs.exclusions import Excluded, Mask, exclude, list_excluded
from tankwatch.jobs.sampling import Sampling, sample
from tankwatch.scoring.blocks import load_block
from tankwatch.scoring.plan import Plan, load_plant
from tankwatch.settings import Settings
from tankwatch.shaping.grid import step_floor
from tankwatch.store.engine import reading
from tankwatch.store.plant import Channel, Tank
from tankwatch.store.stretches import load_stretches
from tankwatch.store.watermarks import Watermark, load_watermarks

_CELLS_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class History:
    """A block to learn from, without what must not be learned, and the list of that.

    `timeline` tells which time each step of the block is.
    """

    block: Block
    timeline: Timeline
    tanks: tuple[Tank, ...]
    channels: tuple[Channel, ...]
    left_out: tuple[str, ...]
    excluded: tuple[Excluded, ...]

    @property
    def newest(self) -> Block:
        """Return the newest part of the block, which is one stretch of time."""
        return self.block.between(self.timeline.places[-1].start, self.block.steps)


def load_history(context: Context, *, until: datetime | None) -> History:
    """Return the clean history of every tank that has enough of it.

    It is one block, 9 bytes for each tank, step and channel, twice while it is put together; a few
    tanks at a time are read and cleaned, which takes 180 bytes.  However many tanks and years there
    are, it holds no more than `train.most_values`: of a longer history the newest part and
    stretches of the time before it, and nothing else is read.

    Raises:
        ModelError: no tank has.
    """
    with reading(context.engine) as connection:
        marks = {mark.tank_id: mark for mark in load_watermarks(connection)}
        if not marks:
            message = "there are no readings to train on: bring some in with `tankwatch ingest`"
            raise ModelError(message)
        grid = _grid(context, marks.values(), until=until)
        span = (from_ms(grid.start_ms), from_ms(grid.start_ms + grid.steps * context.step_ms))
        known = load_stretches(connection, recurring=span)
        plan = load_plant(connection)
    tanks = [tank for key, tank in plan.tanks.items() if key in marks]
    timeline = sample(grid, _sampling(context.settings, len(tanks) * len(plan.channels)))
    facts = _Facts(plan, known, marks)
    return _chosen(context, facts, tanks, _read(context, facts, tanks, timeline))


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of the plant beside its readings."""

    plan: Plan
    known: Sequence[Stretch]
    marks: Mapping[int, Watermark]


@dataclass(frozen=True, slots=True)
class _Clean:
    """Values and mask of every tank and channel, and what was left out of them."""

    timeline: Timeline
    values: NDArray[np.float64]
    mask: Mask
    excluded: tuple[Excluded, ...]


def _sampling(settings: Settings, values_a_step: int) -> Sampling:
    return Sampling(
        most_steps=settings.train.most_values // max(values_a_step, 1),
        late_share=settings.train.calibration_share,
        hole=max(RESET_STEPS + WARM_STEPS, settings.model.window),
        seed=settings.model.seed,
    )


def _grid(context: Context, marks: Collection[Watermark], *, until: datetime | None) -> Grid:
    step_s = context.settings.grid.step_s
    last_ms = max(mark.last_reading_ms for mark in marks)
    end_ms = step_floor(last_ms if until is None else min(last_ms, to_ms(until)), step_s)
    history = timedelta(days=context.settings.train.history_days)
    back_ms = history // timedelta(milliseconds=1)
    first_ms = max(min(mark.first_reading_ms for mark in marks), end_ms - back_ms)
    start_ms = step_floor(first_ms, step_s)
    return Grid(start_ms, max((end_ms - start_ms) // context.step_ms, 0), step_s)


def _read(context: Context, facts: _Facts, tanks: Sequence[Tank], timeline: Timeline) -> _Clean:
    """Return the readings of each stretch in its place, a few tanks at a time."""
    settings, channels = context.settings, facts.plan.channels
    values = np.full((len(tanks), timeline.steps, len(channels)), np.nan)
    mask = np.zeros(values.shape, dtype=bool)
    excluded: list[Excluded] = []
    for grid, place in zip(timeline.grids, timeline.places, strict=True):
        at_once = max(_CELLS_AT_ONCE // max(grid.steps * len(channels), 1), 1)
        for first in range(0, len(tanks), at_once):
            rows = slice(first, first + at_once)
            group = tanks[rows]
            # Each stretch is cleaned in its own time, which is where stretches to leave out lie.
            block = load_block(context.engine, context.settings, group, channels, grid)
            left_out = exclude(
                block,
                group,
                plan=facts.plan,
                settings=settings,
                known=facts.known,
                marks=facts.marks,
            )
            clean = block.mask.copy()
            for part in left_out.values():
                clean &= ~part
            mask[rows, place] = clean
            values[rows, place] = np.where(clean, block.values, np.nan)
            merge_gap = settings.detect.merge_gap_steps
            excluded += list_excluded(block, left_out, merge_gap=merge_gap)
    return _Clean(timeline, values, mask, tuple(excluded))


def _chosen(context: Context, facts: _Facts, tanks: Sequence[Tank], clean: _Clean) -> History:
    """Return the tanks that have enough clean steps, with the channels that any of them has."""
    least, timeline = context.settings.train.min_steps, clean.timeline
    counts = clean.mask.any(axis=2).sum(axis=1)
    enough = counts >= least
    if not enough.any():
        message = (
            f"no tank has {least} clean steps before {from_ms(timeline.newest.end_ms)} "
            f"(the most is {counts.max()}): bring in more history, or lower train.min_steps"
        )
        raise ModelError(message)
    used = np.any(clean.mask[enough], axis=(0, 1))
    channels = tuple(facts.plan.channels[at] for at in np.flatnonzero(used).tolist())
    kept = tuple(tank for tank, has in zip(tanks, enough, strict=True) if has)
    names = tuple(tank.name for tank in kept), tuple(channel.name for channel in channels)
    step_s = timeline.newest.step_s
    at = np.ix_(enough, np.ones(timeline.steps, dtype=bool), used)
    return History(
        block=Block(*names, timeline.start_ms, step_s, clean.values[at], clean.mask[at]),
        timeline=timeline,
        tanks=kept,
        channels=channels,
        left_out=tuple(t.name for t, has in zip(tanks, enough, strict=True) if not has),
        excluded=clean.excluded,
    )
