"""The highest score of each hour follows the scores, on both backends."""

from datetime import UTC, datetime

import numpy as np

from tankwatch.core.times import from_ms
from tankwatch.store.champions import start_shadow
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.registry import Artefact, TrainingFacts, store_model
from tankwatch.store.score_hours import load_score_hours
from tankwatch.store.scores import (
    ScoreRows,
    delete_scores_before,
    delete_scores_between,
    load_scores,
    store_scores,
)

HOUR = 3_600_000
STEP = 600_000
FIRST_MS = 1_772_409_600_000
FACTS = TrainingFacts(datetime(2026, 3, 2, tzinfo=UTC), 1, 1, 0, None, None)
FOREVER = {"from_ms": 0, "until_ms": 2**42}


def version(engine: Engine, detector: str = "pca") -> int:
    with writing(engine) as connection:
        return store_model(connection, Artefact(detector, {}), FACTS, reason="")


def rows_of(
    tanks: list[int], first: int, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> ScoreRows:
    moments = FIRST_MS + (first + np.arange(values.shape[1])) * STEP
    tank = np.repeat(np.array(tanks, dtype=np.int64), values.shape[1])
    ones = np.ones(tank.size, dtype=np.int64)
    return ScoreRows(tank, np.tile(moments, len(tanks)), values.ravel(), ones)


def from_hours(engine: Engine, tanks: list[int]) -> dict[tuple[int, int], float]:
    with reading(engine) as connection:
        rows = load_score_hours(connection, ["pca"], tanks, **FOREVER)
    columns = (rows.tank_id.tolist(), rows.starts_ms.tolist(), rows.high.tolist())
    return {(tank, hour): high for tank, hour, high in zip(*columns, strict=True)}


def from_scores(engine: Engine, tanks: list[int]) -> dict[tuple[int, int], float]:
    with reading(engine) as connection:
        rows = load_scores(connection, "pca", tanks, **FOREVER)
    found: dict[tuple[int, int], float] = {}
    for tank, moment, score in zip(rows.tank_id, rows.observed_ms, rows.score, strict=True):
        key = (int(tank), int(moment) // HOUR * HOUR)
        found[key] = max(found.get(key, 0.0), float(score))
    return found


def test_hours_follow_passes_rewinds_and_clearing(engine: Engine, tanks: dict[str, int]) -> None:
    ids, model, dice = list(tanks.values()), version(engine), np.random.default_rng(3)
    begun = 0
    for _ in range(12):
        steps = int(dice.integers(1, 15))
        back = min(begun, int(dice.integers(0, 9)))
        first, last = begun - back, begun - back + steps
        again = ids[: int(dice.integers(1, 4))] if back else ids
        with writing(engine) as connection:
            if back:  # as a pass that goes back for late readings does
                span = {"from_ms": FIRST_MS + first * STEP, "until_ms": FIRST_MS + last * STEP}
                delete_scores_between(connection, [model], again, **span)
            values = dice.uniform(0, 2, (len(again), steps)).astype(np.float32)
            store_scores(connection, model, rows_of(again, first, values.astype(np.float64)))
        begun = max(begun, last)
        assert from_hours(engine, ids) == from_scores(engine, ids)
    assert len(from_hours(engine, ids)) > 12
    with writing(engine) as connection:
        delete_scores_before(connection, from_ms(FIRST_MS + 2 * HOUR))
    assert from_hours(engine, ids) == from_scores(engine, ids)


def test_hours_of_a_shadow_and_of_other_detectors_are_left_out(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank = tanks["T1"]
    used, shadow, other = version(engine), version(engine), version(engine, "robust_z")
    with writing(engine) as connection:
        start_shadow(connection, shadow, at=from_ms(FIRST_MS))
        for model, score in ((used, 0.5), (shadow, 7.0), (other, 3.0)):
            values = np.full((1, 3), score)
            store_scores(connection, model, rows_of([tank], 0, values))
    assert from_hours(engine, [tank]) == {(tank, FIRST_MS): 0.5}
    with reading(engine) as connection:
        both = load_score_hours(connection, ["pca", "robust_z"], [tank], **FOREVER)
    assert both.high.tolist() == [3.0]
