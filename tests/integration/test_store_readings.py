from collections.abc import Sequence

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sqlalchemy import text

from tankwatch.core.readings import VERDICTS, Accepted, StoredRows
from tankwatch.core.times import from_ms
from tankwatch.errors import StoreError, UsageError
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.intake import store_readings, store_rows
from tankwatch.store.readings import ReadingRows, load_readings

NAN = float("nan")
BOTH = ("pressure", "temperature")
START_MS = 1_772_433_000_001
FOREVER_MS = 4_000_000_000_000


def rows_of(rows: Sequence[Sequence[float]], channels: int = 2) -> ReadingRows:
    table = np.array(rows, dtype=np.float64).reshape(-1, 2 + channels)
    return ReadingRows(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])


def store(
    engine: Engine, rows: Sequence[Sequence[float]], channels: tuple[str, ...] = BOTH
) -> Accepted:
    with writing(engine) as connection:
        return store_readings(connection, rows_of(rows, len(channels)), channels)


def load(
    engine: Engine,
    tank_ids: Sequence[int],
    channels: tuple[str, ...] = BOTH,
    *,
    from_ms: int = 0,
    until_ms: int = FOREVER_MS,
) -> list[tuple[float | None, ...]]:
    with reading(engine) as connection:
        found = load_readings(connection, tank_ids, channels, from_ms=from_ms, until_ms=until_ms)
    table = np.column_stack([found.tank_id, found.observed_ms, found.values])
    return [tuple(None if np.isnan(value) else value for value in row) for row in table.tolist()]


def test_later_partial_reading_never_erases_the_other_channel(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank = tanks["T1"]
    assert store(engine, [(tank, START_MS, 1.5)], ("pressure",)) == Accepted(stored=1)
    # It is late only for a tank that was claimed, and this one was not.
    assert store(engine, [(tank, START_MS, 20.0)], ("temperature",)) == Accepted(updated=1)
    assert store(engine, [(tank, START_MS, NAN, 21.0)]) == Accepted(updated=1)
    assert load(engine, [tank]) == [(tank, START_MS, 1.5, 21.0)]


def test_same_batch_twice_is_all_duplicates_and_changes_nothing(
    engine: Engine, tanks: dict[str, int]
) -> None:
    first, second = tanks["T1"], tanks["T2"]
    batch = [(first, START_MS, 1.0, NAN), (first, START_MS + 1, 2.0, 3.0), (second, 5, NAN, 4.0)]
    assert store(engine, batch) == Accepted(stored=3)
    before = load(engine, [first, second])
    assert store(engine, batch) == Accepted(duplicate=3)
    assert load(engine, [first, second]) == before


def test_new_changed_and_known_rows_are_counted_apart(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank = tanks["T1"]
    store(engine, [(tank, 1000, 1.0, 1.0), (tank, 2000, 2.0, NAN), (tank, 3000, 3.0, 3.0)])
    again = [(tank, 1000, 1.0, 1.5), (tank, 2000, NAN, 2.5), (tank, 3000, NAN, 3.0)]
    counted = store(engine, [*again, (tank, 4000, 4.0, 4.0)])
    assert counted == Accepted(stored=1, updated=2, duplicate=1)
    assert load(engine, [tank]) == [
        (tank, 1000, 1.0, 1.5),
        (tank, 2000, 2.0, 2.5),
        (tank, 3000, 3.0, 3.0),
        (tank, 4000, 4.0, 4.0),
    ]


def test_later_row_of_a_key_wins_within_a_batch(engine: Engine, tanks: dict[str, int]) -> None:
    tank = tanks["T1"]
    batch = [(tank, 1000, 1.0, 5.0), (tank, 2000, 9.0, NAN), (tank, 1000, 2.0, NAN)]
    assert store(engine, batch) == Accepted(stored=2, duplicate=1)
    assert load(engine, [tank]) == [(tank, 1000, 2.0, 5.0), (tank, 2000, 9.0, None)]


def test_each_row_has_its_own_verdict_in_the_order_given(
    engine: Engine, tanks: dict[str, int]
) -> None:
    first, second = tanks["T1"], tanks["T2"]
    store(engine, [(first, 1000, 1.0, 1.0), (first, 2000, 2.0, 2.0)])
    sent = [(second, 5, 1, 1), (first, 2000, 2, 2), (first, 3000, 3, 3), (first, 1000, 1, 9)]
    with writing(engine) as connection:
        found = store_rows(connection, rows_of([*sent, (second, 5, 2, NAN)]), BOTH)
    words = [VERDICTS[code].value for code in found.verdict]
    assert words == ["stored", "duplicate", "stored", "updated", "duplicate"]
    assert found.count() == Accepted(stored=2, updated=1, duplicate=2)
    assert StoredRows(found.verdict, late=4).count().late == 4


def test_row_that_somebody_wrote_past_the_watermarks_is_merged(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank = tanks["T1"]
    store(engine, [(tank, 1000, 1.0, 1.0)])
    moment = 3000 if engine.name == "sqlite" else from_ms(3000)
    by_hand = text("INSERT INTO reading (tank_id, observed_at, pressure) VALUES (:tank, :at, 7)")
    with writing(engine) as connection:
        connection.execute(by_hand, {"tank": tank, "at": moment})
    store(engine, [(tank, 2000, 2.0, NAN), (tank, 3000, NAN, 3.0)])
    assert load(engine, [tank]) == [
        (tank, 1000, 1.0, 1.0),
        (tank, 2000, 2.0, None),
        (tank, 3000, 7.0, 3.0),
    ]


def test_reading_that_the_driver_refuses_is_a_store_error_and_the_next_is_stored(
    engine: Engine, tanks: dict[str, int]
) -> None:
    with pytest.raises(StoreError, match=r"(?i)foreign key"):
        store(engine, [(999, 1000, 1.0, 1.0)])
    assert store(engine, [(tanks["T1"], 1000, 1.0, 1.0)]) == Accepted(stored=1)


@pytest.mark.parametrize("known", [False, True])
def test_rows_of_more_than_one_statement_are_all_stored(
    engine: Engine, tanks: dict[str, int], *, known: bool
) -> None:
    batch = [(tanks["T1"], ms, float(ms), NAN if ms % 3 else 1.0) for ms in range(1037)]
    if known:
        store(engine, [(tanks["T1"], 5000, 1.0, 1.0), *batch[::2]])
    counted = store(engine, batch)
    assert counted == Accepted(stored=518 if known else 1037, duplicate=519 if known else 0)
    found = load(engine, [tanks["T1"]], until_ms=1037)
    assert found == [(t, ms, p, None if np.isnan(c) else c) for t, ms, p, c in batch]


def test_milliseconds_survive(engine: Engine, tanks: dict[str, int]) -> None:
    tank = tanks["T1"]
    times = [0, 1, 999, START_MS, 1_772_433_059_999, 253_402_300_799_999]
    store(engine, [(tank, observed_ms, 1.0, 2.0) for observed_ms in times])
    for observed_ms in times:
        found = load(engine, [tank], from_ms=observed_ms, until_ms=observed_ms + 1)
        assert found == [(tank, observed_ms, 1.0, 2.0)]


def test_times_before_1970_are_kept(engine: Engine, tanks: dict[str, int]) -> None:
    tank = tanks["T1"]
    store(engine, [(tank, -1, 1.0, 2.0)])
    assert load(engine, [tank], from_ms=-1000) == [(tank, -1, 1.0, 2.0)]


def test_values_survive_exactly(engine: Engine, tanks: dict[str, int]) -> None:
    values = [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308, float("inf"), -float("inf")]
    store(engine, [(tanks["T1"], ms, value, -value) for ms, value in enumerate(values)])
    with reading(engine) as connection:
        found = load_readings(connection, [tanks["T1"]], BOTH, from_ms=0, until_ms=FOREVER_MS)
    assert_array_equal(found.values, np.column_stack([values, np.negative(values)]))


def test_readings_come_by_tank_and_time_and_only_those_asked_for(
    engine: Engine, tanks: dict[str, int]
) -> None:
    first, second, third = tanks.values()
    shuffled = [(third, 1, 0, 0), (second, 3, 0, 0), (first, 2, 0, 0), (second, 1, 0, 0)]
    store(engine, [*shuffled, (first, 9, 0, 0), (second, 2, 0, 0)])
    keys = [row[:2] for row in load(engine, [second, first], from_ms=2, until_ms=9)]
    assert keys == [(first, 2), (second, 2), (second, 3)]


def test_channels_come_in_the_order_asked_for(engine: Engine, tanks: dict[str, int]) -> None:
    tank = tanks["T1"]
    store(engine, [(tank, 1, 10.0, 20.0)], ("temperature", "pressure"))
    assert load(engine, [tank]) == [(tank, 1, 20.0, 10.0)]
    assert load(engine, [tank], ("temperature",)) == [(tank, 1, 10.0)]


def test_nothing_stored_loads_as_empty_arrays(engine: Engine, tanks: dict[str, int]) -> None:
    assert store(engine, []) == Accepted()
    with reading(engine) as connection:
        found = load_readings(connection, [tanks["T1"]], BOTH, from_ms=0, until_ms=FOREVER_MS)
    assert found.values.shape == (0, 2)
    assert found.tank_id.dtype == found.observed_ms.dtype == np.int64


def test_many_tanks_are_stored_and_loaded_at_once(engine: Engine, tanks: dict[str, int]) -> None:
    batch = [(tanks["T1"], ms, float(ms), NAN) for ms in range(1200)]
    assert store(engine, batch) == Accepted(stored=1200)
    assert len(load(engine, list(range(1, 2000)))) == 1200


def test_a_failed_transaction_stores_nothing(engine: Engine, tanks: dict[str, int]) -> None:
    def store_and_fail() -> None:
        with writing(engine) as connection:
            store_readings(connection, rows_of([(tanks["T1"], 1, 1.0, 1.0)]), BOTH)
            raise KeyError

    with pytest.raises(KeyError):
        store_and_fail()
    assert load(engine, [tanks["T1"]]) == []
    assert store(engine, [(tanks["T1"], 1, 1.0, 1.0)]) == Accepted(stored=1)


def test_channel_that_cannot_be_a_column_is_refused(engine: Engine, tanks: dict[str, int]) -> None:
    for name in ("pressure; DROP TABLE reading", "a b", "Pressure", "", "1p"):
        with pytest.raises(UsageError, match="cannot name a channel"):
            store(engine, [(tanks["T1"], 1, 1.0)], (name,))
        with pytest.raises(UsageError, match="cannot name a channel"):
            load(engine, [tanks["T1"]], (name,))
