"""Four months of a few tanks, one with an incident, for the pages of the fleet and of a tank."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from tankwatch.core.incident import Severity, Symptom
from tankwatch.core.outlook import Outlook
from tankwatch.core.times import from_ms
from tankwatch.jobs.context import Context
from tankwatch.jobs.rollup import roll_up
from tankwatch.settings import Settings
from tankwatch.store.bands import Bands, store_bands
from tankwatch.store.champions import promote
from tankwatch.store.engine import Engine, writing
from tankwatch.store.incidents import Opening, open_incident
from tankwatch.store.intake import store_readings
from tankwatch.store.plant import ensure_tanks, set_limits
from tankwatch.store.readings import ReadingRows
from tankwatch.store.registry import Artefact, TrainingFacts, store_model
from tankwatch.store.scores import ScoreRows, store_scores
from tankwatch.store.watermarks import mark_scored

DAYS, STEP_MS = 120, 1_800_000
SETTINGS: dict[str, Any] = {"grid": {"step_s": STEP_MS // 1000}}
START_MS = 1_772_409_600_000  # 2026-03-02
LAST_MS = START_MS + DAYS * 86_400_000 - STEP_MS
SPIKE_MS = START_MS + 40 * 86_400_000
FACTS = TrainingFacts(datetime(2026, 3, 2, tzinfo=UTC), 3, 1000, 0, 0.02, 0.4)
# Names as a source may send them.
ODD, ODD_SITE = "<b>T/1</b> & 'co'", 'tank "farm"/<script>alert(1)</script>'


def fill(engine: Engine) -> dict[str, int]:
    """Store tanks with readings and scores; T1 is in alarm, T2 calm, ODD has no model yet."""
    with writing(engine) as connection:
        made = from_ms(START_MS)
        ids = ensure_tanks(connection, ["T1", "T2"], site="north", at=made)
        ids |= ensure_tanks(connection, [ODD], site=ODD_SITE, at=made)
        set_limits(connection, ids["T1"], {1: (0.5, 3.0)})
        model = store_model(connection, Artefact("fused", {}), FACTS, reason="the first")
        promote(connection, model, at=made, reason="the first")
    moments = np.arange(START_MS, LAST_MS + 1, STEP_MS, dtype=np.int64)
    hours = (moments - START_MS) / 3_600_000
    for place, tank in enumerate(ids.values()):
        values = np.column_stack(
            [2 + 0.2 * np.sin(hours / 24 + place), 15 + 3 * np.sin(hours * 2 * np.pi / 24)]
        )
        values[moments == SPIKE_MS, 0] = 9.0
        newest = 0 if place == 0 else moments.size - 96  # the others have two days
        _store(engine, tank, moments[newest:], values[newest:])
    with writing(engine) as connection:
        for tank, score in ((ids["T1"], 0.4), (ids["T2"], 0.2)):
            level = np.full(96, score)
            if tank == ids["T1"]:
                level[-4:] = 2.5  # two hours
            ones = np.ones(96, dtype=np.int64)
            store_scores(connection, model, ScoreRows(ones * tank, moments[-96:], level, ones))
            mark_scored(connection, {tank: LAST_MS}, until_ms={tank: LAST_MS + STEP_MS})
        open_incident(connection, _opening(ids["T1"], model), reason="above")
        middle = np.array([[2.0], [15.0]]) + np.array([[0.05], [0.5]]) * np.array([-1, 1])
        edges = np.tile(middle, (1, 96, 1, 1)).astype(np.float32)
        store_bands(connection, Bands([ids["T1"]], int(moments[-96]), STEP_MS, edges))
    roll_up(Context(engine, Settings(**SETTINGS)))
    return ids


def _store(
    engine: Engine,
    tank: int,
    moments: np.ndarray[tuple[int], np.dtype[np.int64]],
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> None:
    with writing(engine) as connection:
        rows = ReadingRows(np.full(moments.size, tank, dtype=np.int64), moments, values)
        store_readings(connection, rows, ("pressure", "temperature"))


def _opening(tank: int, model: int) -> Opening:
    return Opening(
        tank_id=tank,
        tank="T1",
        detector="fused",
        model_version_id=model,
        channel_id=1,
        share=0.8,
        symptom=Symptom.TO_HIGH_LIMIT,
        severity=Severity.ALARM,
        started_at=from_ms(LAST_MS - 3 * STEP_MS),
        raised_at=from_ms(LAST_MS - 1 * STEP_MS),
        peak_score=2.5,
        historical=False,
        outlook=Outlook("pressure", 3.0, True, 0.94, 720.0, 1500.0, 3600.0),  # noqa: FBT003
    )
