"""Roll-ups follow the readings, in whatever order these come."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tankwatch.core.rollup import DAY_MS, HOUR_MS
from tankwatch.jobs import rollup as job
from tankwatch.jobs.context import Context
from tankwatch.jobs.rollup import roll_up
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.intake import store_readings
from tankwatch.store.plant import ensure_tanks, set_limits
from tankwatch.store.readings import ReadingRows
from tankwatch.store.rollup_due import close_hours, count_due
from tankwatch.store.status import load_newest_days, load_quality
from tankwatch.store.watermarks import claim

NAN = float("nan")
BOTH = ("pressure", "temperature")
START = datetime(2026, 3, 2, tzinfo=UTC)
START_MS = 1_772_409_600_000
MINUTE_MS = 60_000
_TANKS = count()

# tank, minute, pressure, temperature
Row = tuple[int, int, float, float]


def store(engine: Engine, ids: Sequence[int], rows: Sequence[Row]) -> None:
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    tank = np.array(ids, dtype=np.int64)[table[:, 0].astype(np.int64)]
    observed = START_MS + table[:, 1].astype(np.int64) * MINUTE_MS
    with writing(engine) as connection:
        store_readings(connection, ReadingRows(tank, observed, table[:, 2:]), BOTH)


def new_tanks(engine: Engine, number: int) -> list[int]:
    names = [f"tank {next(_TANKS)}" for _ in range(number)]
    with writing(engine) as connection:
        known = ensure_tanks(connection, names, site="north", at=START)
    return [known[name] for name in names]


def rolled(engine: Engine, ids: Sequence[int]) -> list[Any]:
    """Return everything that is rolled up of some tanks, in their order, without their ids."""
    found: list[Any] = []
    with reading(engine) as connection:
        for table in ("reading_hour", "reading_day", "tank_channel"):
            for place, tank in enumerate(ids):
                query = f"SELECT * FROM {table} WHERE tank_id = {tank}"  # noqa: S608
                rows = connection.execute(text(query))
                found += sorted((table, place, *tuple(row)[1:]) for row in rows)
    return found


def view(engine: Engine, name: str, order: str) -> list[dict[str, Any]]:
    with reading(engine) as connection:
        rows = connection.execute(text(f"SELECT * FROM {name} ORDER BY {order}"))  # noqa: S608
        return [dict(row._mapping) for row in rows]


rows_of_days = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 3 * 1440 - 1),
        st.none() | st.floats(-1e6, 1e6),
        st.none() | st.floats(-1e6, 1e6),
    )
    .filter(lambda row: row[2:] != (None, None))
    .map(lambda row: tuple(NAN if value is None else value for value in row)),
    min_size=1,
    max_size=40,
    unique_by=lambda row: row[:2],
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=rows_of_days, seed=st.integers(0, 2**32), batches=st.integers(1, 5))
def test_shuffled_repeated_and_delayed_readings_give_the_roll_ups_of_sorted_ones(
    engine: Engine, rows: list[Row], seed: int, batches: int
) -> None:
    context = Context(engine, Settings())
    ordered = new_tanks(engine, 2)
    store(engine, ordered, sorted(rows, key=lambda row: row[:2]))
    roll_up(context)
    shuffled, dice = new_tanks(engine, 2), random.Random(seed)
    sent = rows + dice.sample(rows, len(rows) // 2)
    dice.shuffle(sent)
    for part in range(batches):
        if sent[part::batches]:
            store(engine, shuffled, sent[part::batches])
        if dice.random() < 0.7:
            roll_up(context)
    roll_up(context)
    assert rolled(engine, shuffled) == rolled(engine, ordered)
    with reading(engine) as connection:
        assert count_due(connection) == 0


def test_hours_and_days_are_those_of_the_readings(engine: Engine) -> None:
    (tank,) = new_tanks(engine, 1)
    store(engine, [tank], [(0, 0, 1.0, 20.0), (0, 30, 3.0, NAN), (0, 61, 5.0, 22.0)])
    assert roll_up(Context(engine, Settings())).hours == 2
    hours = view(engine, "dash_readings_hourly", "channel, hour_ms")
    told = [(row["channel"], (row["hour_ms"] - START_MS) // HOUR_MS, row["mean"]) for row in hours]
    assert told == [
        *(("pressure", 0, 2.0), ("pressure", 1, 5.0)),
        *(("temperature", 0, 20.0), ("temperature", 1, 22.0)),
    ]
    first, _ = view(engine, "dash_readings_daily", "channel")
    assert (first["day"], first["day_ms"], first["readings"]) == ("2026-03-02", START_MS, 3)
    assert (first["mean"], first["min"], first["max"]) == (3.0, 1.0, 5.0)
    assert (first["first"], first["last"]) == (1.0, 5.0)
    assert first["quality_share"] == pytest.approx(3 / 1440)


def test_only_touched_hours_are_computed_again(engine: Engine) -> None:
    context, ids = Context(engine, Settings()), new_tanks(engine, 3)
    store(engine, ids, [(t, m, 1.0, 2.0) for t in range(3) for m in range(0, 600, 30)])
    assert roll_up(context).hours == 30
    assert roll_up(context).hours == 0
    store(engine, ids, [(1, 100, 7.0, NAN)])
    assert roll_up(context).hours == 1
    store(engine, ids, [(1, 100, 7.0, NAN)])
    assert roll_up(context).hours == 0
    store(engine, ids, [(0, 600, 7.0, NAN)])
    assert roll_up(context).hours == 1


def test_a_run_that_is_cut_into_small_batches_gives_the_same(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(t, m, float(m % 7), float(t)) for t in range(3) for m in range(t * 50, 3000, 11)]
    whole, parts = new_tanks(engine, 3), new_tanks(engine, 3)
    store(engine, whole, rows)
    roll_up(Context(engine, Settings()))
    monkeypatch.setattr(job, "_READINGS_AT_ONCE", 500)
    store(engine, parts, rows)
    roll_up(Context(engine, Settings()))
    assert rolled(engine, parts) == rolled(engine, whole)


def test_hours_whose_readings_were_dropped_stay_as_they_were(engine: Engine) -> None:
    context, (tank,) = Context(engine, Settings()), new_tanks(engine, 1)
    store(engine, [tank], [(0, m, 1.0, 2.0) for m in range(0, 180, 10)])
    roll_up(context)
    before = rolled(engine, [tank])
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM reading"))
        close_hours(connection, [tank], until_ms=START_MS + 2 * HOUR_MS)
    store(engine, [tank], [(0, 5, 99.0, 99.0)])
    roll_up(context)
    assert rolled(engine, [tank]) == before
    with reading(engine) as connection:
        assert count_due(connection) == 0


def quality(engine: Engine) -> list[tuple[str, str, dict[str, Any]]]:
    rows = view(engine, "dash_data_quality", "tank, day")
    figures = ("completeness", "timeliness", "validity", "consistency")
    return [(row["tank"], row["day"], {name: row[name] for name in figures}) for row in rows]


def test_quality_of_a_tank_and_day(engine: Engine, tanks: dict[str, int]) -> None:
    """T1 sends half its steps, one beyond its limit, one late, one twice; T2 falls silent."""
    first, second = tanks["T1"], tanks["T2"]
    with writing(engine) as connection:
        set_limits(connection, first, {1: (None, 5.0)})
    store(engine, [first], [(0, m, 1.0, NAN) for m in range(0, 1440, 2)])
    store(engine, [second], [(0, m, 1.0, NAN) for m in range(1440)])
    store(engine, [first], [(0, 1441, 1.0, NAN)])
    with writing(engine) as connection:
        claim(connection, {first: -(2**53)}, until_ms={first: START_MS + DAY_MS})
    store(engine, [first], [(0, 1, 9.0, NAN)])
    store(engine, [first], [(0, 1441, 2.0, NAN)])
    roll_up(Context(engine, Settings()))
    found = {(tank, day): row for tank, day, row in quality(engine)}
    assert found["T1", "2026-03-02"] == pytest.approx(
        {
            "completeness": 721 / 1440,
            "timeliness": 720 / 721,
            "validity": 720 / 721,
            "consistency": 1.0,
        }
    )
    # Two steps have passed of the second day; the first of them is missing.
    assert found["T1", "2026-03-03"] == pytest.approx(
        {"completeness": 0.5, "timeliness": 1.0, "validity": 1.0, "consistency": 0.0}
    )
    assert found["T2", "2026-03-02"] == pytest.approx(
        {"completeness": 1.0, "timeliness": 1.0, "validity": 1.0, "consistency": 1.0}
    )
    silent = found["T2", "2026-03-03"]
    assert silent == {name: 0.0 if name == "completeness" else None for name in silent}
    assert "T3" not in {tank for tank, _ in found}


def test_channels_that_come_apart_do_not_contradict(engine: Engine, tanks: dict[str, int]) -> None:
    store(engine, [tanks["T1"]], [(0, m, 1.0, NAN) for m in range(60)])
    store(engine, [tanks["T1"]], [(0, m, NAN, 20.0) for m in range(60)])
    roll_up(Context(engine, Settings()))
    ((_, _, figures),) = quality(engine)
    assert figures == {
        "completeness": 1.0,
        "timeliness": 1.0,
        "validity": 1.0,
        "consistency": 1.0,
    }


def test_a_day_without_any_reading_is_shown_as_empty(engine: Engine) -> None:
    (tank,) = new_tanks(engine, 1)
    store(engine, [tank], [(0, 3 * 1440, 1.0, NAN)])
    roll_up(Context(engine, Settings()))
    store(engine, [tank], [(0, 0, 1.0, NAN)])
    roll_up(Context(engine, Settings()))
    days = [(day, row["completeness"] > 0) for _, day, row in quality(engine)]
    first = START.date()
    assert days == [(str(first + timedelta(days=number)), number in {0, 3}) for number in range(4)]


def test_quality_is_told_by_tank_and_the_worst_comes_first(
    engine: Engine, tanks: dict[str, int]
) -> None:
    store(engine, [tanks["T2"]], [(0, m, 1.0, NAN) for m in range(1440)])
    store(engine, [tanks["T1"]], [(0, m, 1.0, NAN) for m in range(1440, 2880)])
    store(engine, [tanks["T2"]], [(0, m, 1.0, NAN) for m in range(1440, 2160)])
    roll_up(Context(engine, Settings()))
    with reading(engine) as connection:
        days = load_newest_days(connection, limit=2)
        newest = load_quality(connection, from_day_ms=days[0])
        both = load_quality(connection, from_day_ms=days[1])
    assert days == [START_MS + DAY_MS, START_MS]
    assert [(row["tank"], row["completeness"]) for row in newest] == [("T2", 0.5), ("T1", 1.0)]
    assert [(row["tank"], row["days"], row["completeness"]) for row in both] == [
        ("T2", 2, 0.75),
        ("T1", 1, 1.0),
    ]


def test_years_without_a_reading_are_jumped(engine: Engine) -> None:
    """A clock that began at 1970 costs an hour, not half a million."""
    (tank,) = new_tanks(engine, 1)
    store(engine, [tank], [(0, -START_MS // MINUTE_MS, 1.0, NAN), (0, 0, 2.0, NAN)])
    assert roll_up(Context(engine, Settings())).hours < 100_000
    hours = view(engine, "dash_readings_hourly", "hour_ms")
    assert [row["hour_ms"] for row in hours] == [0, START_MS]
