"""Whatever the order, the repeats and the batches of readings, the table is the same."""

from itertools import count, pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tankwatch.core.readings import Accepted
from tankwatch.core.times import from_ms
from tankwatch.store.engine import Connection, Engine, writing
from tankwatch.store.intake import store_readings
from tankwatch.store.plant import ensure_tanks
from tankwatch.store.readings import ReadingRows, load_readings

CHANNELS = ("pressure", "temperature")
_TANKS = count()

# A row is (tank 0 or 1, epoch ms, pressure, temperature), None where it has no value.
Row = tuple[int, int, float | None, float | None]
Key = tuple[int, int]

keys = st.tuples(st.integers(0, 1), st.integers(0, 5))
values = st.none() | st.floats(-1e9, 1e9)
some_rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 5), values, values).filter(
        lambda row: row[2:] != (None, None)
    ),
    max_size=16,
)
cuts = st.lists(st.integers(0, 40), max_size=4)
# The databases of a test are shared by its examples, which each use tanks of their own.
shared = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def split(rows: list[Row], at: list[int]) -> list[list[Row]]:
    edges = [0, *sorted(min(cut, len(rows)) for cut in at), len(rows)]
    return [rows[first:last] for first, last in pairwise(edges)]


def table_of(engine: Engine, batches: list[list[Row]]) -> tuple[dict[Key, Row], Accepted]:
    """Return what is stored after the batches, and the sum of what was counted."""
    total = Accepted()
    with writing(engine) as connection:
        names = [f"tank {next(_TANKS)}" for _ in range(2)]
        known = ensure_tanks(connection, names, site="north", at=from_ms(0))
        ids = [known[name] for name in names]
        for batch in batches:
            total += _store(connection, ids, batch)
        found = load_readings(connection, ids, CHANNELS, from_ms=0, until_ms=10)
    table: dict[Key, Row] = {}
    for tank_id, ms, pair in zip(found.tank_id, found.observed_ms, found.values, strict=True):
        pressure, temperature = (None if np.isnan(value) else float(value) for value in pair)
        tank = ids.index(int(tank_id))
        table[tank, int(ms)] = (tank, int(ms), pressure, temperature)
    return table, total


def _store(connection: Connection, ids: list[int], batch: list[Row]) -> Accepted:
    rows = ReadingRows(
        np.array([ids[row[0]] for row in batch], dtype=np.int64),
        np.array([row[1] for row in batch], dtype=np.int64),
        np.array([row[2:] for row in batch], dtype=np.float64).reshape(len(batch), 2),
    )
    return store_readings(connection, rows, CHANNELS)


def expected(rows: list[Row]) -> dict[Key, Row]:
    """Return the rows with the last value of each key and channel."""
    table: dict[Key, Row] = {}
    for tank, ms, pressure, temperature in rows:
        old = table.get((tank, ms), (tank, ms, None, None))
        new = (
            old[2] if pressure is None else pressure,
            old[3] if temperature is None else temperature,
        )
        table[tank, ms] = (tank, ms, *new)
    return table


@shared
@given(rows=some_rows, at=cuts)
def test_last_value_of_each_key_and_channel_wins_in_any_batches(
    engine: Engine, rows: list[Row], at: list[int]
) -> None:
    table, counted = table_of(engine, split(rows, at))
    assert table == expected(rows)
    assert counted.stored == len(table)
    assert counted.stored + counted.updated + counted.duplicate == len(rows)


@shared
@given(
    known=st.dictionaries(keys, st.tuples(values, values), max_size=10),
    order=st.randoms(use_true_random=False),
    at=cuts,
)
def test_order_and_repeats_do_not_matter_where_rows_agree(
    engine: Engine,
    known: dict[Key, tuple[float | None, float | None]],
    order: object,
    at: list[int],
) -> None:
    """A gateway sends each value of a key once or more, alone or together, in any order."""
    whole: list[Row] = [(*key, *pair) for key, pair in known.items() if pair != (None, None)]
    parts: list[Row] = [
        part
        for tank, ms, pressure, temperature in whole
        for part in ((tank, ms, pressure, None), (tank, ms, None, temperature))
        if part[2:] != (None, None)
    ]
    sent = whole + parts + parts
    order.shuffle(sent)  # type: ignore[attr-defined] # a random.Random
    table, counted = table_of(engine, split(sent, at))
    assert table == {row[:2]: row for row in whole}
    assert counted.stored == len(whole)
