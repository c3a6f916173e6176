"""A fleet read at once is what the same readings are row by row."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sqlalchemy import event
from structlog.testing import capture_logs

from tankwatch.errors import UsageError
from tankwatch.store import fleet
from tankwatch.store.engine import Engine, connect, reading, writing
from tankwatch.store.fleet import LARGE, load_fleet
from tankwatch.store.intake import store_readings
from tankwatch.store.migrate import upgrade
from tankwatch.store.plant import ensure_tanks
from tankwatch.store.reader_pool import ReaderPool
from tankwatch.store.readings import ReadingRows, load_readings

NAN, INFINITE = float("nan"), float("inf")
BOTH = ("pressure", "temperature")
FOREVER_MS = 4_000_000_000_000


@pytest.fixture(autouse=True)
def warned() -> Iterator[list[Any]]:
    """Fail a test in which reading in bulk was given up for reading row by row."""
    with capture_logs() as told:
        yield told
    assert told == []


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReaderPool]:
    """Give each test readers of its own, which end with it."""
    own = ReaderPool()
    monkeypatch.setattr(fleet, "_POOL", own)
    yield own
    own.close()


def store(engine: Engine, tank_id: int, values: Sequence[Sequence[float]], first_ms: int) -> None:
    rows = ReadingRows(
        np.full(len(values), tank_id, dtype=np.int64),
        first_ms + np.arange(len(values), dtype=np.int64) * 1001,
        np.array(values, dtype=np.float64),
    )
    with writing(engine) as connection:
        store_readings(connection, rows, BOTH)


def both_ways(
    engine: Engine, ids: Sequence[int], channels: Sequence[str], *, from_ms: int, until_ms: int
) -> tuple[ReadingRows, ReadingRows]:
    span = {"from_ms": from_ms, "until_ms": until_ms}
    with reading(engine) as connection:
        slow = load_readings(connection, ids, channels, **span)
    return slow, load_fleet(engine, ids, channels, **span, expected=LARGE)


def assert_same(slow: ReadingRows, fast: ReadingRows) -> None:
    order = np.lexsort((fast.observed_ms, fast.tank_id))
    fast = ReadingRows(fast.tank_id[order], fast.observed_ms[order], fast.values[order])
    assert_array_equal(fast.tank_id, slow.tank_id)
    assert_array_equal(fast.observed_ms, slow.observed_ms)
    assert_array_equal(fast.values, slow.values)
    assert fast.tank_id.dtype == fast.observed_ms.dtype == np.int64


def test_fleet_is_what_is_read_row_by_row(engine: Engine, tanks: dict[str, int]) -> None:
    # The first batch of a column holds no value at all, the next ones do.
    store(engine, tanks["T1"], [(NAN, 1.0)] * 3000 + [(1 / 3, NAN), (INFINITE, -INFINITE)], -5000)
    store(engine, tanks["T3"], [(-0.0, 5e-324), (2.0, NAN)], 1_772_433_000_001)
    ids = [tanks["T3"], tanks["T1"], tanks["T2"]]
    slow, fast = both_ways(engine, ids, BOTH, from_ms=-10_000, until_ms=FOREVER_MS)
    assert slow.size == 3004
    assert_same(slow, fast)


def test_fleet_holds_only_the_tanks_channels_and_times_asked_for(
    engine: Engine, tanks: dict[str, int]
) -> None:
    for tank in tanks.values():
        store(engine, tank, [(float(i), tank + i / 10) for i in range(10)], 0)
    chosen = [tanks["T3"], tanks["T1"]]
    slow, fast = both_ways(engine, chosen, ("temperature",), from_ms=1001, until_ms=4004)
    assert slow.observed_ms.tolist() == [1001, 2002, 3003] * 2
    assert_same(slow, fast)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_large_fleet_is_read_in_pieces_of_one_state(engine: Engine, tanks: dict[str, int]) -> None:
    for tank in tanks.values():
        store(engine, tank, [(float(i), NAN) for i in range(100)], 0)
    ids, until_ms = list(tanks.values()), 100 * 1001
    asked: list[str] = []

    @event.listens_for(engine, "after_cursor_execute")
    def write_meanwhile(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "TRANSACTION SNAPSHOT" in statement:
            asked.append(statement)
            store(engine, ids[0], [(-1.0, -1.0)] * 9, 500 + len(asked))

    for expected in (LARGE, 7 * LARGE, 20 * LARGE):
        with reading(engine) as connection:
            before = load_readings(connection, ids, BOTH, from_ms=0, until_ms=until_ms)
        fast = load_fleet(engine, ids, BOTH, from_ms=0, until_ms=until_ms, expected=expected)
        assert_same(before, fast)
    assert len(asked) == 3
    with reading(engine) as connection:
        after = load_readings(connection, ids, BOTH, from_ms=0, until_ms=until_ms)
    assert after.size == 3 * (100 + 9)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_the_server_refuses_in_bulk_is_read_row_by_row(
    engine: Engine, tanks: dict[str, int], warned: list[Any]
) -> None:
    store(engine, tanks["T1"], [(1.0, 2.0)] * 3, 0)

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def refuse(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> Any:
        return statement.replace("pg_export_snapshot()", "1 / 0"), values

    slow, fast = both_ways(engine, [tanks["T1"]], BOTH, from_ms=0, until_ms=FOREVER_MS)
    assert slow.size == 3
    assert_same(slow, fast)
    (told,) = warned
    assert "division by zero" in told["error"]
    warned.clear()


def test_nothing_stored_is_empty_arrays(engine: Engine, tanks: dict[str, int]) -> None:
    slow, fast = both_ways(engine, list(tanks.values()), BOTH, from_ms=0, until_ms=FOREVER_MS)
    assert fast.values.shape == (0, 2)
    assert_same(slow, fast)
    none = load_fleet(engine, [], BOTH, from_ms=0, until_ms=1, expected=LARGE)
    assert none.values.shape == (0, 2)


def test_what_was_committed_a_moment_ago_is_read(engine: Engine, tanks: dict[str, int]) -> None:
    ids = [tanks["T1"]]
    for number in range(3):
        store(engine, tanks["T1"], [(float(number), NAN)], number * 5000)
        _, fast = both_ways(engine, ids, BOTH, from_ms=0, until_ms=FOREVER_MS)
        assert fast.values[:, 0].tolist() == [float(one) for one in range(number + 1)]


def test_wrong_channel_is_refused(engine: Engine) -> None:
    with pytest.raises(UsageError, match="cannot name a channel"):
        load_fleet(engine, [1], ["x; DROP"], from_ms=0, until_ms=1, expected=LARGE)


def test_reader_that_was_killed_is_replaced(
    engine: Engine, tanks: dict[str, int], pool: ReaderPool, warned: list[Any]
) -> None:
    store(engine, tanks["T1"], [(1.0, 2.0)], 0)
    ids = list(tanks.values())
    slow, fast = both_ways(engine, ids, BOTH, from_ms=0, until_ms=FOREVER_MS)
    for reader in pool._readers:
        reader._process.kill()
        reader._process.wait()
    for _ in range(2):
        fast = load_fleet(engine, ids, BOTH, from_ms=0, until_ms=FOREVER_MS, expected=LARGE)
        assert_same(slow, fast)
    assert all(reader._process.poll() is None for reader in pool._readers)
    assert [one["event"] for one in warned] == ["fast reading failed; reading row by row"][
        : len(pool._readers)
    ]
    warned.clear()


def test_database_in_memory_is_read_by_its_own_process() -> None:
    engine = connect("sqlite:///:memory:")
    upgrade(engine)
    with writing(engine) as connection:
        ids = ensure_tanks(connection, ["T1"], site="north", at=datetime(2026, 3, 1, tzinfo=UTC))
    store(engine, ids["T1"], [(1.0, 2.0)], 0)
    _, fast = both_ways(engine, [ids["T1"]], BOTH, from_ms=0, until_ms=FOREVER_MS)
    assert fast.values.tolist() == [[1.0, 2.0]]
    engine.dispose()
