"""Which incident that steps show is which that is stored."""

import pytest

from tankwatch.core.episodes import Change, TankEvent
from tankwatch.core.incident import Symptom
from tankwatch.core.settling import Found, Known, found_in, pair


def event(change: Change, at: int, start: int = 0, end: int = 0, source: str = "pca") -> TankEvent:
    return TankEvent(change, at, start, end, source, 0, 1.0, Symptom.UNUSUAL_PATTERN, 2.0)


def found(start: int, end: int | None, source: str = "pca") -> Found:
    returned = None if end is None else event(Change.RETURN, end + 5, start, end, "")
    return Found(event(Change.RAISE, start + 3, start, source=source), returned=returned)


def test_events_are_told_apart_as_incidents() -> None:
    events = [
        event(Change.RETURN, 5, end=4),
        event(Change.RAISE, 10, 8),
        event(Change.JOIN, 12, 11, source="limit"),
        event(Change.RETURN, 20, 8, 15),
        event(Change.RAISE, 30, 28),
    ]
    carried, whole, standing = found_in(events, is_carried=True, peak=7.0)
    assert (carried.raised, carried.returned) == (None, events[0])
    assert (whole.raised, whole.joins, whole.returned) == (events[1], (events[2],), events[3])
    assert (standing.raised, standing.returned) == (events[4], None)
    assert (whole.peak, standing.peak) == (2.0, 7.0)


def test_what_was_under_way_and_goes_on_is_found_without_any_event() -> None:
    assert found_in([], is_carried=True, peak=3.0) == [Found(None, peak=3.0)]
    assert found_in([], is_carried=False, peak=3.0) == []


@pytest.mark.parametrize(("at", "is_under_way"), [(12, False), (13, True), (24, True), (25, False)])
def test_an_incident_is_under_way_from_its_raise_to_its_return(
    at: int, *, is_under_way: bool
) -> None:
    assert found(10, 20).is_under_way(at) is is_under_way


def test_the_same_start_is_the_same_incident_before_any_that_overlaps() -> None:
    known = [Known(1, "pca", 8, 40), Known(2, "pca", 10, 20)]
    assert pair([found(10, 20)], known, None) == ([2], [1])


def test_an_incident_that_moved_is_the_one_that_it_overlaps() -> None:
    assert pair([found(12, 30)], [Known(1, "pca", 10, 20)], None) == ([1], [])
    assert pair([found(21, 30)], [Known(1, "pca", 10, 20)], None) == ([None], [1])
    assert pair([found(12, None)], [Known(1, "limit", 100, None)], None) == ([1], [])


def test_a_silence_is_never_what_was_seen() -> None:
    assert pair([found(10, 20)], [Known(1, "stale", 10, 20)], None) == ([None], [1])
    assert pair([found(10, 20, "stale")], [Known(1, "stale", 12, 22)], None) == ([1], [])


def test_two_that_became_one_leave_one_over_and_one_that_became_two_opens_another() -> None:
    known = [Known(1, "pca", 10, 20), Known(2, "pca", 30, 40)]
    assert pair([found(10, 40)], known, None) == ([1], [2])
    assert pair([found(10, 18), found(25, 40)], [Known(1, "pca", 10, 40)], None) == (
        [1, None],
        [],
    )


def test_the_one_under_way_is_known_by_its_id_whatever_its_times() -> None:
    carried = Found(None, returned=event(Change.RETURN, 50, end=45))
    known = [Known(4, "pca", 1000, None), Known(5, "pca", 60, 70)]
    assert pair([carried, found(60, 70)], known, 4) == ([4, 5], [])
