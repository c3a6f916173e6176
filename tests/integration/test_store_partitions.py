"""Months of readings and scores on PostgreSQL; SQLite has none and needs none."""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import text

from tankwatch.core.times import to_ms
from tankwatch.store.engine import Engine, autocommitting, reading, writing
from tankwatch.store.intake import store_readings
from tankwatch.store.migrate import check, downgrade, upgrade
from tankwatch.store.partitions import (
    drop_partitions,
    load_partitions,
    make_partitions,
)
from tankwatch.store.readings import ReadingRows, load_readings

CHANNELS = ("pressure", "temperature")
EDGES = ["reading_before_2000", "reading_from_2100"]
NOW = datetime(2026, 11, 25, tzinfo=UTC)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def store(engine: Engine, tank: int, moments: Sequence[datetime]) -> None:
    observed_ms = np.array([to_ms(moment) for moment in moments], dtype=np.int64)
    values = np.arange(2.0 * observed_ms.size).reshape(-1, 2)
    rows = ReadingRows(np.full(observed_ms.size, tank), observed_ms, values)
    with writing(engine) as connection:
        store_readings(connection, rows, CHANNELS)


def stored(engine: Engine, tank: int) -> list[int]:
    with reading(engine) as connection:
        rows = load_readings(connection, [tank], CHANNELS, from_ms=-(10**12), until_ms=10**13)
    return [int(ms) for ms in rows.observed_ms]


def months(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        names = load_partitions(connection, "reading")
    return [name for name in names if name not in EDGES]


def rows_of(engine: Engine, table: str) -> int:
    with reading(engine) as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608


def test_months_are_made_ahead_once(engine: Engine) -> None:
    with writing(engine) as connection:
        made = make_partitions(connection, now=NOW, months_ahead=2)
        again = make_partitions(connection, now=NOW, months_ahead=2)
    expected = ["y2026m11", "y2026m12", "y2027m01"] if engine.name == "postgresql" else []
    assert made == [f"{table}_{m}" for table in ("reading", "score") for m in expected]
    assert again == []


def test_readings_of_any_time_find_or_make_their_month(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank = tanks["T1"]
    moments = [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(2026, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2100, 1, 1, tzinfo=UTC),
    ]
    store(engine, tank, moments[::-1])
    store(engine, tank, [datetime(2026, 2, 1, tzinfo=UTC)])
    assert len(stored(engine, tank)) == 7
    if engine.name == "postgresql":
        assert months(engine) == ["reading_y2000m01", "reading_y2026m02", "reading_y2026m03"]
        assert rows_of(engine, "reading_before_2000") == 2
        assert rows_of(engine, "reading_y2026m02") == 2
        check(engine)


def test_months_that_are_over_are_dropped_and_late_readings_make_them_anew(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank = tanks["T1"]
    moments = [datetime(2026, month, 15, tzinfo=UTC) for month in (1, 2, 3, 4)]
    store(engine, tank, [datetime(1980, 1, 1, tzinfo=UTC), *moments])
    dropped = drop_partitions(engine, "reading", before=datetime(2026, 3, 20, tzinfo=UTC))
    if engine.name == "sqlite":
        assert dropped == []
        assert len(stored(engine, tank)) == 5
        return
    assert dropped == ["reading_y2026m01", "reading_y2026m02"]
    assert drop_partitions(engine, "reading", before=datetime(2026, 3, 20, tzinfo=UTC)) == []
    assert stored(engine, tank)[1:] == [to_ms(moment) for moment in moments[2:]]
    store(engine, tank, [moments[0]])
    assert stored(engine, tank)[1] == to_ms(moments[0])


@on_postgresql
def test_drop_that_was_cut_off_is_finished_by_the_next(
    engine: Engine, tanks: dict[str, int]
) -> None:
    store(engine, tanks["T1"], [datetime(2026, 1, 1, tzinfo=UTC), NOW])
    with autocommitting(engine) as connection:
        connection.exec_driver_sql(
            "ALTER TABLE reading DETACH PARTITION reading_y2026m01 CONCURRENTLY"
        )
    assert rows_of(engine, "reading_y2026m01") == 1
    assert drop_partitions(engine, "reading", before=NOW) == ["reading_y2026m01"]
    assert months(engine) == ["reading_y2026m11"]


@on_postgresql
def test_writers_that_need_the_same_new_month_at_once_both_store(
    engine: Engine, tanks: dict[str, int]
) -> None:
    ready = threading.Barrier(4)

    def write(tank: int, day: int) -> None:
        ready.wait()
        store(engine, tank, [datetime(2025, month, day, tzinfo=UTC) for month in range(1, 13)])

    work = [(tanks["T1"], 1), (tanks["T2"], 1), (tanks["T3"], 1), (tanks["T1"], 2)]
    threads = [threading.Thread(target=write, args=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows_of(engine, "reading") == 4 * 12
    assert len(months(engine)) == 12


@on_postgresql
def test_month_is_made_and_dropped_while_others_read(engine: Engine, tanks: dict[str, int]) -> None:
    tank = tanks["T1"]
    store(engine, tank, [datetime(2026, 1, 1, tzinfo=UTC), NOW])
    with reading(engine) as connection:
        count = text("SELECT count(*) FROM reading")
        assert connection.execute(count).scalar_one() == 2
        store(engine, tank, [datetime(2026, 5, 1, tzinfo=UTC)])
        before = datetime(2026, 2, 1, tzinfo=UTC)
        dropping = threading.Thread(
            target=drop_partitions, args=(engine, "reading"), kwargs={"before": before}
        )
        dropping.start()
        _wait_until_pending(engine)
        # The month waits for this reader to end; others read and write on.
        store(engine, tank, [datetime(2026, 6, 1, tzinfo=UTC)])
        assert len(stored(engine, tank)) == 3
    dropping.join()
    assert months(engine) == ["reading_y2026m05", "reading_y2026m06", "reading_y2026m11"]


def _wait_until_pending(engine: Engine) -> None:
    query = text("SELECT count(*) FROM pg_inherits WHERE inhdetachpending")
    deadline_s = time.monotonic() + 60
    while True:
        with reading(engine) as connection:
            if connection.execute(query).scalar_one():
                return
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@on_postgresql
def test_rows_of_the_default_partition_are_moved_and_moved_back(
    engine: Engine, tanks: dict[str, int]
) -> None:
    downgrade(engine, "0006")
    moments = [datetime(2025, 12, 31, 23, 59, tzinfo=UTC), NOW, datetime(1980, 1, 1, tzinfo=UTC)]
    with writing(engine) as connection:
        connection.exec_driver_sql("SET LOCAL timezone = 'Asia/Tokyo'")
        add = text("INSERT INTO reading VALUES (:tank, :at, 1.5, NULL)")
        connection.execute(add, [{"tank": tanks["T1"], "at": at} for at in moments])
    assert rows_of(engine, "reading_default") == 3
    upgrade(engine)
    assert months(engine) == ["reading_y2025m12", "reading_y2026m11"]
    assert rows_of(engine, "reading_before_2000") == 1
    expected = sorted(to_ms(moment) for moment in moments)
    assert stored(engine, tanks["T1"]) == expected
    check(engine)
    store(engine, tanks["T2"], [datetime(2025, 11, 1, tzinfo=UTC)])
    downgrade(engine, "0006")
    assert rows_of(engine, "reading_default") == 4
    assert stored(engine, tanks["T1"]) == expected
