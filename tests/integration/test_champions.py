"""One champion a detector, whoever promotes at the same time; shadows beside it."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from tankwatch.errors import ModelError, StoreError, UsageError
from tankwatch.store.champions import (
    find_champion,
    find_shadows,
    promote,
    promote_over,
    start_shadow,
    stop_shadow,
)
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.migrate import downgrade, upgrade
from tankwatch.store.registry import (
    Artefact,
    ModelState,
    TrainingFacts,
    load_versions,
    store_model,
)
from tankwatch.store.scores import ScoreRows, load_scores, load_version_scores, store_scores

AT = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)
FACTS = TrainingFacts(AT, 3, 900, 12, 0.25, 0.4)


def stored(engine: Engine, number: int = 1) -> list[int]:
    with writing(engine) as connection:
        return [
            store_model(connection, Artefact("pca", {"number": n}), FACTS, reason="")
            for n in range(number)
        ]


def states(engine: Engine) -> dict[int, ModelState]:
    with reading(engine) as connection:
        return {v.model_version_id: v.state for v in load_versions(connection)}


def scored(engine: Engine, version: int, first: int, steps: int) -> None:
    """Store scores that tell the version, and move the watermark."""
    with writing(engine) as connection:
        tank = np.ones(steps, dtype=np.int64)
        times = AT_MS + (first + np.arange(steps, dtype=np.int64)) * 60_000
        score = np.full(steps, float(version))
        connection.execute(
            text("INSERT INTO channel (name, unit) VALUES ('x', '') ON CONFLICT DO NOTHING")
        )
        store_scores(connection, version, ScoreRows(tank, times, score, tank))


def watermark(engine: Engine, step: int) -> None:
    moment = AT + timedelta(minutes=step)
    value: Any = AT_MS + step * 60_000 if engine.name == "sqlite" else moment
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM watermark"))
        command = "INSERT INTO watermark (tank_id, scored_until) VALUES (1, :at)"
        connection.execute(text(command), {"at": value})


@pytest.mark.parametrize("has_champion", [False, True])
def test_two_promotions_at_once_leave_one_champion(engine: Engine, *, has_champion: bool) -> None:
    first, second, before = stored(engine, 3)
    if has_champion:
        with writing(engine) as connection:
            promote(connection, before, at=AT, reason="before")
    began, failed = threading.Event(), []

    def promote_second() -> None:
        began.set()
        try:
            with writing(engine) as connection:
                promote(connection, second, at=AT, reason="second")
        except StoreError as error:
            failed.append(error)

    thread = threading.Thread(target=promote_second)
    with writing(engine) as connection:
        promote(connection, first, at=AT, reason="first")
        thread.start()
        began.wait()
        # The other one must now wait for this transaction; where it did not, it is done or refused.
        thread.join(timeout=0.7)
    thread.join()
    assert failed == []
    found = states(engine)
    assert (found[first], found[second]) == (ModelState.RETIRED, ModelState.CHAMPION)
    assert found[before] is (ModelState.RETIRED if has_champion else ModelState.CANDIDATE)


def test_the_database_itself_refuses_a_second_champion(engine: Engine) -> None:
    stored(engine, 2)
    with pytest.raises(StoreError), writing(engine) as connection:
        connection.execute(text("UPDATE model_version SET state = 'champion'"))
    assert set(states(engine).values()) == {ModelState.CANDIDATE}


def test_a_version_is_not_promoted_over_a_champion_it_was_not_compared_with(
    engine: Engine,
) -> None:
    first, second, third = stored(engine, 3)
    with writing(engine) as connection:
        assert promote_over(connection, first, None, at=AT, reason="first")
        assert promote_over(connection, second, first, at=AT, reason="better")
        assert not promote_over(connection, third, first, at=AT, reason="better than the first")
        champion = find_champion(connection, "pca")
    assert champion is not None
    assert champion.model_version_id == second
    assert states(engine)[third] is ModelState.CANDIDATE


def test_a_shadow_is_no_champion_and_can_be_stopped(engine: Engine) -> None:
    first, second = stored(engine, 2)
    with writing(engine) as connection:
        promote(connection, first, at=AT, reason="")
        start_shadow(connection, second, at=AT)
        assert [one.model_version_id for one in find_shadows(connection)] == [second]
        for version in (first, second):
            with pytest.raises(UsageError, match="already"):
                start_shadow(connection, version, at=AT)
        stop_shadow(connection, second, at=AT)
        assert find_shadows(connection) == []
        with pytest.raises(UsageError, match="not in shadow but candidate"):
            stop_shadow(connection, second, at=AT)
        with pytest.raises(ModelError, match="no model version 99"):
            start_shadow(connection, 99, at=AT)


@pytest.mark.usefixtures("tanks")
def test_scores_in_shadow_are_no_scores_of_the_detector_until_the_promotion(
    engine: Engine,
) -> None:
    first, second = stored(engine, 2)
    with writing(engine) as connection:
        promote(connection, first, at=AT, reason="")
    scored(engine, first, 0, 20)
    watermark(engine, 10)
    with writing(engine) as connection:
        start_shadow(connection, second, at=AT)
    scored(engine, second, 10, 10)
    assert by_step(engine) == [first] * 20
    watermark(engine, 20)
    with writing(engine) as connection:
        promote(connection, second, at=AT, reason="")
    scored(engine, second, 20, 5)
    assert by_step(engine) == [first] * 20 + [second] * 5
    with reading(engine) as connection:
        rows = load_version_scores(connection, second, [1], from_ms=AT_MS, until_ms=AT_MS + 10**7)
        shown = connection.execute(text("SELECT score FROM dash_scores ORDER BY observed_at"))
        assert [row.score for row in shown] == by_step(engine)
    assert rows.score.size == 15


@pytest.mark.usefixtures("tanks")
def test_a_rollback_keeps_the_scores_of_the_version_that_is_left(engine: Engine) -> None:
    first, second = stored(engine, 2)
    for version, step in ((first, 0), (second, 5), (first, 10)):
        with writing(engine) as connection:
            promote(connection, version, at=AT, reason="")
        scored(engine, version, step, 5)
    assert by_step(engine) == [first] * 5 + [second] * 5 + [first] * 5


def by_step(engine: Engine) -> list[float]:
    with reading(engine) as connection:
        rows = load_scores(connection, "pca", [1], from_ms=AT_MS, until_ms=AT_MS + 10**7)
    return [float(score) for score in rows.score]


def test_the_migration_keeps_the_newest_of_two_champions_and_no_shadow_on_the_way_back(
    engine: Engine,
) -> None:
    first, second, third = stored(engine, 3)
    with writing(engine) as connection:
        promote(connection, first, at=AT + timedelta(hours=1), reason="")
        promote(connection, second, at=AT, reason="")
        start_shadow(connection, third, at=AT)
    downgrade(engine, "0003")
    assert kept(engine) == {first: "retired", second: "champion", third: "candidate"}
    with writing(engine) as connection:
        both = "UPDATE model_version SET state = 'champion' WHERE state <> 'candidate'"
        connection.execute(text(both))
    upgrade(engine)
    assert kept(engine) == {first: "champion", second: "retired", third: "candidate"}


def kept(engine: Engine) -> dict[int, str]:
    with reading(engine) as connection:
        rows = connection.execute(text("SELECT model_version_id, state FROM model_version"))
        return {row.model_version_id: row.state for row in rows}
