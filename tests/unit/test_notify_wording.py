"""Numbers, units, names and times as people read them."""

from datetime import UTC, datetime

import pytest

from tankwatch.errors import UsageError
from tankwatch.notify import wording


@pytest.mark.parametrize(
    ("value", "beside", "shown"),
    [
        (2.9, (2.5,), "2.9 kPa"),
        (2.873, (2.5,), "2.87 kPa"),
        (2.5004, (2.5,), "2.5004 kPa"),
        (23.46, (), "23.5 kPa"),
        (101.3, (), "101 kPa"),
        (-0.001, (), "0 kPa"),
        (0.0, (), "0 kPa"),
        (-1.25, (), "-1.25 kPa"),
    ],
)
def test_quantity_has_three_figures_and_differs_from_its_neighbours(
    value: float, beside: tuple[float, ...], shown: str
) -> None:
    assert wording.quantity(value, "kPa", *beside) == shown


def test_edges_of_a_range_have_the_same_places() -> None:
    assert wording.span(1.5, 1.75, "kPa") == "1.50 to 1.75 kPa"


def test_celsius_is_written_with_its_sign_and_an_unknown_unit_as_it_is() -> None:
    assert wording.quantity(31.25, "degC") == "31.2 °C"
    assert wording.quantity(31.25, "m3/h") == "31.2 m3/h"
    assert wording.quantity(31.25, "") == "31.2"


@pytest.mark.parametrize(
    ("score", "shown"), [(4.13, "4.1"), (1.04, "1.04"), (1.0, "1.0"), (35.4, "35"), (0.97, "0.97")]
)
def test_score_near_the_threshold_shows_on_which_side_it_is(score: float, shown: str) -> None:
    assert wording.score_text(score) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("TK-104", "TK-104"),
        ("TK\r\nBcc: x@y", "TK Bcc: x@y"),
        ("TK\u2028\x00\u202e1", "TK 1"),
        ("Tank Nº 7 東", "Tank Nº 7 東"),
        (" \n", "?"),
        ("x" * 61, "x" * 59 + "…"),
    ],
)
def test_name_becomes_one_safe_line(name: str, shown: str) -> None:
    assert wording.clean_name(name) == shown


def test_times_are_local_with_the_zone_of_that_day() -> None:
    zone = wording.zone_of("Europe/Oslo")
    winter = datetime(2026, 3, 2, 5, 12, tzinfo=UTC)
    summer = datetime(2026, 7, 2, 22, 30, tzinfo=UTC)
    assert wording.clock_time(winter, zone, day_of=winter) == "06:12 CET"
    assert wording.clock_time(winter, zone, day_of=summer) == "2026-03-02 06:12 CET"
    assert wording.date_time(summer, zone) == "2026-07-03 00:30 CEST"


def test_zone_without_an_abbreviation_is_shown_by_its_offset() -> None:
    moment = datetime(2026, 3, 2, 5, 12, tzinfo=UTC)
    assert wording.date_time(moment, wording.zone_of("Asia/Dubai")) == "2026-03-02 09:12 UTC+04"


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd"])
def test_unknown_zone_is_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(UsageError, match=r"plant\.time_zone"):
        wording.zone_of(name)
