from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import text

from tankwatch.core.times import from_ms
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.registry import Artefact, TrainingFacts, store_model
from tankwatch.store.scores import (
    ScoreRows,
    delete_scores_before,
    first_score_at,
    load_scores,
    load_states,
    store_scores,
    store_states,
)

FACTS = TrainingFacts(datetime(2026, 3, 2, tzinfo=UTC), 1, 1, 0, None, None)
T0 = 1_772_433_000_000
STEP_MS = 60_000
FOREVER_MS = 4_000_000_000_000
# (tank id, epoch ms, score, channel id); scores are float32, as detectors give them.
Score = tuple[int, int, float, int]


def version(engine: Engine, detector: str = "autoencoder") -> int:
    with writing(engine) as connection:
        return store_model(connection, Artefact(detector, {}), FACTS, reason="")


def store(engine: Engine, model_version_id: int, scores: Sequence[Score]) -> None:
    table = np.array(scores, dtype=np.float64).reshape(-1, 4)
    whole = table[:, [0, 1, 3]].astype(np.int64)
    with writing(engine) as connection:
        rows = ScoreRows(whole[:, 0], whole[:, 1], table[:, 2], whole[:, 2])
        store_scores(connection, model_version_id, rows)


def load(
    engine: Engine,
    tanks: Sequence[int],
    detector: str = "autoencoder",
    *,
    from_ms: int = 0,
    until_ms: int = FOREVER_MS,
) -> list[Score]:
    with reading(engine) as connection:
        rows = load_scores(connection, detector, tanks, from_ms=from_ms, until_ms=until_ms)
    columns = (rows.tank_id, rows.observed_ms, rows.score, rows.channel_id)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_scores_come_by_tank_and_time_and_only_those_asked_for(
    engine: Engine, tanks: dict[str, int]
) -> None:
    first, second, third = tanks.values()
    given = [(second, T0, 0.5, 1), (first, T0 + STEP_MS, 1.5, 2), (first, T0, 0.25, 1)]
    more = [(third, T0, 9.0, 1), (first, T0 + 2 * STEP_MS, 8.0, 1), (first, T0 - 1, 7.0, 1)]
    store(engine, version(engine), given + more)
    found = load(engine, [second, first], from_ms=T0, until_ms=T0 + 2 * STEP_MS)
    assert found == [given[2], given[1], given[0]]


def test_same_pass_twice_writes_the_same_rows(engine: Engine, tanks: dict[str, int]) -> None:
    tank, model = tanks["T1"], version(engine)
    scores = [(tank, T0 + step * STEP_MS, step / 4, 1) for step in range(8)]
    for _ in range(2):
        store(engine, model, scores)
    assert load(engine, [tank]) == scores


def test_scoring_again_replaces_score_flag_and_channel(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank, model = tanks["T1"], version(engine)
    store(engine, model, [(tank, T0, 0.5, 1)])
    store(engine, model, [(tank, T0, 1.0, 2)])
    assert load(engine, [tank]) == [(tank, T0, 1.0, 2)]
    with reading(engine) as connection:
        assert bool(connection.execute(text("SELECT flag FROM score")).scalar_one()) is True


def test_score_at_the_threshold_is_flagged_and_below_it_is_not(
    engine: Engine, tanks: dict[str, int]
) -> None:
    below = float(np.nextafter(np.float32(1), np.float32(0)))
    scores = [(tanks["T1"], T0 + ms, score, 1) for ms, score in enumerate((below, 1.0, 2.5))]
    store(engine, version(engine), scores)
    query = text("SELECT flag FROM score ORDER BY observed_at")
    with reading(engine) as connection:
        flags = [bool(flag) for flag in connection.execute(query).scalars()]
    assert flags == [False, True, True]


def test_newer_of_two_versions_is_shown_where_both_scored(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank = tanks["T1"]
    older, other, newer = version(engine), version(engine, "pca"), version(engine)
    store(engine, newer, [(tank, T0 + STEP_MS, 0.75, 1), (tank, T0 + 2 * STEP_MS, 0.5, 1)])
    store(engine, other, [(tank, T0, 5.0, 1)])
    store(engine, older, [(tank, T0, 2.0, 2), (tank, T0 + STEP_MS, 3.0, 2)])
    shown = [(T0, 2.0), (T0 + STEP_MS, 0.75), (T0 + 2 * STEP_MS, 0.5)]
    assert [row[1:3] for row in load(engine, [tank])] == shown
    assert [row[1:3] for row in load(engine, [tank], "pca")] == [(T0, 5.0)]


def test_no_scores_are_stored_and_loaded_as_empty_arrays(
    engine: Engine, tanks: dict[str, int]
) -> None:
    store(engine, version(engine), [])
    assert load(engine, [tanks["T1"]]) == []
    assert load(engine, []) == []
    with reading(engine) as connection:
        assert first_score_at(connection) is None


def test_old_scores_are_deleted(engine: Engine, tanks: dict[str, int]) -> None:
    tank = tanks["T1"]
    store(engine, version(engine), [(tank, T0 + ms, 0.5, 1) for ms in (0, 1, 2)])
    with writing(engine) as connection:
        assert first_score_at(connection) == from_ms(T0)
        assert delete_scores_before(connection, from_ms(T0 + 1)) == 1
        assert first_score_at(connection) == from_ms(T0 + 1)


def test_states_are_replaced_for_the_given_tanks_and_kind_only(
    engine: Engine, tanks: dict[str, int]
) -> None:
    first, second, third = tanks.values()
    with writing(engine) as connection:
        store_states(connection, "episodes", {first: {"run": 1}, second: {"run": 2}})
        store_states(connection, "lstm", {first: {"h": [0.1, -1 / 3], "name": "°C"}})
        store_states(connection, "episodes", {second: {"run": 3}, third: {}})
        store_states(connection, "episodes", {})
    with reading(engine) as connection:
        episodes = load_states(connection, "episodes")
        assert episodes == {first: {"run": 1}, second: {"run": 3}, third: {}}
        assert load_states(connection, "lstm") == {first: {"h": [0.1, -1 / 3], "name": "°C"}}
        assert load_states(connection, "nothing") == {}


@pytest.mark.parametrize("number", [501, 2500])
def test_scores_of_many_tanks_are_loaded_at_once(
    engine: Engine, tanks: dict[str, int], number: int
) -> None:
    tank = tanks["T1"]
    store(engine, version(engine), [(tank, T0, 0.5, 1)])
    assert load(engine, range(tank, tank + number)) == [(tank, T0, 0.5, 1)]
