"""A limit ahead in words."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tankwatch.core.incident import MessageKind, Symptom
from tankwatch.core.outlook import Outlook
from tankwatch.notify.ahead import time_left
from tankwatch.notify.sentences import headline, what_and_why
from tests.unit.test_notify_sentences import BEGIN, evidence, notice

OUTLOOK = Outlook(
    channel="pressure",
    limit=2.0,
    above=True,
    probability=0.94,
    earliest_s=720.0,
    latest_s=1500.0,
    response_s=1800.0,
)


@pytest.mark.parametrize(
    ("earliest_s", "latest_s", "shown"),
    [
        (720.0, 1500.0, "12 to 25 min"),
        (300.0, 300.0, "5 min"),
        (45.0, 90.0, "45 s to 1 min"),
        (3000.0, 7200.0, "50 min to 2 h"),
        (14400.0, 19200.0, "4 h to 5 h 20 min"),
        (15600.0, 19200.0, "4 h 20 min to 5 h 20 min"),
        (15600.0, 18000.0, "4 h 20 min to 5 h"),
    ],
)
def test_the_time_left_is_a_range(earliest_s: float, latest_s: float, shown: str) -> None:
    assert time_left(replace(OUTLOOK, earliest_s=earliest_s, latest_s=latest_s)) == shown


def test_an_outlook_survives_being_stored() -> None:
    assert Outlook.from_json(OUTLOOK.to_json()) == OUTLOOK


def test_a_limit_ahead_is_told_with_what_it_rests_on() -> None:
    told = notice(Symptom.TO_HIGH_LIMIT, detector="time_to_limit", outlook=OUTLOOK)
    assert headline(told) == "TK-104 pressure reaches its high limit in 12 to 25 min (94 %)"
    sentence = what_and_why(told, evidence([*[1.6] * 9, 1.71]), time_zone="UTC")
    assert sentence == (
        "TK-104 pressure heads for its high limit of 2 kPa: 12 to 25 min were left at "
        f"{(told.incident.raised_at):%H:%M} UTC (nine cases in ten), and within its response time "
        "of 30 min it is reached with a probability of 94 %; it read 1.71 kPa at 05:09 UTC."
    )


def test_a_warning_that_is_over_says_so_and_the_all_clear_too() -> None:
    over = notice(
        Symptom.TO_HIGH_LIMIT,
        detector="time_to_limit",
        outlook=OUTLOOK,
        ended_at=BEGIN + timedelta(minutes=9),
    )
    assert headline(over).endswith("in 12 to 25 min (94 %) (over)")
    assert " headed for its high limit" in what_and_why(over, evidence(), time_zone="UTC")
    clear = replace(over, kind=MessageKind.ALL_CLEAR)
    assert headline(clear) == "TK-104 pressure no longer heads for its limit"
    assert "has not been heading for its limit since" in what_and_why(
        clear, evidence(), time_zone="UTC"
    )
