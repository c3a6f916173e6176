"""Alarms that wait for their siblings, are held for them, or must not wait any longer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, exists, or_, select, update
from sqlalchemy.orm import aliased

from tankwatch.core.incident import IncidentState, MessageKind
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.notifications import NotificationRow
from tankwatch.store.outbox import MessageState, OutboxRow, add_deliveries

HOLD_GROUPED: Final = "hold_grouped"
HOLD_CHATTERING: Final = "hold_chattering"
URGENT: Final = "urgent"
WORSENED: Final = "worsened"
AFTER_MUTE: Final = "after_mute"
AFTER_CHATTER: Final = "after_chatter"


def hold_alarms(connection: Connection, incident_ids: Sequence[int], *, at: datetime) -> None:
    """Keep the alarms of incidents that belong to one of their site from being sent.

    One of which a mail was composed, or that must not wait, is left alone.
    """
    composed = exists().where(
        NotificationRow.outbox_id == OutboxRow.outbox_id,
        NotificationRow.mail_id.is_not(None) | (NotificationRow.leased_until > at),
    )
    query = select(OutboxRow.outbox_id).where(
        OutboxRow.incident_id.in_(incident_ids),
        OutboxRow.kind == MessageKind.ALARM.value,
        OutboxRow.state == MessageState.PENDING.value,
        OutboxRow.reason.not_in([URGENT, WORSENED]),
        or_(OutboxRow.leased_until.is_(None), OutboxRow.leased_until <= at),
        ~composed,
    )
    keys = connection.execute(query).scalars().all()
    if not keys:
        return
    change = update(OutboxRow).where(OutboxRow.outbox_id.in_(keys))
    connection.execute(change.values(state=MessageState.HELD.value, reason=HOLD_GROUPED))
    add_deliveries(connection, keys, at, "held", HOLD_GROUPED)


def hurry_alarm(connection: Connection, incident_id: int, *, at: datetime) -> None:
    """Have an incident's alarm sent now, though it waits for siblings or was held for them.

    Nor is it one more turn of what comes and goes, if something else has joined it.
    """
    mine = (
        OutboxRow.incident_id == incident_id,
        OutboxRow.kind == MessageKind.ALARM.value,
    )
    waits = (OutboxRow.state == MessageState.PENDING.value, OutboxRow.attempts == 0)
    # One that was let through for another reason leaves at once as it is.
    change = update(OutboxRow).where(*mine, *waits, OutboxRow.reason == "")
    connection.execute(change.values(reason=URGENT, next_attempt_at=at))
    held = (
        OutboxRow.state == MessageState.HELD.value,
        OutboxRow.reason.in_([HOLD_GROUPED, HOLD_CHATTERING]),
    )
    values = {
        "state": MessageState.PENDING.value,
        "reason": URGENT,
        "queued_at": at,
        "next_attempt_at": at,
        "addressed_at": None,
    }
    connection.execute(update(OutboxRow).where(*mine, *held).values(values))


def load_held_alarms(connection: Connection, reasons: Sequence[str]) -> list[int]:
    """Return the messages of alarms that stand unacknowledged and are held for one of `reasons`.

    A repeat of an alarm is one of them.

    Of several alarms of an incident the last counts.
    """
    later = aliased(OutboxRow)
    query = (
        select(OutboxRow.outbox_id)
        .join(IncidentRow, IncidentRow.incident_id == OutboxRow.incident_id)
        .where(
            OutboxRow.state == MessageState.HELD.value,
            OutboxRow.reason.in_(reasons),
            OutboxRow.kind.in_([kind.value for kind in MessageKind if kind.is_trouble]),
            OutboxRow.kind != MessageKind.CHATTERING.value,
            # A site's goes on while one of its tanks does, whichever that is.
            OutboxRow.kind.in_([MessageKind.SITE_ALARM.value, MessageKind.SITE_REALARM.value])
            # What latched while it was muted still waits for somebody.
            | IncidentRow.state.in_(
                [IncidentState.UNACKNOWLEDGED.value, IncidentState.LATCHED_UNACKNOWLEDGED.value]
            ),
            ~exists().where(
                later.incident_id == OutboxRow.incident_id,
                later.kind == OutboxRow.kind,
                later.outbox_id > OutboxRow.outbox_id,
            ),
        )
        .order_by(OutboxRow.outbox_id)
    )
    return list(connection.execute(query).scalars())


def release_alarm(
    connection: Connection, outbox_id: int, *, at: datetime, reason: str = AFTER_MUTE
) -> int:
    """Queue a message again that was held, as of now; return 1, or 0 if it is held no more."""
    held = (OutboxRow.outbox_id == outbox_id, OutboxRow.state == MessageState.HELD.value)
    values = {
        "state": MessageState.PENDING.value,
        "reason": reason,
        "queued_at": at,
        "next_attempt_at": at,
        "addressed_at": None,
    }
    return connection.execute(update(OutboxRow).where(*held).values(values)).rowcount


def hold_queued(connection: Connection, queued_id: str, *, reason: str, at: datetime) -> None:
    """Hold a message that was queued just now, known by its Message-ID."""
    mine = (OutboxRow.message_id == queued_id, OutboxRow.state == MessageState.PENDING.value)
    change = update(OutboxRow).where(*mine).values(state=MessageState.HELD.value, reason=reason)
    keys = connection.execute(change.returning(OutboxRow.outbox_id)).scalars().all()
    add_deliveries(connection, keys, at, "held", reason)


def free_messages(connection: Connection, owner: str, *, at: datetime) -> int:
    """Free what `owner`, who sends no more, had leased; return how many messages that were.

    What was being sent is sent again with the same Message-ID: it may not have left.
    """
    mine = (OutboxRow.leased_by == owner, OutboxRow.leased_until > at)
    waiting = OutboxRow.state == MessageState.PENDING.value
    change = update(OutboxRow).where(*mine, waiting).values(leased_until=at)
    theirs = (NotificationRow.leased_by == owner, NotificationRow.leased_until > at)
    leaving = NotificationRow.state == MessageState.PENDING.value
    told = update(NotificationRow).where(*theirs, leaving).values(leased_until=at)
    return connection.execute(change).rowcount + connection.execute(told).rowcount


def is_queued(connection: Connection, queued_message_id: str) -> bool:
    """Return whether a message with this Message-ID was ever queued."""
    query = select(OutboxRow.outbox_id).where(OutboxRow.message_id == queued_message_id)
    return connection.execute(query).first() is not None
