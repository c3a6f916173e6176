"""Notifications and mails: leased, composed, marked; a message stands as its notifications do."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tankwatch.core.actor import Role
from tankwatch.core.incident import MessageKind, Severity, Symptom
from tankwatch.core.routing import ChosenBy
from tankwatch.errors import LeaseError
from tankwatch.store.engine import Connection, Engine, reading, writing
from tankwatch.store.incidents import Opening, open_incident
from tankwatch.store.mails import (
    Mail,
    NewMail,
    compose_mail,
    first_mail_id,
    group_message_id,
    load_last_sent,
    load_mails,
    mark_failed,
    mark_held,
    mark_retry,
    mark_sent,
    own_message_id,
)
from tankwatch.store.notifications import (
    Recipient,
    add_notifications,
    claim_notifications,
    load_notifications,
    load_waiting,
    recipients_of,
    was_told,
)
from tankwatch.store.outbox import (
    MessageState,
    QueuedMessage,
    load_messages,
    queue_message,
    was_sent,
)
from tankwatch.store.people import add_operator

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OPENING = Opening(
    tank_id=1,
    tank="T1",
    detector="robust_z",
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


def people(engine: Engine, *names: str) -> list[Recipient]:
    """Store operators, and return each as somebody who is told at once."""
    with writing(engine) as connection:
        keys = [
            add_operator(
                connection, name, full_name=name, email=f"{name}@x.example", role=Role.ADMIN, at=NOW
            )
            for name in names
        ]
    return [Recipient(key, None, ChosenBy.ROUTE, 0) for key in keys]


def addressed(engine: Engine, recipients: Sequence[Recipient], number: int = 1) -> None:
    """Queue alarms, and address each to the recipients."""
    with writing(engine) as connection:
        for minute in range(number):
            opening = replace(OPENING, started_at=NOW + minute * MINUTE)
            key = open_incident(connection, opening, reason="")
            queue_message(
                connection, key, opening.uid, kind=MessageKind.ALARM, domain="x.example", at=NOW
            )
        for message in load_messages(connection):
            due = {one: NOW + one.after_s * timedelta(seconds=1) for one in recipients}
            add_notifications(connection, message.outbox_id, due)


def claim(engine: Engine, ids: Sequence[int], owner: str = "a", *, now: datetime = NOW) -> None:
    with writing(engine) as connection:
        claim_notifications(connection, ids, owner=owner, now=now, until=now + 5 * MINUTE)


def compose(connection: Connection, ids: Sequence[int], name: str = "m") -> Mail:
    (first,) = load_notifications(connection, ids=ids[:1])
    new = NewMail(f"<{name}@x.example>", "<t@x.example>", "alarm", first.operator_id, ("a@x",))
    return compose_mail(connection, ids, new, owner="a", at=NOW)


def message(engine: Engine) -> QueuedMessage:
    with reading(engine) as connection:
        return load_messages(connection)[0]


def deliveries(engine: Engine) -> list[tuple[str, str]]:
    query = text("SELECT outcome, detail FROM delivery ORDER BY delivery_id")
    with reading(engine) as connection:
        return [(row.outcome, row.detail) for row in connection.execute(query)]


def test_mail_that_left_settles_its_notifications_and_their_message(engine: Engine) -> None:
    addressed(engine, people(engine, "kim", "ada"))
    claim(engine, [1])
    with writing(engine) as connection:
        mail = compose(connection, [1])
        assert not was_sent(connection, 1, MessageKind.ALARM)
        assert mark_sent(
            connection, mail.mail_id, owner="a", reasons={1: "send_alarm"}, note="ok", at=NOW
        )
        assert was_told(connection, [1], MessageKind.ALARM, 1)
        assert not was_told(connection, [1], MessageKind.ALARM, 2)
        assert load_mails(connection)[0].sent_at == NOW
        assert load_last_sent(connection, since=NOW - MINUTE) == {1: NOW}
        assert load_last_sent(connection, since=NOW) == {}
        thread = load_messages(connection)[0].thread_id
        assert first_mail_id(connection, thread, 1) == "<m@x.example>"
        assert first_mail_id(connection, thread, 2) is None
    # The other operator has not been told yet.
    assert message(engine).state is MessageState.PENDING
    claim(engine, [2])
    with writing(engine) as connection:
        mark_held(connection, [2], owner="a", reason="hold_no_address", at=NOW)
        assert was_sent(connection, 1, MessageKind.ALARM)
        told = recipients_of(connection, [1], MessageKind.ALARM)
        assert load_waiting(connection, now=NOW) == []
    assert [one.operator_id for one in told] == [1]
    settled = message(engine)
    assert (settled.state, settled.reason, settled.sent_at) == ("sent", "send_alarm", NOW)
    assert deliveries(engine) == [("sent", "ok"), ("held", "hold_no_address")]


def test_failed_try_is_due_again_later_and_given_up_at_last(engine: Engine) -> None:
    addressed(engine, people(engine, "kim"))
    for attempt in (1, 2):
        now = NOW + attempt * 10 * MINUTE
        claim(engine, [1], now=now)
        with writing(engine) as connection:
            later = now + 2 * MINUTE
            assert mark_retry(connection, [1], owner="a", error="451", at=now, due_at=later)
            (waiting,) = load_waiting(connection, now=now)
        assert (waiting.is_free, waiting.due_at) == (True, later)
        assert (message(engine).state, message(engine).attempts) == ("pending", attempt)
    claim(engine, [1], now=NOW + 22 * MINUTE)
    with writing(engine) as connection:
        assert mark_failed(connection, [1], owner="a", error="550 no", at=NOW)
    failed = message(engine)
    assert (failed.state, failed.attempts, failed.last_error) == ("failed", 3, "550 no")
    assert [outcome for outcome, _ in deliveries(engine)] == ["retry", "retry", "failed"]


def test_one_who_waits_to_be_told_leaves_the_message_to_the_others(engine: Engine) -> None:
    kim, ada = people(engine, "kim", "ada")
    addressed(engine, [kim, replace(ada, chosen_by=ChosenBy.ESCALATION, after_s=900)])
    claim(engine, [1])
    with writing(engine) as connection:
        key = compose(connection, [1]).mail_id
        mark_sent(connection, key, owner="a", reasons={1: "send_alarm"}, note="", at=NOW)
        (waiting,) = load_waiting(connection, now=NOW)
        told = recipients_of(connection, [1], MessageKind.ALARM)
    assert message(engine).state is MessageState.SENT
    assert waiting.due_at == NOW + 15 * MINUTE
    assert [one.operator_id for one in told] == [1]


def test_expired_lease_is_taken_over_and_who_lost_it_marks_nothing(engine: Engine) -> None:
    addressed(engine, people(engine, "kim"))
    claim(engine, [1])
    with pytest.raises(LeaseError, match="sent by another"):
        claim(engine, [1], "b", now=NOW + 5 * MINUTE - timedelta(milliseconds=1))
    claim(engine, [1], "b", now=NOW + 5 * MINUTE)
    with pytest.raises(LeaseError, match="lease was lost"), writing(engine) as connection:
        compose(connection, [1])
    with writing(engine) as connection:
        assert load_mails(connection) == []
        assert not mark_sent(connection, 1, owner="a", reasons={1: "x"}, note="by a", at=NOW)
        assert not mark_held(connection, [1], owner="a", reason="", at=NOW)
        assert not mark_failed(connection, [1], owner="a", error="550", at=NOW)
        assert not mark_retry(connection, [1], owner="a", error="451", at=NOW, due_at=NOW)
    assert (message(engine).state, message(engine).attempts) == ("pending", 0)
    lost = "the lease was lost meanwhile"
    assert deliveries(engine) == [
        ("sent", f"{lost}. by a"),
        ("failed", f"{lost}. 550"),
        ("retry", f"{lost}. 451"),
    ]


def test_mail_is_composed_of_all_or_of_nothing(engine: Engine) -> None:
    addressed(engine, people(engine, "kim"), number=2)
    claim(engine, [1])
    with pytest.raises(LeaseError), writing(engine) as connection:
        compose(connection, [1, 2])
    with reading(engine) as connection:
        assert load_mails(connection) == []
        assert {one.mail_id for one in load_notifications(connection)} == {None}


def test_message_that_is_addressed_again_tells_who_was_kept_from_it(engine: Engine) -> None:
    (kim,) = people(engine, "kim")
    addressed(engine, [kim])
    claim(engine, [1])
    with writing(engine) as connection:
        mark_held(connection, [1], owner="a", reason="hold_grouped", at=NOW)
        add_notifications(connection, 1, {kim: NOW + MINUTE})
        (again,) = load_notifications(connection)
    assert (again.state, again.reason, again.due_at) == ("pending", "", NOW + MINUTE)


def test_message_ids_differ_by_operator_and_follow_from_what_is_told() -> None:
    plain = "<incident.3f9a.alarm@x.example>"
    assert own_message_id(plain, None) == plain
    assert own_message_id(plain, 7) == "<incident.3f9a.alarm.o7@x.example>"
    group = group_message_id([plain, "<b@x.example>"], 7)
    assert group.endswith(".o7@x.example>")
    assert group == group_message_id([plain, "<b@x.example>"], 7)
    assert len({group, group_message_id([plain], 7), group_message_id([plain], 8)}) == 3
