import threading
import time

import numpy as np
import pytest
from sqlalchemy import text

from tankwatch.core.readings import Accepted
from tankwatch.store.engine import Engine, connect, reading, writing
from tankwatch.store.intake import store_readings
from tankwatch.store.readings import ReadingRows
from tankwatch.store.watermarks import (
    BEFORE_ALL_MS,
    DirtyWindow,
    Watermark,
    claim,
    clear_dirty_windows,
    load_dirty_windows,
    load_watermarks,
    lock_watermarks,
    mark_scored,
)

DAY_MS = 86_400_000
T0 = 1_772_433_000_000


def arrive(engine: Engine, tank: int, *observed_ms: int, value: float = 1.0) -> Accepted:
    times = np.array(observed_ms, dtype=np.int64)
    rows = ReadingRows(np.full(times.size, tank), times, np.full((times.size, 1), value))
    with writing(engine) as connection:
        return store_readings(connection, rows, ("pressure",))


def claimed(engine: Engine, tank: int, *, seen_ms: int, until_ms: int) -> bool:
    with writing(engine) as connection:
        return claim(connection, {tank: seen_ms}, until_ms={tank: until_ms}) == {tank}


def scored(engine: Engine, tank: int, *, seen_ms: int, until_ms: int) -> bool:
    with writing(engine) as connection:
        return mark_scored(connection, {tank: seen_ms}, until_ms={tank: until_ms})


def marks(engine: Engine) -> list[Watermark]:
    with reading(engine) as connection:
        return load_watermarks(connection)


def dirty(engine: Engine) -> list[tuple[int, int, int]]:
    with reading(engine) as connection:
        found = load_dirty_windows(connection)
    return [(window.tank_id, window.from_ms, window.until_ms) for window in found]


def test_watermark_covers_the_first_and_last_reading(engine: Engine, tanks: dict[str, int]) -> None:
    tank = tanks["T1"]
    assert marks(engine) == []
    arrive(engine, tank, T0 + 5, T0)
    arrive(engine, tank, T0 - DAY_MS)
    arrive(engine, tank, T0 + 2)
    assert marks(engine) == [Watermark(tank, T0 - DAY_MS, T0 + 5, BEFORE_ALL_MS, BEFORE_ALL_MS)]


def test_watermarks_come_by_tank(engine: Engine, tanks: dict[str, int]) -> None:
    for name in ("T3", "T1", "T2"):
        arrive(engine, tanks[name], T0)
    arrive(engine, tanks["T1"], T0 + 1)
    assert [mark.tank_id for mark in marks(engine)] == sorted(tanks.values())


def test_of_two_passes_only_one_moves_a_tank(engine: Engine, tanks: dict[str, int]) -> None:
    tank = tanks["T1"]
    arrive(engine, tank, T0)
    assert claimed(engine, tank, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 10)
    assert claimed(engine, tank, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 10)
    assert scored(engine, tank, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 10)
    assert not scored(engine, tank, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 20)
    assert marks(engine)[0].scored_ms == T0 + 10


def test_pass_that_saw_an_older_watermark_gets_no_tank(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank = tanks["T1"]
    arrive(engine, tank, T0)
    scored(engine, tank, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 10)
    assert not claimed(engine, tank, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 99)
    assert not claimed(engine, tank, seen_ms=T0, until_ms=T0 + 99)
    assert claimed(engine, tank, seen_ms=T0 + 10, until_ms=T0 + 99)
    assert marks(engine)[0].claimed_ms == T0 + 99


def test_claim_returns_only_the_free_tanks(engine: Engine, tanks: dict[str, int]) -> None:
    first, second, third = tanks.values()
    for tank in (first, second):
        arrive(engine, tank, T0)
    scored(engine, second, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 10)
    seen = dict.fromkeys((third, second, first), BEFORE_ALL_MS)
    with writing(engine) as connection:
        assert claim(connection, seen, until_ms=dict.fromkeys(seen, T0)) == {first}


def test_claim_of_another_pass_is_never_taken_back(engine: Engine, tanks: dict[str, int]) -> None:
    tank = tanks["T1"]
    arrive(engine, tank, T0)
    claimed(engine, tank, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 100)
    assert claimed(engine, tank, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 50)
    assert arrive(engine, tank, T0 + 70).late == 1
    assert dirty(engine) == [(tank, T0 + 70, T0 + 70)]


def test_late_reading_marks_its_stretch_dirty(engine: Engine, tanks: dict[str, int]) -> None:
    first, second = tanks["T1"], tanks["T2"]
    arrive(engine, first, T0, T0 + 100)
    claimed(engine, first, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 100)
    scored(engine, first, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 100)
    assert arrive(engine, first, T0 + 60, T0 + 20, T0 + 100, T0 + 130) == Accepted(
        stored=3, duplicate=1, late=2
    )
    arrive(engine, second, T0 + 1)
    assert dirty(engine) == [(first, T0 + 20, T0 + 60)]


def test_late_reading_that_changes_nothing_marks_nothing_dirty(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank = tanks["T1"]
    arrive(engine, tank, T0)
    claimed(engine, tank, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 1)
    assert arrive(engine, tank, T0) == Accepted(duplicate=1)
    assert dirty(engine) == []
    assert arrive(engine, tank, T0, value=2.0) == Accepted(updated=1, late=1)
    assert dirty(engine) == [(tank, T0, T0)]


def test_reading_between_claim_and_commit_is_not_overlooked(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank = tanks["T1"]
    arrive(engine, tank, T0)
    claimed(engine, tank, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 100)
    arrive(engine, tank, T0 + 99, T0 + 100)
    assert scored(engine, tank, seen_ms=BEFORE_ALL_MS, until_ms=T0 + 100)
    assert dirty(engine) == [(tank, T0 + 99, T0 + 99)]


@pytest.mark.parametrize("number", [1, 3, 501])
def test_cleared_windows_are_gone_and_others_stay(
    engine: Engine, tanks: dict[str, int], number: int
) -> None:
    tank = tanks["T1"]
    row = "INSERT INTO dirty_window (tank_id, from_at, until_at) VALUES (:tank, {0}, {0})"
    moment = "5" if engine.name == "sqlite" else "timestamptz 'epoch' + interval '5 milliseconds'"
    with writing(engine) as connection:
        connection.execute(text(row.format(moment)), [{"tank": tank}] * (number + 1))
        *cleared, kept = load_dirty_windows(connection)
        clear_dirty_windows(connection, [window.dirty_window_id for window in cleared])
        assert load_dirty_windows(connection) == [kept]
    assert kept == DirtyWindow(kept.dirty_window_id, tank, 5, 5)


def test_intake_and_a_claim_take_tanks_in_one_order(
    engine: Engine, database_url: str, tanks: dict[str, int]
) -> None:
    """A claim that waits for the first tank must not hold the second: they would deadlock."""
    first, second = tanks["T1"], tanks["T2"]
    for tank in (first, second):
        arrive(engine, tank, T0)
    other = connect(database_url)
    free: list[set[int]] = []

    def claim_backwards() -> None:
        seen = {second: BEFORE_ALL_MS, first: BEFORE_ALL_MS}
        with writing(other) as connection:
            free.append(claim(connection, seen, until_ms=dict.fromkeys(seen, T0)))

    thread = threading.Thread(target=claim_backwards)
    with writing(engine) as connection:
        lock_watermarks(connection, [first])
        thread.start()
        wait_until_blocked(engine, thread)
        assert set(lock_watermarks(connection, [second])) == {second}
    thread.join()
    other.dispose()
    assert free == [{first, second}]


def wait_until_blocked(engine: Engine, thread: threading.Thread) -> None:
    """Return when another connection waits for a lock; on SQLite writers always queue."""
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    while engine.name == "postgresql" and thread.is_alive():
        with engine.connect() as connection:
            if connection.execute(query).scalar_one():
                return
        time.sleep(0.01)
