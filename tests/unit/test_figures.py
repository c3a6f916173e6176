import numpy as np

from tankwatch.core.figures import (
    AlarmRule,
    Fault,
    Figures,
    count_alarms,
    count_found,
    figures,
    no_worse,
)

RULE = AlarmRule(step_s=60, on_delay=3, merge_gap=5)


def scores(
    *above: tuple[int, int], steps: int = 40
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    score = np.full((1, steps), 0.5)
    for first, last in above:
        score[0, first : last + 1] = 1.0
    return score


def test_runs_shorter_than_the_on_delay_are_no_alarm() -> None:
    assert count_alarms(scores((2, 3), (10, 12)), RULE) == [(0, 10, 12)]


def test_runs_closer_than_the_gap_are_one_alarm() -> None:
    assert count_alarms(scores((2, 4), (9, 11), (20, 39)), RULE) == [(0, 2, 11), (0, 20, 39)]


def test_a_step_that_was_not_judged_ends_a_run() -> None:
    score = scores((2, 6))
    score[0, 4] = np.nan
    assert count_alarms(score, RULE) == []


def test_figures_count_judged_time_in_months_of_thirty_days() -> None:
    score = np.tile(scores((2, 4), steps=1440), (60, 1))
    score[30:] = np.nan
    assert figures(score, RULE) == Figures(30, 1.0)
    assert figures(score, RULE).rate == 30.0


def test_a_fault_is_found_by_an_alarm_within_it() -> None:
    score = scores((8, 12), (30, 31))
    faults = [Fault(0, 0, 9), Fault(0, 9, 20), Fault(0, 28, 35), Fault(0, 30, 31)]
    assert count_found(score, faults, RULE.on_delay) == 2


def test_a_candidate_must_find_as_much_with_as_few_false_alarms() -> None:
    old = Figures(4, 2.0, found=1, real=2)
    assert no_worse(Figures(4, 2.0, found=1, real=2), old, budget=0.5)
    assert not no_worse(Figures(5, 2.0, found=2, real=2), old, budget=0.5)
    assert not no_worse(Figures(0, 2.0, found=0, real=2), old, budget=0.5)
    assert no_worse(Figures(0, 2.0, seen=5, tested=10), Figures(0, 2.0, seen=10), budget=0.5)
    assert not no_worse(Figures(0, 2.0, seen=4, tested=10), Figures(0, 2.0, seen=10), budget=0.5)
    # Within the budget is no worse, though the model in use happened to be silent.
    assert no_worse(Figures(1, 2.0), Figures(0, 2.0), budget=0.5)
