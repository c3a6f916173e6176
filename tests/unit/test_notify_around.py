"""Siblings and the last incident like it, in words."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from tankwatch.core.incident import Symptom
from tankwatch.core.surroundings import EarlierIncident, SiblingsNow, Surroundings
from tankwatch.notify.around import around_facts, earlier_words, siblings_words
from tests.unit.test_notify_render import ALARM, BEGIN, EVIDENCE, INCIDENT

OSLO = ZoneInfo("Europe/Oslo")
EARLIER = EarlierIncident(
    tank="TK-104",
    symptom=Symptom.DRIFT_DOWN,
    started_at=BEGIN - timedelta(days=18),
    ended_at=BEGIN - timedelta(days=18) + timedelta(minutes=200),
    verdict="real_fault",
    cause="vent stuck",
    said_by="kim",
    acknowledged_by="lee",
)


@pytest.mark.parametrize(
    ("siblings", "words"),
    [
        (SiblingsNow(7, (), ()), "all 7 on the site are normal"),
        (SiblingsNow(1, (), ()), "normal"),
        (
            SiblingsNow(7, ("TK-105",), ()),
            "6 of 7 on the site are normal; TK-105 does the same",
        ),
        (
            SiblingsNow(7, ("A", "B"), ("C",)),
            "4 of 7 on the site are normal; A and B do the same; C has another incident",
        ),
        (
            SiblingsNow(40, tuple("ABCDEF"), ("Y", "Z")),
            (
                "32 of 40 on the site are normal; A, B, C, D and 2 more do the same; "
                "Y and Z have other incidents"
            ),
        ),
    ],
)
def test_siblings_are_counted_and_named(siblings: SiblingsNow, words: str) -> None:
    assert siblings_words(siblings) == words


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({}, "a real fault (vent stuck), said kim"),
        ({"cause": " "}, "a real fault, said kim"),
        ({"verdict": "not_a_fault", "cause": ""}, "not a fault, said kim"),
        ({"verdict": ""}, "seen by lee, who did not say what it was"),
        ({"verdict": "", "acknowledged_by": ""}, "nobody said what it was"),
    ],
)
def test_last_one_like_it_says_when_what_and_how_it_ended(
    changes: dict[str, str], end: str
) -> None:
    told = earlier_words(replace(EARLIER, **changes), INCIDENT, OSLO, day_of=BEGIN)  # type: ignore[arg-type]
    assert told == f"2026-02-12 06:00 CET, drifting downwards for 3 h 20 min: {end}"


def test_last_one_of_another_tank_is_named() -> None:
    told = earlier_words(replace(EARLIER, tank="TK-9"), INCIDENT, OSLO, day_of=BEGIN)
    assert told.startswith("TK-9, 2026-02-12")


def test_facts_leave_out_what_is_not_known() -> None:
    def labels(around: Surroundings | None) -> list[str]:
        evidence = replace(EVIDENCE, surroundings=around)
        return [fact.label for fact in around_facts(ALARM, evidence, OSLO)]

    assert labels(None) == ["Channel"]
    alone = Surroundings(SiblingsNow(0, (), ()), None)
    assert labels(alone) == ["Channel", "Last like it"]
    among = Surroundings(SiblingsNow(7, (), ()), EARLIER)
    assert labels(among) == ["Channel", "Other tanks", "Last like it"]
