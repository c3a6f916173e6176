import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tankwatch.core.incident import MessageKind, Severity, Symptom
from tankwatch.errors import StoreError
from tankwatch.store.engine import Connection, Engine, connect, reading, writing
from tankwatch.store.incidents import Opening, open_incident
from tankwatch.store.outbox import (
    MessageState,
    QueuedMessage,
    claim_message,
    count_messages,
    load_messages,
    mark_addressed,
    mark_held,
    message_id,
    queue_message,
)

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OPENING = Opening(
    tank_id=1,
    tank="T1",
    detector="autoencoder",
    model_version_id=None,
    channel_id=1,
    share=1.0,
    symptom=Symptom.STALE,
    severity=Severity.ALARM,
    started_at=NOW,
    raised_at=NOW,
    peak_score=1.0,
    historical=False,
)

pytestmark = pytest.mark.usefixtures("tanks")


def queued(engine: Engine, number: int = 1) -> list[str]:
    """Queue the alarm of `number` incidents, and return their Message-IDs."""
    ids = []
    with writing(engine) as connection:
        for minute in range(number):
            opening = replace(OPENING, started_at=NOW + minute * MINUTE)
            key = open_incident(connection, opening, reason="")
            queue(connection, key, opening.uid, MessageKind.ALARM)
            ids.append(message_id(opening.uid, MessageKind.ALARM, "plant.example"))
    return ids


def queue(connection: Connection, key: int, uid: str, kind: MessageKind) -> None:
    queue_message(connection, key, uid, kind=kind, domain="plant.example", at=NOW)


def claimed(engine: Engine, owner: str = "a", *, now: datetime = NOW) -> QueuedMessage | None:
    with writing(engine) as connection:
        return claim_message(connection, owner=owner, now=now, until=now + 5 * MINUTE)


def claimed_one(engine: Engine, *, now: datetime = NOW) -> QueuedMessage:
    message = claimed(engine, now=now)
    assert message is not None
    return message


def counted(engine: Engine) -> dict[str, int]:
    with reading(engine) as connection:
        return {state.value: number for state, number in count_messages(connection).items()}


def deliveries(engine: Engine) -> list[tuple[str, str]]:
    query = text("SELECT outcome, detail FROM delivery ORDER BY delivery_id")
    with reading(engine) as connection:
        return [(row.outcome, row.detail) for row in connection.execute(query)]


def test_messages_of_an_incident_share_a_thread(engine: Engine) -> None:
    (alarm,) = queued(engine)
    with writing(engine) as connection:
        queue(connection, 1, OPENING.uid, MessageKind.ALL_CLEAR)
        first, second = load_messages(connection)
    assert first.message_id == first.thread_id == second.thread_id == alarm
    assert alarm == f"<incident.{OPENING.uid}.alarm@plant.example>"
    assert second.message_id != alarm
    assert (first.state, first.attempts, first.queued_at) == (MessageState.PENDING, 0, NOW)
    assert [message.kind for message in (first, second)] == ["alarm", "all_clear"]


def test_message_is_queued_only_once(engine: Engine) -> None:
    queued(engine)
    with pytest.raises(StoreError, match="refused"), writing(engine) as connection:
        queue(connection, 1, OPENING.uid, MessageKind.ALARM)
    assert counted(engine)["pending"] == 1


def test_oldest_message_is_claimed_first_and_each_only_once(engine: Engine) -> None:
    ids = queued(engine, 3)
    messages = [claimed(engine) for _ in range(4)]
    assert [message.message_id if message else None for message in messages] == [*ids, None]


def test_message_that_is_not_due_is_not_claimed(engine: Engine) -> None:
    queued(engine)
    assert claimed(engine, now=NOW - timedelta(milliseconds=1)) is None
    assert claimed(engine, now=NOW) is not None


def test_expired_lease_is_taken_over(engine: Engine) -> None:
    queued(engine)
    first = claimed(engine, "a")
    assert claimed(engine, "b", now=NOW + 5 * MINUTE - timedelta(milliseconds=1)) is None
    assert claimed(engine, "b", now=NOW + 5 * MINUTE) == first
    with reading(engine) as connection:
        query = text("SELECT leased_by FROM outbox")
        assert connection.execute(query).scalar_one() == "b"


def test_held_message_tells_why_and_was_never_tried(engine: Engine) -> None:
    queued(engine)
    message = claimed_one(engine)
    with writing(engine) as connection:
        mark_held(connection, message.outbox_id, owner="a", reason="historical", at=NOW)
        (held,) = load_messages(connection, ids=[message.outbox_id])
    assert (held.state, held.reason, held.attempts) == (MessageState.HELD, "historical", 0)
    assert claimed(engine, now=NOW + 60 * MINUTE) is None


def test_addressed_message_is_never_claimed_again_and_waits_for_its_notifications(
    engine: Engine,
) -> None:
    queued(engine)
    message = claimed_one(engine)
    with writing(engine) as connection:
        assert mark_addressed(connection, message.outbox_id, owner="a", at=NOW)
    assert claimed(engine, now=NOW + 60 * MINUTE) is None
    assert counted(engine) == {"pending": 1, "sent": 0, "held": 0, "failed": 0}


def test_who_lost_the_lease_marks_nothing(engine: Engine) -> None:
    """A slow program must not hold or address what another is at meanwhile."""
    queued(engine)
    key = claimed_one(engine).outbox_id
    assert claimed(engine, "b", now=NOW + 6 * MINUTE) is not None
    with writing(engine) as connection:
        assert not mark_addressed(connection, key, owner="a", at=NOW)
        assert not mark_held(connection, key, owner="a", reason="", at=NOW)
        assert mark_held(connection, key, owner="b", reason="historical", at=NOW)
        # What was done once is done: a second mark of the same holder changes nothing.
        assert not mark_addressed(connection, key, owner="b", at=NOW)
    assert deliveries(engine) == [("held", "historical")]


def test_threads_that_claim_at_once_get_different_messages(
    engine: Engine, database_url: str
) -> None:
    ids = queued(engine, 12)
    taken: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    start = threading.Barrier(len(taken))

    def work(owner: str) -> None:
        mine = connect(database_url)
        start.wait()
        while (message := claimed(mine, owner)) is not None:
            taken[owner].append(message.message_id)
        mine.dispose()

    threads = [threading.Thread(target=work, args=(owner,)) for owner in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for names in taken.values() for name in names) == sorted(ids)


def test_claim_that_is_undone_leaves_the_message_to_others(engine: Engine) -> None:
    queued(engine)

    def claim_and_crash() -> None:
        with writing(engine) as connection:
            claim_message(connection, owner="a", now=NOW, until=NOW + MINUTE)
            raise KeyError

    with pytest.raises(KeyError):
        claim_and_crash()
    assert claimed(engine, "b") is not None
