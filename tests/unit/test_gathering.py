"""The first notification leaves at once; what comes within the gap leaves as one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tankwatch.core.gathering import Waiting, batches

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
GAP = timedelta(minutes=5)
SECOND = timedelta(seconds=1)


def waiting(key: int, recipient: int | None = 1, **changes: object) -> Waiting:
    plain = {"is_gathered": True, "thread_id": f"t{key}", "mail_id": None, "due_at": NOW}
    return Waiting(key, recipient, is_free=True, **{**plain, **changes})  # type: ignore[arg-type]


def left(*found: Waiting, sent_ago: timedelta | None = None) -> list[tuple[int, ...]]:
    last: dict[int | None, datetime] = {} if sent_ago is None else {1: NOW - sent_ago}
    return batches(found, last, now=NOW, least_gap=GAP)


def test_what_is_due_to_one_recipient_leaves_as_one() -> None:
    assert left(waiting(1), waiting(2, 2), waiting(3)) == [(1, 3), (2,)]


def test_the_gap_holds_back_and_ends() -> None:
    assert left(waiting(1), sent_ago=GAP - SECOND) == []
    assert left(waiting(1), sent_ago=GAP) == [(1,)]
    assert left(waiting(1, 2), sent_ago=SECOND) == [(1,)]


def test_what_is_not_due_stays() -> None:
    assert left(waiting(1), waiting(2, due_at=NOW + SECOND)) == [(1,)]


def test_what_was_composed_is_sent_as_it_was_and_first() -> None:
    again = [waiting(1, mail_id=7), waiting(3, mail_id=7)]
    assert left(*again, waiting(2)) == [(1, 3)]
    later = [replace(one, due_at=NOW + SECOND) for one in again]
    assert left(*later, waiting(2)) == []


def test_nothing_is_composed_while_another_sends_to_the_same() -> None:
    assert left(replace(waiting(1), is_free=False), waiting(2), waiting(3, 2)) == [(3,)]


def test_without_routes_each_leaves_by_itself_and_never_before_its_alarm() -> None:
    alarm = waiting(1, None, is_gathered=False, thread_id="t")
    clear = replace(alarm, notification_id=2)
    other = replace(alarm, notification_id=3, thread_id="u")
    assert left(alarm, clear, other) == [(1,), (3,)]
    assert left(replace(alarm, due_at=NOW + SECOND), clear, other) == [(3,)]
    assert left(clear, other) == [(2,), (3,)]
