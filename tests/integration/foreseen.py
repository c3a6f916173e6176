"""A small plant that a version which was trained here looks ahead of."""

from pathlib import Path

import numpy as np

from tankwatch.settings import Settings
from tankwatch.store.champions import promote
from tankwatch.store.engine import Engine, writing
from tankwatch.store.registry import Artefact, store_model
from tests.integration.charted import FACTS
from tests.integration.plant import at, make_settings, quiet_values, store

LEARNED, STEPS, TANKS = 1440, 1500, 6
LIMIT = 2.5
SITE = "north"
MODEL = {"forecaster_units": (8,), "forecaster_epochs": 3}


def settings_of(home: Path, detector: str = "fused") -> Settings:
    return make_settings(
        home, detect={"detector": detector}, model=MODEL, channels={"pressure": {"high": LIMIT}}
    )


def fill(engine: Engine, trained: Artefact) -> None:
    """Store the tanks' readings, of which the second rises to where it never was, and promote."""
    values = quiet_values(TANKS, STEPS)
    level = values[1, STEPS - 31, 0]
    values[1, -30:, 0] = level + (LIMIT - 0.2 - level) * np.arange(1, 31) / 30
    store(engine, values, slice(0, STEPS))
    with writing(engine) as connection:
        version = store_model(connection, trained, FACTS, reason="the first")
        promote(connection, version, at=at(LEARNED), reason="the first")
