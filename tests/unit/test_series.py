"""Buckets of a chart: how wide, where their borders are, and gaps that stay gaps."""

import numpy as np
import pytest

from tankwatch.core.rollup import DAY_MS, HOUR_MS
from tankwatch.core.series import (
    WIDTHS_MS,
    curve,
    curve_of_readings,
    merged,
    stretches,
    whole,
    width_for,
)

MINUTE = 60_000


@pytest.mark.parametrize(
    ("span_ms", "points", "width_ms"),
    [
        (HOUR_MS, 1000, 5_000),
        (DAY_MS, 1440, MINUTE),
        (DAY_MS, 1439, 2 * MINUTE),
        (7 * DAY_MS, 1000, 15 * MINUTE),
        (30 * DAY_MS, 1000, HOUR_MS),
        (365 * DAY_MS, 1000, 12 * HOUR_MS),
        (10**15, 10, 28 * DAY_MS),
        (1, 1000, 1000),
    ],
)
def test_width_is_the_least_that_fits(span_ms: int, points: int, width_ms: int) -> None:
    assert width_for(span_ms, points) == width_ms


def test_widths_ascend_and_divide_or_are_whole_days() -> None:
    assert list(WIDTHS_MS) == sorted(set(WIDTHS_MS))
    assert [width for width in WIDTHS_MS if DAY_MS % width and width % DAY_MS] == []
    assert [width for width in WIDTHS_MS if HOUR_MS % width and width % HOUR_MS] == []


def test_span_grows_to_whole_buckets() -> None:
    assert whole(MINUTE + 1, 3 * MINUTE, MINUTE) == (MINUTE, 3 * MINUTE)
    assert whole(MINUTE, 3 * MINUTE + 1, MINUTE) == (MINUTE, 4 * MINUTE)


def test_parts_of_a_bucket_are_one_and_a_border_belongs_to_the_later() -> None:
    first = np.array([[HOUR_MS, 2, 1.0, 4.0, 3.0], [0, 1, 5.0, 5.0, 5.0]])
    second = np.array([[2 * HOUR_MS - 1, 1, -7.0, -7.0, -7.0], [2 * HOUR_MS, 1, 9.0, 9.0, 9.0]])
    assert merged([first, second], HOUR_MS).tolist() == [
        [0, 1, 5, 5, 5],
        [HOUR_MS, 3, -7, -3, 3],
        [2 * HOUR_MS, 1, 9, 9, 9],
    ]
    assert merged([], HOUR_MS).shape == (0, 5)


def test_bucket_that_is_missing_is_a_gap() -> None:
    rows = np.array([[n * MINUTE, 2, 1.0, 4.0, 3.0] for n in (0, 1, 2, 4)])
    drawn = curve(rows, width_ms=MINUTE)
    assert drawn.starts_ms.tolist() == [0, MINUTE, 2 * MINUTE, 3 * MINUTE, 4 * MINUTE]
    assert np.isnan(drawn.mean).tolist() == [False, False, False, True, False]
    assert drawn.mean[0] == 2


def test_readings_that_come_seldom_are_no_gaps() -> None:
    seldom = np.array([[n * 10 * MINUTE, 1, 1.0, 1.0, 1.0] for n in (0, 1, 2, 4, 5, 9, 10)])
    drawn = curve(seldom, width_ms=MINUTE)
    assert drawn.starts_ms[np.isnan(drawn.mean)].tolist() == [70 * MINUTE]


def test_a_channel_of_its_own_pace_is_not_broken_by_the_other() -> None:
    moments = np.arange(12, dtype=np.int64) * MINUTE
    values = np.where(np.arange(12) % 3 == 0, 1.0, np.nan)
    assert np.isfinite(curve_of_readings(moments, values).mean).all()
    lost = np.where(np.arange(12) == 6, np.nan, 1.0)
    assert np.isfinite(curve_of_readings(moments, lost).mean).all()
    lost[4:9] = np.nan
    assert np.isnan(curve_of_readings(moments, lost).mean).sum() == 1


def test_stretches_run_from_the_first_bucket_to_the_end_of_the_last() -> None:
    starts = np.array([0, 1, 2, 5, 6, 9], dtype=np.int64) * MINUTE
    chosen = np.array([True, True, False, True, True, True])
    found = stretches(starts, chosen, width_ms=MINUTE)
    expected = [(0, 2), (5, 7), (9, 10)]
    assert found == [[first * MINUTE, last * MINUTE] for first, last in expected]
    assert stretches(starts, np.zeros(6, dtype=bool), width_ms=MINUTE) == []
