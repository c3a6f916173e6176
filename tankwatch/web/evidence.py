"""The evidence behind an incident as the page can load it: readings, scores, limits and bands.

The server loads no model: what was expected is told as long as it is kept (`keep.band_days`).
"""

from datetime import datetime, timedelta

import numpy as np

from tankwatch.core.block import Grid
from tankwatch.core.incident import Evidence
from tankwatch.core.times import to_ms
from tankwatch.settings import Settings
from tankwatch.shaping.grid import step_floor, to_block
from tankwatch.store.bands import load_band
from tankwatch.store.engine import Connection
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.plant import Channel, load_channels, load_limits
from tankwatch.store.readings import load_readings
from tankwatch.store.scores import load_scores
from tankwatch.store.watermarks import BEFORE_ALL_MS, load_watermarks

SHOWN = timedelta(hours=24)
_MOST_STEPS = 2880
NEWCOMER = "newcomer"


def load_evidence(
    connection: Connection, settings: Settings, stored: StoredIncident, *, now: datetime
) -> Evidence:
    """Return a day of readings that ends with what is known at `now`; a long one has its start."""
    step_s = settings.grid.step_s
    grid = _grid(connection, stored, step_s, now)
    every = load_channels(connection)
    names = tuple(channel.name for channel in every)
    span = {"from_ms": grid.start_ms, "until_ms": grid.end_ms}
    rows = load_readings(connection, [stored.tank_id], names, **span)
    block = to_block(
        np.zeros(rows.size, dtype=np.int64),
        rows.observed_ms,
        rows.values,
        tanks=(stored.incident.tank,),
        channels=names,
        grid=grid,
        max_fill_steps=0,
    )
    used = block.mask[0].any(axis=0)
    chosen = np.flatnonzero(used) if used.any() else np.arange(len(names))
    values = np.where(block.mask, block.values, np.nan)[0][:, chosen]
    limits = _limits(connection, settings, stored, [every[at] for at in chosen])
    is_new = stored.incident.detector == NEWCOMER
    detector = NEWCOMER if is_new else settings.detect.detector
    scored = load_scores(connection, detector, [stored.tank_id], **span)
    score = np.full(grid.steps, np.nan)
    score[(scored.observed_ms - grid.start_ms) // (step_s * 1000)] = scored.score
    band = load_band(connection, stored.tank_id, step_ms=step_s * 1000, **span)
    edges = np.stack([band.of_channel(at) for at in chosen.tolist()], axis=1)
    return Evidence(
        channels=tuple(names[at] for at in chosen),
        units=tuple(every[at].unit for at in chosen),
        times_ms=block.times_ms,
        step_s=step_s,
        values=values,
        expected_low=edges[..., 0],
        expected_high=edges[..., 1],
        score=score,
        limit_low=tuple(low for low, _ in limits),
        limit_high=tuple(high for _, high in limits),
    )


def _grid(connection: Connection, stored: StoredIncident, step_s: int, now: datetime) -> Grid:
    """Return the steps that are shown, chosen as for the mail's picture."""
    step_ms, incident = step_s * 1000, stored.incident
    known_ms = step_floor(to_ms(now), step_s)
    for mark in load_watermarks(connection, [stored.tank_id]):
        # Without any model nothing is scored, and the rules speak of what was read.
        read_ms = step_floor(mark.last_reading_ms, step_s) + step_ms
        known_ms = min(known_ms, mark.scored_ms if mark.scored_ms > BEFORE_ALL_MS else read_ms)
    shown = min(int(SHOWN.total_seconds()) // step_s, _MOST_STEPS)
    start_ms = step_floor(to_ms(incident.started_at), step_s)
    end_ms = min(known_ms, start_ms + shown * step_ms * 3 // 4)
    end_ms = max(end_ms, step_floor(to_ms(incident.raised_at), step_s))
    return Grid(end_ms - shown * step_ms, shown, step_s)


def _limits(
    connection: Connection, settings: Settings, stored: StoredIncident, channels: list[Channel]
) -> list[tuple[float | None, float | None]]:
    """Return the limits of each channel: the tank's own, else everyone's."""
    own = load_limits(connection)
    found = []
    for channel in channels:
        rules = settings.channels.get(channel.name)
        common = (rules.low, rules.high) if rules else (None, None)
        found.append(own.get((stored.tank_id, channel.channel_id), common))
    return found
