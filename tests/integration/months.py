"""A plant with months of readings, and all that is kept of them anywhere."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.testing import assert_array_equal

from tankwatch.jobs import archive_file
from tankwatch.jobs.context import Context
from tankwatch.settings import Settings, Train
from tankwatch.settings_keep import Keep
from tankwatch.store.archives import load_archives
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.intake import store_readings
from tankwatch.store.plant import ensure_tanks
from tankwatch.store.readings import ReadingRows, load_readings

NOW = datetime(2026, 6, 15, tzinfo=UTC)
FIRST_MS = 1_771_718_400_000  # 2026-02-22
SIX_HOURS_MS = 6 * 3_600_000
BOTH = ("pressure", "temperature")
KEEP = {"reading_days": 60.0}
FOREVER = {"from_ms": 0, "until_ms": 2**42}


def context_of(engine: Engine, folder: Path, **keep: Any) -> Context:
    kept = Keep(**{**KEEP, **keep})
    settings = Settings(keep=kept, train=Train(history_days=30), home=folder)
    return Context(engine, settings)


def rows_of(tank_ids: list[int], steps: int, *, seed: int = 0) -> ReadingRows:
    dice = np.random.default_rng(seed)
    values = dice.normal(size=(len(tank_ids) * steps, 2))
    values[::5, 0] = np.nan
    moments = FIRST_MS + np.arange(steps, dtype=np.int64) * SIX_HOURS_MS
    tank = np.repeat(np.array(tank_ids, dtype=np.int64), steps)
    return ReadingRows(tank, np.tile(moments, len(tank_ids)), values)


def fill(engine: Engine) -> dict[str, int]:
    """Fill two sites with readings from February to June, and return the ids of the tanks."""
    with writing(engine) as connection:
        made = datetime(2026, 1, 1, tzinfo=UTC)
        ids = ensure_tanks(connection, ["T1", "T2"], site="north", at=made)
        ids |= ensure_tanks(connection, ["T3"], site="../odd site", at=made)
        store_readings(connection, rows_of(list(ids.values()), 440), BOTH)
    return ids


def stored(engine: Engine, ids: dict[str, int]) -> ReadingRows:
    with reading(engine) as connection:
        return load_readings(connection, list(ids.values()), BOTH, **FOREVER)


def archived(engine: Engine, folder: Path, ids: dict[str, int]) -> list[ReadingRows]:
    with reading(engine) as connection:
        files = [folder / "archive" / one.path for one in load_archives(connection)]
    return archive_file.read_all(files, ids, BOTH)


def everything(engine: Engine, folder: Path, ids: dict[str, int]) -> ReadingRows:
    """Return what is stored and what was archived, by tank and time, each once."""
    parts = [*archived(engine, folder, ids), stored(engine, ids)]
    merged = {
        key: tuple(values)
        for part in parts
        for key, values in zip(
            zip(part.tank_id.tolist(), part.observed_ms.tolist(), strict=True),
            part.values.tolist(),
            strict=True,
        )
    }
    keys = sorted(merged)
    return ReadingRows(
        np.array([key[0] for key in keys]),
        np.array([key[1] for key in keys]),
        np.array([merged[key] for key in keys]),
    )


def assert_same(left: ReadingRows, right: ReadingRows) -> None:
    for name in ("tank_id", "observed_ms", "values"):
        assert_array_equal(getattr(left, name), getattr(right, name))
