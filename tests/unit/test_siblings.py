"""Which incidents of a site belong together."""

import itertools

import pytest

from tankwatch.core.incident import Symptom
from tankwatch.core.siblings import Kind, Raised, fewest_tanks, gather, kind_of, symptoms_of

WINDOW = 30


def raised(*moments: int) -> list[Raised]:
    """Return incidents of different tanks, raised at these times."""
    return [Raised(100 + n, n, moment) for n, moment in enumerate(moments)]


def ids(groups: list[list[Raised]]) -> list[list[int]]:
    return [[one.incident_id - 100 for one in group] for group in groups]


@pytest.mark.parametrize(
    ("tanks", "share", "least", "expected"),
    [(40, 0.3, 4, 12), (10, 0.3, 4, 4), (8, 0.3, 4, 4), (100, 0.07, 4, 7), (3, 1.0, 4, 4)],
)
def test_a_share_of_the_site_makes_it_the_sites(
    tanks: int, share: float, least: int, expected: int
) -> None:
    assert fewest_tanks(tanks, share=share, least=least) == expected


def test_enough_tanks_within_the_window_are_one() -> None:
    assert ids(gather(raised(0, 10, 30, 400), window_ms=WINDOW, fewest=3)) == [[0, 1, 2]]
    assert gather(raised(0, 10, 31), window_ms=WINDOW, fewest=3) == []


def test_a_front_that_crosses_slowly_is_one_and_takes_stragglers() -> None:
    slow = raised(0, 12, 24, 36, 48, 60, 85)
    assert ids(gather(slow, window_ms=WINDOW, fewest=3)) == [[0, 1, 2, 3, 4, 5, 6]]


def test_two_fronts_apart_are_two() -> None:
    both = raised(0, 1, 2, 100, 101, 102)
    assert ids(gather(both, window_ms=WINDOW, fewest=3)) == [[0, 1, 2], [3, 4, 5]]


def test_one_tank_that_chatters_is_no_site() -> None:
    chatter = [Raised(n, 1, n) for n in range(9)]
    assert gather(chatter, window_ms=WINDOW, fewest=3) == []


def test_the_order_of_arrival_does_not_matter() -> None:
    all_of = raised(0, 12, 24, 60, 85, 200)
    expected = ids(gather(all_of, window_ms=WINDOW, fewest=3))
    for order in itertools.permutations(all_of):
        assert ids(gather(order, window_ms=WINDOW, fewest=3)) == expected


def test_a_limit_belongs_to_its_tank_alone() -> None:
    alone = {symptom for symptom in Symptom if kind_of(symptom) is None}
    assert alone == {
        Symptom.ABOVE_LIMIT,
        Symptom.BELOW_LIMIT,
        Symptom.TO_HIGH_LIMIT,
        Symptom.TO_LOW_LIMIT,
    }
    for kind in Kind:
        assert {kind_of(symptom) for symptom in symptoms_of(kind)} == {kind}
