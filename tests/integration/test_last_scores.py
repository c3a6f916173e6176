"""The last score of each tank is kept beside the scores, whatever is stored and deleted."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text

from tankwatch.core.times import from_ms
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.migrate import downgrade, upgrade
from tankwatch.store.scores import delete_scores_before, delete_scores_between
from tests.integration.test_store_scores import FOREVER_MS, STEP_MS, T0, store, version

KEPT = "SELECT tank_id, model_version_id, observed_at, score, channel_id FROM last_score"
NEWEST = (
    "SELECT s.tank_id, s.model_version_id, s.observed_at, s.score, s.channel_id FROM score s "
    "WHERE s.observed_at = (SELECT max(t.observed_at) FROM score t WHERE t.tank_id = s.tank_id "
    "AND t.model_version_id = s.model_version_id)"
)


def rows(engine: Engine, query: str) -> list[tuple[object, ...]]:
    with reading(engine) as connection:
        return sorted(tuple(row) for row in connection.execute(text(query)))


def assert_kept(engine: Engine, expected: int) -> None:
    found = rows(engine, KEPT)
    assert found == rows(engine, NEWEST)
    assert len(found) == expected


@pytest.fixture
def scored(engine: Engine, tanks: dict[str, int]) -> tuple[int, int]:
    """Store scores of two versions: three steps of T1 and T2, and one of T3."""
    first, second = version(engine), version(engine)
    one, two, three = tanks.values()
    for key in (first, second):
        steps = [(tank, T0 + n * STEP_MS, n + key, 1) for tank in (two, one) for n in (1, 2, 0)]
        store(engine, key, [*steps, (three, T0, 0.5, 2)])
    return first, second


def cut(engine: Engine, keys: Sequence[int], tanks: Sequence[int], step: int) -> None:
    with writing(engine) as connection:
        low = T0 + step * STEP_MS
        delete_scores_between(connection, keys, tanks, from_ms=low, until_ms=FOREVER_MS)


@pytest.mark.usefixtures("scored")
def test_the_newest_of_each_tank_and_version_is_kept(engine: Engine) -> None:
    assert_kept(engine, 6)


def test_an_older_score_changes_nothing_and_the_same_step_again_does(
    engine: Engine, tanks: dict[str, int], scored: tuple[int, int]
) -> None:
    store(engine, scored[0], [(tanks["T1"], T0 + STEP_MS, 7.0, 2)])
    assert_kept(engine, 6)
    store(engine, scored[0], [(tanks["T1"], T0 + 2 * STEP_MS, 8.0, 2)])
    assert_kept(engine, 6)
    assert 8.0 in {row[3] for row in rows(engine, KEPT)}


def test_what_is_before_a_deleted_stretch_is_the_last_again(
    engine: Engine, tanks: dict[str, int], scored: tuple[int, int]
) -> None:
    cut(engine, scored[:1], [tanks["T1"], tanks["T3"]], 1)
    assert_kept(engine, 6)
    cut(engine, scored, list(tanks.values()), 0)
    assert_kept(engine, 0)


@pytest.mark.usefixtures("scored")
def test_old_scores_go_with_their_last(engine: Engine) -> None:
    with writing(engine) as connection:
        delete_scores_before(connection, from_ms(T0 + STEP_MS))
    assert_kept(engine, 4)


@pytest.mark.usefixtures("scored")
def test_the_migration_finds_them_in_what_is_stored(engine: Engine) -> None:
    downgrade(engine, "0020")
    upgrade(engine)
    assert_kept(engine, 6)
