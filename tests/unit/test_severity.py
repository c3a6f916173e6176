from typing import get_args

import pytest

from tankwatch.core.incident import Nature, Severity, Symptom
from tankwatch.core.severity import SeverityRule, Sight
from tankwatch.settings_severity import SeverityName, SymptomName

ALARM, ALERT, JOURNAL = Severity.ALARM, Severity.ALERT, Severity.JOURNAL
PROCESS, SENSOR, OPERATION = Nature.PROCESS, Nature.SENSOR, Nature.OPERATION
BY_NATURE = {PROCESS: ALERT, SENSOR: JOURNAL, OPERATION: JOURNAL}
LOW = Sight(PROCESS, Symptom.BELOW_EXPECTED)
LIMIT = Sight(PROCESS, Symptom.ABOVE_LIMIT)
STALE = Sight(SENSOR, Symptom.STALE)


def rule(**more: object) -> SeverityRule:
    given: dict[str, object] = {"limit": ALARM, "by_nature": BY_NATURE, "by_symptom": {}} | more
    return SeverityRule(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sights", "expected"),
    [
        ([LOW], ALERT),
        ([STALE], JOURNAL),
        ([LIMIT], ALARM),
        ([STALE, LOW], ALERT),
        ([LOW, STALE, LIMIT], ALARM),
        # A limit is a limit, also while somebody works on the tank.
        ([Sight(OPERATION, Symptom.ABOVE_LIMIT)], ALARM),
        ([Sight(OPERATION, Symptom.DRIFT_UP)], JOURNAL),
    ],
)
def test_gravest_thing_that_was_seen_counts(sights: list[Sight], expected: Severity) -> None:
    assert rule().severity("TK-1", sights, score=2.0) is expected


def test_symptom_comes_before_nature_and_limit() -> None:
    own = rule(by_symptom={Symptom.STALE: ALARM, Symptom.ABOVE_LIMIT: ALERT})
    assert own.severity("TK-1", [STALE], score=1.0) is ALARM
    assert own.severity("TK-1", [LIMIT], score=1.0) is ALERT


@pytest.mark.parametrize(("score", "expected"), [(2.99, ALERT), (3.0, ALARM), (9.0, ALARM)])
def test_score_makes_an_alarm_from_where_the_plant_says(score: float, expected: Severity) -> None:
    assert rule(alarm_from_score=3.0).severity("TK-1", [LOW], score=score) is expected
    assert rule().severity("TK-1", [LOW], score=score) is ALERT


@pytest.mark.parametrize(
    ("left", "expected"), [(None, ALERT), (601.0, ALERT), (600.0, ALARM), (0.0, ALARM)]
)
def test_little_time_left_makes_an_alarm(left: float | None, expected: Severity) -> None:
    heads = Sight(PROCESS, Symptom.TO_HIGH_LIMIT, left)
    assert rule(alarm_within_s=600.0).severity("TK-1", [heads], score=1.0) is expected


def test_tanks_of_little_consequence_are_alerts_at_most() -> None:
    own = rule(alert_only=("WT-*", "TK-9"), alarm_from_score=3.0)
    assert own.severity("WT-104", [LIMIT], score=9.0) is ALERT
    assert own.severity("TK-9", [LIMIT], score=1.0) is ALERT
    assert own.severity("TK-91", [LIMIT], score=1.0) is ALARM
    assert own.severity("WT-1", [STALE], score=1.0) is JOURNAL


def test_ranks_grow_with_what_is_asked_of_an_operator() -> None:
    assert sorted(Severity, key=lambda one: one.rank) == [JOURNAL, ALERT, ALARM]


def test_names_of_the_settings_are_those_of_the_core() -> None:
    assert set(get_args(SymptomName)) == set(Symptom)
    assert set(get_args(SeverityName)) == set(Severity)
