"""What a chart is given: equal to what its readings say, wherever it is read from, on both."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.core.rollup import DAY_MS, HOUR_MS
from tankwatch.core.series import WIDTHS_MS, merged, whole
from tankwatch.jobs.context import Context
from tankwatch.jobs.rollup import roll_up
from tankwatch.settings import Settings
from tankwatch.settings_channels import DEFAULT_CHANNELS, ChannelRules
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.intake import store_readings
from tankwatch.store.old_readings import delete_stretch
from tankwatch.store.plant import load_channels, set_limits
from tankwatch.store.readings import ReadingRows, load_readings
from tankwatch.store.series import load_buckets, load_kept
from tests.integration.web_server import Served, served

FIRST_MS = 1_772_409_600_000  # 2026-03-02
MINUTE = 60_000
BOTH = ("pressure", "temperature")


def send(engine: Engine, tank: int, minutes: NDArray[np.int64], seed: int = 0) -> None:
    dice = np.random.default_rng(seed)
    values = dice.normal(size=(minutes.size, 2))
    values[::7, 1] = np.nan
    rows = ReadingRows(
        np.full(minutes.size, tank, dtype=np.int64), FIRST_MS + minutes * MINUTE, values
    )
    with writing(engine) as connection:
        store_readings(connection, rows, BOTH)


def by_hand(engine: Engine, tank: int, span: tuple[int, int], width_ms: int) -> list[Any]:
    """Return the buckets of each channel straight from the readings."""
    with reading(engine) as connection:
        rows = load_readings(connection, [tank], BOTH, from_ms=span[0], until_ms=span[1])
    found = []
    for column in rows.values.T:
        known = np.isfinite(column)
        one = column[known]
        parts = [rows.observed_ms[known].astype(float), np.ones(one.size), one, one, one]
        found.append(merged([np.column_stack(parts)], width_ms))
    return found


def looked_up(engine: Engine, tank: int, span: tuple[int, int], width_ms: int) -> list[Any]:
    with reading(engine) as connection:
        kept = load_kept(connection, tank)
        assert kept is not None
        channels = load_channels(connection)
        return load_buckets(connection, tank, channels, kept, span, width_ms=width_ms)


def assert_equal(engine: Engine, tank: int) -> None:
    for width_ms in WIDTHS_MS:
        for first, days in ((-2, 20), (3.3, 4), (5, 1)):
            start = FIRST_MS + int(first * DAY_MS)
            span = whole(start, start + days * DAY_MS, width_ms)
            if (span[1] - span[0]) // width_ms > 20_000:
                continue
            pairs = zip(
                looked_up(engine, tank, span, width_ms),
                by_hand(engine, tank, span, width_ms),
                strict=True,
            )
            for found, wanted in pairs:
                np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_buckets_are_those_of_the_readings_before_and_after_a_roll_up(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank, dice = tanks["T2"], np.random.default_rng(5)
    context = Context(engine, Settings())
    minutes = np.sort(dice.choice(12 * 1440, 4000, replace=False)).astype(np.int64)
    minutes = minutes[(minutes < 3000) | (minutes > 6000)]  # a gap of two days
    send(engine, tank, minutes)
    send(engine, tanks["T1"], minutes + 1, seed=1)  # which must not be mixed in
    assert_equal(engine, tank)
    roll_up(context)
    assert_equal(engine, tank)
    newer = np.arange(12 * 1440 + 5, 13 * 1440, 11, dtype=np.int64)
    send(engine, tank, newer, seed=2)  # not rolled up yet
    send(engine, tank, np.array([61, 4000, 9000], dtype=np.int64), seed=3)  # late: hours are due
    assert_equal(engine, tank)
    many = np.arange(30, 40 * 180, 180, dtype=np.int64)  # more due hours than are read one by one
    send(engine, tank, many, seed=4)
    assert_equal(engine, tank)
    roll_up(context)
    assert_equal(engine, tank)


def test_readings_that_are_gone_leave_their_hours(engine: Engine, tanks: dict[str, int]) -> None:
    tank = tanks["T1"]
    send(engine, tank, np.arange(0, 4 * 1440, 5, dtype=np.int64))
    roll_up(Context(engine, Settings()))
    span = whole(FIRST_MS, FIRST_MS + 4 * DAY_MS, DAY_MS)
    before = {width: looked_up(engine, tank, span, width) for width in (HOUR_MS, DAY_MS)}
    edge = FIRST_MS + 2 * DAY_MS
    with writing(engine) as connection:
        delete_stretch(connection, [tank], from_ms=0, until_ms=edge)
    for width, wanted in before.items():
        for one, other in zip(looked_up(engine, tank, span, width), wanted, strict=True):
            np.testing.assert_allclose(one, other)
    fine = looked_up(engine, tank, (FIRST_MS + 90 * MINUTE, span[1]), 10 * MINUTE)[0]
    hours = fine[fine[:, 0] < edge]
    assert hours[:, 0].tolist() == list(range(FIRST_MS + HOUR_MS, edge, HOUR_MS))
    assert np.diff(fine[fine[:, 0] >= edge][:, 0]).max() == 10 * MINUTE
    with reading(engine) as connection:
        kept = load_kept(connection, tank)
    assert kept is not None
    assert (kept.first_ms, kept.closed_ms) == (FIRST_MS, edge)


@pytest.fixture
def web(engine: Engine) -> Iterator[Served]:
    limited = ChannelRules(unit="kPa", low=-5.0, high=5.0)
    settings = Settings(channels={**DEFAULT_CHANNELS, "pressure": limited})
    with served(engine, settings) as found:
        yield found


def ask(web: Served, place: str = "north/T1", status: int = 200, **query: Any) -> Any:
    if "since" in query:
        query["from"] = query.pop("since")
    answer = web.client.get(f"/api/v1/tanks/{place}/series", params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_few_readings_are_given_as_they_are(
    engine: Engine, web: Served, tanks: dict[str, int]
) -> None:
    send(engine, tanks["T1"], np.array([0, 1, 2, 60, 61], dtype=np.int64))
    with writing(engine) as connection:
        set_limits(connection, tanks["T1"], {2: (None, 40.0)})
    told = ask(web)
    assert told["width_ms"] == 0
    assert (told["first_ms"], told["last_ms"]) == (FIRST_MS, FIRST_MS + 61 * MINUTE)
    pressure, temperature = told["channels"]
    assert (pressure["limit_low"], pressure["limit_high"]) == (-5, 5)
    assert (temperature["limit_low"], temperature["limit_high"]) == (None, 40)
    # The hour without readings is a gap.
    assert [moment - FIRST_MS for moment in pressure["t"]] == [
        minute * MINUTE for minute in (0, 1, 2, 31, 60, 61)
    ]
    assert [value is None for value in pressure["mean"]] == [False] * 3 + [True] + [False] * 2
    assert pressure["low"] == pressure["high"] == []


def test_no_spike_is_lost_however_wide_the_span(
    engine: Engine, web: Served, tanks: dict[str, int]
) -> None:
    send(engine, tanks["T1"], np.arange(20 * 1440, dtype=np.int64))
    with writing(engine) as connection:
        spike = ReadingRows(
            np.array([tanks["T1"]]),
            np.array([FIRST_MS + 7777 * MINUTE]),
            np.array([[99.0, np.nan]]),
        )
        store_readings(connection, spike, BOTH)
    for rolled in (False, True):
        if rolled:
            roll_up(Context(engine, Settings()))
        for days, points in ((1, 100), (10, 200), (20, 1000), (365, 50)):
            middle = FIRST_MS + 7777 * MINUTE
            span: dict[str, Any] = {
                "since": middle - days * DAY_MS // 2,
                "to": middle + days * DAY_MS // 2,
            }
            pressure = ask(web, points=points, channels="pressure", **span)["channels"][0]
            assert max(value for value in pressure["high"] if value is not None) == 99
            assert len(pressure["t"]) <= points + 2


@pytest.mark.parametrize(
    ("place", "query", "status", "told"),
    [
        ("north/T9", {}, 404, "there is no tank 'north/T9'"),
        ("north/T1", {"channels": "volume"}, 422, "there is no channel 'volume'"),
        ("north/T1", {"since": "2026-03-02", "to": "2026-03-01"}, 422, "ends before it begins"),
        ("north/T1", {"since": "soon"}, 422, "'soon' is not a time"),
        ("north/T1", {"points": 1}, 422, "greater than or equal to 10"),
    ],
)
def test_wrong_question_is_told_with_what_to_do(
    web: Served, tanks: dict[str, int], place: str, query: dict[str, Any], status: int, told: str
) -> None:
    assert tanks
    answer = ask(web, place, status, **query)
    assert told in answer["title"]
    assert answer["remedy"]


def test_tank_without_readings_has_empty_curves(web: Served, tanks: dict[str, int]) -> None:
    assert tanks
    told = ask(web, "north/T3")
    assert [one["t"] for one in told["channels"]] == [[], []]
    assert told["last_ms"] is None
    assert (told["flagged"], told["incidents"]) == ([], [])
