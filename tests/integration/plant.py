"""A small plant in a database, for tests of jobs."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.jobs.context import Context
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import StoredIncident, load_incidents
from tankwatch.store.intake import store_readings
from tankwatch.store.plant import ensure_tanks, load_channels, load_tanks
from tankwatch.store.readings import ReadingRows
from tankwatch.store.scores import load_scores

START = datetime(2026, 3, 2, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
STEP_MS = 60_000
CHANNELS = ("pressure", "temperature")


def at(step: int) -> datetime:
    """Return the beginning of a step."""
    return START + timedelta(minutes=step)


def make_settings(home: Path, **sections: dict[str, Any]) -> Settings:
    """Return settings that judge by the smoothed z-score, which needs no training child."""
    detect = {"detector": "robust_z", "merge_gap_steps": 15, **sections.pop("detect", {})}
    return Settings(detect=detect, home=home, **sections)  # type: ignore[arg-type]


def make_context(engine: Engine, settings: Settings) -> Context:
    return Context(engine, settings, threading.Event())


def quiet_values(tanks: int, steps: int, seed: int = 0) -> NDArray[np.float64]:
    """Return pressure and temperature of a quiet plant, (tanks, steps, 2)."""
    rng = np.random.default_rng(seed)
    day = np.sin(2 * np.pi * np.arange(steps) / 1440)[None, :, None]
    middle, swing = np.array([1.0, 15.0]), np.array([0.2, 3.0])
    noise = rng.normal(0, 1, (tanks, steps, 2)) * np.array([0.02, 0.1])
    return np.asarray(middle + swing * day + noise)


def store(
    engine: Engine,
    values: NDArray[np.float64],
    steps: slice,
    *,
    tanks: Sequence[int] | None = None,
) -> None:
    """Store the readings of the steps of a block; a row that is all NaN is not sent."""
    names = [f"TK-{index + 1}" for index in range(values.shape[0])]
    chosen = range(values.shape[0]) if tanks is None else tanks
    with writing(engine) as connection:
        ids = ensure_tanks(connection, names, site="north", at=START)
        for tank in chosen:
            place = np.arange(*steps.indices(values.shape[1]))
            part = values[tank, place]
            sent = np.isfinite(part).any(axis=1)
            tank_id = np.full(int(sent.sum()), ids[names[tank]], dtype=np.int64)
            rows = ReadingRows(tank_id, START_MS + place[sent] * STEP_MS, part[sent])
            if tank_id.size:
                store_readings(connection, rows, CHANNELS)


def incidents(engine: Engine) -> list[StoredIncident]:
    """Return every incident by start and tank."""
    with reading(engine) as connection:
        found = load_incidents(connection)
    return sorted(found, key=lambda one: (one.incident.started_at, one.incident.tank))


def told(engine: Engine) -> list[tuple[Any, ...]]:
    """Return of each incident what must not depend on how the passes were cut."""
    return [
        (
            one.incident.uid,
            one.incident.tank,
            one.incident.state,
            one.incident.detector,
            one.incident.channel,
            one.incident.symptom,
            one.incident.nature,
            one.incident.started_at,
            one.incident.raised_at,
            one.incident.ended_at,
            round(one.incident.peak_score, 4),
        )
        for one in incidents(engine)
    ]


def scores(engine: Engine, detector: str = "robust_z") -> NDArray[np.float64]:
    """Return (tank id, step, score) of each scored step."""
    with reading(engine) as connection:
        ids = [tank.tank_id for tank in load_tanks(connection)]
        rows = load_scores(connection, detector, ids, from_ms=0, until_ms=2**45)
    steps = (rows.observed_ms - START_MS) // STEP_MS
    return np.stack([rows.tank_id, steps, np.round(rows.score, 4)], axis=1)


def channel_names(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [channel.name for channel in load_channels(connection)]
