"""Roll-ups that can be checked by hand."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from tankwatch.core.rollup import DAY_MS, HOUR_MS, RollupRows, join, roll_days, roll_hours

NAN = float("nan")
MINUTE_MS = 60_000


def hours_of(
    rows: list[tuple[int, int, float]], *, low: float = NAN, high: float = NAN, channel: int = 1
) -> RollupRows:
    """Return the hours of (tank, minute, value) rows."""
    tank, minute, value = (np.array(column) for column in zip(*rows, strict=True))
    return roll_hours(
        tank.astype(np.int64),
        minute.astype(np.int64) * MINUTE_MS,
        value.astype(np.float64),
        channel_id=channel,
        limits=(np.full(len(rows), low), np.full(len(rows), high)),
        step_ms=MINUTE_MS,
    )


def test_an_hour_tells_its_readings() -> None:
    hours = hours_of([(1, 0, 3.0), (1, 1, 1.0), (1, 59, 5.0), (1, 60, 7.0), (2, 5, 9.0)])
    assert hours.tank_id.tolist() == [1, 1, 2]
    assert hours.starts_ms.tolist() == [0, HOUR_MS, 0]
    assert hours.readings.tolist() == [3, 1, 1]
    assert hours.mean.tolist() == [3.0, 7.0, 9.0]
    assert (hours.low[0], hours.high[0], hours.first[0], hours.last[0]) == (1.0, 5.0, 3.0, 5.0)


def test_shares_count_steps_not_readings() -> None:
    tank = np.ones(3, dtype=np.int64)
    moment = np.array([0, 1000, MINUTE_MS], dtype=np.int64)
    values, none, high = np.array([1.0, 9.0, 9.0]), np.full(3, NAN), np.full(3, 5.0)
    hours = roll_hours(tank, moment, values, channel_id=1, limits=(none, high), step_ms=MINUTE_MS)
    assert (hours.readings.tolist(), hours.valid.tolist()) == ([3], [1])
    assert_allclose(hours.filled_share, [2 / 60])
    assert_allclose(hours.quality_share, [1 / 60])


def test_values_at_a_limit_are_valid_and_those_beyond_are_not() -> None:
    rows = [(1, minute, value) for minute, value in enumerate((0.9, 1.0, 2.0, 2.1))]
    assert hours_of(rows, low=1.0, high=2.0).valid.tolist() == [2]
    assert hours_of(rows).valid.tolist() == [4]


def test_what_is_absent_or_not_finite_is_no_reading() -> None:
    hours = hours_of([(1, 0, NAN), (1, 1, float("inf")), (1, 2, 4.0), (2, 0, NAN)])
    assert (hours.tank_id.tolist(), hours.readings.tolist()) == ([1], [1])


def test_no_readings_are_no_hours() -> None:
    hours = hours_of([(1, 0, NAN)])
    assert hours.tank_id.size == hours.mean.size == 0
    assert roll_days(hours).tank_id.size == 0


def test_times_before_1970_fall_into_their_hour() -> None:
    assert hours_of([(1, -1, 2.0)]).starts_ms.tolist() == [-HOUR_MS]


def test_a_step_longer_than_an_hour_fills_it() -> None:
    one = np.ones(1, dtype=np.int64)
    none = np.full(1, NAN)
    hours = roll_hours(one, one, np.ones(1), channel_id=1, limits=(none, none), step_ms=3 * HOUR_MS)
    assert hours.filled_share.tolist() == [1.0]


def test_a_day_tells_its_hours() -> None:
    rows = [(1, 0, 1.0), (1, 1, 3.0), (1, 90, 8.0), (1, 24 * 60, 50.0)]
    days = roll_days(join([hours_of(rows), hours_of([(1, 70, 6.0)], channel=2)]))
    assert days.starts_ms.tolist() == [0, 0, DAY_MS]
    assert days.channel_id.tolist() == [1, 2, 1]
    assert days.readings.tolist() == [3, 1, 1]
    assert days.mean.tolist() == [4.0, 6.0, 50.0]
    assert (days.low[0], days.high[0], days.first[0], days.last[0]) == (1.0, 8.0, 1.0, 8.0)
    assert_allclose(days.filled_share, [3 / 1440, 1 / 1440, 1 / 1440])


def test_a_full_day_has_a_share_of_exactly_one() -> None:
    days = roll_days(hours_of([(1, minute, 1.0) for minute in range(1440)]))
    assert_array_equal(days.filled_share, [1.0])
    assert_array_equal(days.quality_share, [1.0])
