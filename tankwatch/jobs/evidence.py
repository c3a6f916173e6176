"""The picture behind an incident: a day of readings, the expected band, the scores."""

from datetime import datetime, timedelta

import numpy as np

from tankwatch.core.block import Grid
from tankwatch.core.incident import Evidence
from tankwatch.core.times import to_ms
from tankwatch.detectors.newcomer import NEWCOMER
from tankwatch.jobs.context import Context
from tankwatch.scoring.blocks import load_block
from tankwatch.scoring.plan import Plan, limits_of
from tankwatch.shaping.grid import step_floor
from tankwatch.store.engine import reading
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.scores import load_scores
from tankwatch.store.surroundings import load_surroundings
from tankwatch.store.watermarks import load_watermarks

SHOWN = timedelta(hours=24)
_MOST_STEPS = 8640  # the whole day down to steps of ten seconds
_MOST_SIBLINGS = 24  # enough to tell what the site does


def load_evidence(
    context: Context, plan: Plan, stored: StoredIncident, *, as_of: datetime
) -> Evidence:
    """Return what is shown of an incident: a day of readings that ends with what was known then.

    A message takes the time at which it was queued, so that sending it again shows the same.
    """
    step_ms, step_s = context.step_ms, context.settings.grid.step_s
    incident = stored.incident
    with reading(context.engine) as connection:
        marks = {mark.tank_id: mark for mark in load_watermarks(connection)}
        at = min(as_of, stored.incident.ended_at or as_of)
        surroundings = load_surroundings(connection, stored, at=at)
    known_ms = min(marks[stored.tank_id].scored_ms, step_floor(to_ms(as_of), step_s))
    shown = min(int(SHOWN.total_seconds()) // step_s, _MOST_STEPS)
    # A long incident is shown from its beginning on, so that the change is in the picture.
    start_ms = step_floor(to_ms(incident.started_at), step_s)
    end_ms = min(known_ms, start_ms + shown * step_ms * 3 // 4)
    end_ms = max(end_ms, step_floor(to_ms(incident.raised_at), step_s))
    before = max([scorer.detector.context_steps for scorer in plan.scorers], default=0)
    first_ms = end_ms - shown * step_ms
    grid = Grid(first_ms - before * step_ms, shown + before, step_s)
    own = plan.tanks[stored.tank_id]
    siblings = [tank for tank in plan.tanks.values() if tank.site == own.site and tank is not own]
    block = load_block(
        context.engine, context.settings, [own, *siblings[:_MOST_SIBLINGS]], plan.channels, grid
    )
    low, high = np.full((2, *block.values.shape), np.nan)
    if plan.primary is not None:
        low, high = plan.primary.expected_band(block)
    used = block.mask[0, before:].any(axis=0)
    limits = limits_of(plan, context.settings, [stored.tank_id])
    chosen = np.flatnonzero(used) if used.any() else np.arange(len(block.channels))
    return Evidence(
        channels=tuple(block.channels[i] for i in chosen),
        units=tuple(plan.channels[i].unit for i in chosen),
        times_ms=block.times_ms[before:],
        step_s=step_s,
        values=np.where(block.mask, block.values, np.nan)[0, before:, chosen].T,
        expected_low=low[0, before:, chosen].T,
        expected_high=high[0, before:, chosen].T,
        score=_scores(context, stored, first_ms, shown),
        limit_low=tuple(_limit(limits[0][0, i]) for i in chosen),
        limit_high=tuple(_limit(limits[1][0, i]) for i in chosen),
        surroundings=surroundings,
    )


def _scores(
    context: Context, stored: StoredIncident, first_ms: int, steps: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    step_ms, is_new = context.step_ms, stored.incident.detector == NEWCOMER
    with reading(context.engine) as connection:
        rows = load_scores(
            connection,
            NEWCOMER if is_new else context.settings.detect.detector,
            [stored.tank_id],
            from_ms=first_ms,
            until_ms=first_ms + steps * step_ms,
        )
    score = np.full(steps, np.nan)
    score[(rows.observed_ms - first_ms) // step_ms] = rows.score
    return score


def _limit(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
