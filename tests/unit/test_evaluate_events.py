"""Event figures, each checked by hand.  Times are hours of the first days of March 2026."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from tankwatch.evaluate.events import (
    EventFigures,
    event_figures,
    judged_months,
    poisson_rate,
    raised_within,
)

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
HOUR_S = 3600.0
Stretch = tuple[float, float]


def at(hour: float) -> datetime:
    return BEGIN + timedelta(hours=hour)


def labels_of(*faults: tuple[float, float, str], tank: str = "T1") -> pd.DataFrame:
    rows = [(tank, at(start), at(end), kind) for start, end, kind in faults]
    return pd.DataFrame(rows, columns=["tank", "start", "end", "kind"])


def incidents_of(*raised: float, tank: str = "T1") -> pd.DataFrame:
    return pd.DataFrame([(tank, at(hour)) for hour in raised], columns=["tank", "raised"])


def judge(
    faults: list[Stretch], raised: list[float], *, span: Stretch = (0, 100), grace_h: float = 1
) -> EventFigures:
    return event_figures(
        labels_of(*((start, end, "") for start, end in faults)),
        incidents_of(*raised),
        spans={"T1": (at(span[0]), at(span[1]))},
        grace_s=grace_h * HOUR_S,
    )


def found(figures: EventFigures) -> list[bool]:
    return [event.raised is not None for event in figures.events]


def test_incident_raised_in_a_fault_finds_it() -> None:
    figures = judge([(10, 20)], [12])
    assert (figures.found, figures.recall, figures.precision) == (1, 1.0, 1.0)
    assert figures.delay_median_s == 2 * HOUR_S
    assert figures.false_alarms.count == 0


@pytest.mark.parametrize(
    ("raised", "is_found"), [(9.99, False), (10, True), (20, True), (21, True), (21.01, False)]
)
def test_fault_is_found_from_its_start_to_the_end_of_the_grace(
    raised: float, *, is_found: bool
) -> None:
    figures = judge([(10, 20)], [raised])
    assert found(figures) == [is_found]
    assert figures.false_alarms.count == (0 if is_found else 1)


def test_incident_that_is_always_on_finds_only_the_fault_it_was_raised_in() -> None:
    figures = judge([(10, 20), (30, 40), (50, 60)], [10])
    assert found(figures) == [True, False, False]
    assert figures.false_alarms.count == 0


def test_incident_that_runs_into_a_fault_neither_finds_it_nor_is_excused() -> None:
    figures = judge([(10, 20)], [9])
    assert found(figures) == [False]
    assert (figures.false_alarms.count, figures.false_alarm_rows) == (1, (0,))
    assert figures.precision == 0.0


def test_adjacent_faults_need_an_incident_each() -> None:
    assert found(judge([(10, 20), (20, 30)], [12])) == [True, False]
    assert found(judge([(10, 20), (20, 30)], [12, 25])) == [True, True]


def test_incident_in_the_grace_of_one_fault_and_within_the_next_counts_for_both() -> None:
    figures = judge([(10, 20), (20, 30)], [20.5])
    assert found(figures) == [True, True]
    assert [event.delay_s for event in figures.events] == [10.5 * HOUR_S, 0.5 * HOUR_S]


def test_later_incidents_of_a_found_fault_are_no_false_alarms_and_no_second_find() -> None:
    figures = judge([(10, 20)], [18, 11, 15])
    assert (figures.found, figures.incidents, figures.false_alarms.count) == (1, 3, 0)
    assert figures.delay_median_s == HOUR_S


def test_incident_of_another_tank_finds_nothing() -> None:
    spans = {tank: (at(0), at(100)) for tank in ("T1", "T2")}
    raised = incidents_of(12, tank="T2")
    figures = event_figures(labels_of((10, 20, "")), raised, spans=spans, grace_s=0)
    assert (figures.found, figures.false_alarms.count) == (0, 1)


def test_without_faults_every_incident_is_a_false_alarm() -> None:
    figures = judge([], [5, 6], span=(0, 720))
    assert (figures.recall, figures.delay_median_s) == (None, None)
    assert figures.false_alarms.count == 2
    assert figures.false_alarms.per_tank_month == 2.0
    assert set(figures.undefined) == {"recall", "delay_median_s", "delay_p90_s"}


def test_without_incidents_nothing_is_found_and_precision_is_not_defined() -> None:
    figures = judge([(10, 20)], [])
    assert (figures.recall, figures.precision, figures.false_alarms.count) == (0.0, None, 0)
    assert figures.undefined["precision"] == "no incident was raised"
    assert figures.false_alarms.low == 0.0


def test_time_without_faults_leaves_out_faults_and_their_grace_once() -> None:
    # 10 to 21, 15 to 31 and 99 to the end: 21 hours and 1 hour of 100.
    figures = judge([(10, 20), (15, 30), (99, 120)], [])
    assert figures.false_alarms.tank_months == pytest.approx(78 / 720)


def test_fault_all_through_leaves_no_time_for_false_alarms() -> None:
    rate = judge([(-10, 200)], []).false_alarms
    assert (rate.per_tank_month, rate.low, rate.high) == (None, None, None)
    assert "false_alarms_per_tank_month" in judge([(-10, 200)], []).undefined


def test_fault_is_judged_from_where_the_judged_time_begins() -> None:
    (event,) = judge([(-5, 10)], [2]).events
    assert (event.start, event.delay_s) == (at(0), 2 * HOUR_S)


@pytest.mark.parametrize("fault", [(-9, 0), (-9, -9), (100, 110), (100, 100)])
def test_fault_outside_the_judged_time_is_not_judged(fault: Stretch) -> None:
    assert judge([fault], []).events == ()


def test_incident_in_the_grace_of_a_fault_before_the_judged_time_is_excused() -> None:
    figures = judge([(-9, -0.5)], [0.25])
    assert (figures.events, figures.false_alarms.count) == ((), 0)


def test_incident_outside_the_judged_time_counts_neither_way() -> None:
    figures = judge([(-5, 10)], [-1, 100.5])
    assert (figures.found, figures.incidents, figures.false_alarms.count) == (0, 0, 0)


def test_fault_of_a_single_moment_can_be_found() -> None:
    assert found(judge([(10, 10)], [10.5])) == [True]
    assert found(judge([(10, 10)], [10.5], grace_h=0)) == [False]


def test_delays_are_those_of_found_faults() -> None:
    faults: list[Stretch] = [(10 * n, 10 * n + 9) for n in range(1, 6)]
    figures = judge(faults, [11, 22, 33, 44])
    assert figures.delay_median_s == 2.5 * HOUR_S
    assert figures.delay_p90_s == pytest.approx(3.7 * HOUR_S)
    assert figures.recall == 0.8


def test_recall_is_told_by_kind() -> None:
    labels = labels_of((10, 20, "leak"), (30, 40, "leak"), (50, 60, "drift"), (70, 80, ""))
    spans = {"T1": (at(0), at(100))}
    figures = event_figures(labels, incidents_of(31, 75), spans=spans, grace_s=0)
    told = [(kind.kind, kind.events, kind.found) for kind in figures.by_kind]
    assert told == [("drift", 1, 0), ("leak", 2, 1)]


def test_rows_of_false_alarms_point_into_the_frame() -> None:
    raised = pd.concat([incidents_of(50), incidents_of(12), incidents_of(5)], ignore_index=True)
    spans = {"T1": (at(0), at(100))}
    figures = event_figures(labels_of((10, 20, "")), raised, spans=spans, grace_s=0)
    assert figures.false_alarm_rows == (2, 0)
    rows, _ = raised_within(raised, "T1", spans)
    assert rows.tolist() == [2, 1, 0]


def test_interval_is_the_exact_one_of_poisson_tables() -> None:
    # Garwood's limits for 0 and 3 events at 90 %: 0 to 2.996, and 0.818 to 7.754.
    none, three = poisson_rate(0, 1.0), poisson_rate(3, 2.0)
    assert none.low == 0.0
    assert none.high == pytest.approx(2.9957, abs=1e-4)
    assert three.per_tank_month == 1.5
    assert three.low == pytest.approx(0.8177 / 2, abs=1e-4)
    assert three.high == pytest.approx(7.7537 / 2, abs=1e-4)


def test_judged_time_is_the_sum_over_tanks() -> None:
    spans = {"T1": (at(0), at(720)), "T2": (at(0), at(360))}
    assert judged_months(spans) == 1.5
