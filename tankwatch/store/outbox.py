"""Messages that wait to be sent, and each try: leased, sent, then marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Connection,
    ForeignKey,
    Index,
    String,
    Text,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column

from tankwatch.core.incident import MessageKind
from tankwatch.store.base import Base, RowId, UtcTime


class MessageState(StrEnum):
    """Where a message stands."""

    PENDING = "pending"
    SENT = "sent"
    HELD = "held"
    FAILED = "failed"


class OutboxRow(Base):
    """A message about an incident, written in the transaction that changed the incident.

    From `addressed_at` on it has a notification for each who is told; it is sent, held or failed as
    those are that leave at once.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_state_next_attempt_at", "state", "next_attempt_at"),
        Index("ix_outbox_incident_id_state", "incident_id", "state"),
        Index("ix_outbox_kind_incident_id", "kind", "incident_id"),
    )

    outbox_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incident.incident_id"))
    kind: Mapped[str] = mapped_column(String(16))
    message_id: Mapped[str] = mapped_column(String(200), unique=True)
    thread_id: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(60))
    attempts: Mapped[int]
    queued_at: Mapped[datetime] = mapped_column(UtcTime)
    next_attempt_at: Mapped[datetime] = mapped_column(UtcTime)
    leased_by: Mapped[str | None] = mapped_column(String(120))
    leased_until: Mapped[datetime | None] = mapped_column(UtcTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_error: Mapped[str] = mapped_column(Text)
    addressed_at: Mapped[datetime | None] = mapped_column(UtcTime)


class DeliveryRow(Base):
    """One try to send a message."""

    __tablename__ = "delivery"

    delivery_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.outbox_id"), index=True)
    at: Mapped[datetime] = mapped_column(UtcTime)
    outcome: Mapped[str] = mapped_column(String(12))
    detail: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message as the rest of the program knows it."""

    outbox_id: int
    incident_id: int
    kind: MessageKind
    message_id: str
    thread_id: str
    state: MessageState
    reason: str
    attempts: int
    queued_at: datetime
    sent_at: datetime | None
    last_error: str


def queue_message(
    connection: Connection,
    incident_id: int,
    uid: str,
    *,
    kind: MessageKind,
    domain: str,
    at: datetime,
    due: datetime | None = None,
    number: int = 1,
) -> None:
    """Queue a message; its Message-ID follows from the incident, so a repeat is the same.

    It leaves at `due`, by default at once.  `number` is above 1 for a further message of its kind,
    of an incident that goes on after all.
    """
    first = MessageKind.SITE_ALARM if kind.is_of_site else MessageKind.ALARM
    own, thread = message_id(uid, kind, domain, number), message_id(uid, first, domain)
    queue_reply(connection, incident_id, own, thread, kind=kind, at=at, due=due)


def queue_reply(
    connection: Connection,
    incident_id: int,
    own_id: str,
    thread_id: str,
    *,
    kind: MessageKind,
    at: datetime,
    due: datetime | None = None,
    reason: str = "",
) -> None:
    """Queue a message under the alarm of another incident; see `queue_message`.

    `reason` says why it is let through, where policy would keep it otherwise.
    """
    row = {
        "incident_id": incident_id,
        "kind": kind.value,
        "message_id": own_id,
        "thread_id": thread_id,
        "state": MessageState.PENDING.value,
        "reason": reason,
        "attempts": 0,
        "queued_at": at,
        "next_attempt_at": due or at,
        "last_error": "",
    }
    connection.execute(insert(OutboxRow).values(row))


def first_kind(kind: MessageKind) -> MessageKind:
    """Return the kind of the message of which one of this kind tells more."""
    if kind in {MessageKind.CHATTERING, MessageKind.SETTLED}:
        return MessageKind.CHATTERING
    return MessageKind.SITE_ALARM if kind.is_of_site else MessageKind.ALARM


def message_id(uid: str, kind: MessageKind, domain: str, number: int = 1) -> str:
    """Return the RFC 5322 Message-ID of an incident's message, the `number`-th of its kind."""
    which = "" if number == 1 else f".{number}"
    return f"<incident.{uid}.{kind.value}{which}@{domain}>"


def claim_message(
    connection: Connection, *, owner: str, now: datetime, until: datetime
) -> QueuedMessage | None:
    """Lease the oldest message that is due and addressed to nobody yet; None if there is none.

    The lease is a conditional update: whoever changes the row has the message.
    """
    alarm = aliased(OutboxRow)
    # An all-clear waits for its alarm: it goes to whoever was told of that.
    alarm_waits = exists().where(
        alarm.message_id == OutboxRow.thread_id,
        alarm.outbox_id != OutboxRow.outbox_id,
        alarm.state == MessageState.PENDING.value,
        alarm.addressed_at.is_(None),
    )
    free = or_(OutboxRow.leased_until.is_(None), OutboxRow.leased_until <= now)
    due = (
        OutboxRow.state == MessageState.PENDING.value,
        OutboxRow.next_attempt_at <= now,
        OutboxRow.addressed_at.is_(None),
        free,
        ~alarm_waits,
    )
    oldest = select(OutboxRow.outbox_id).where(*due).order_by(OutboxRow.outbox_id).limit(1)
    while (key := connection.execute(oldest).scalar_one_or_none()) is not None:
        change = update(OutboxRow).where(OutboxRow.outbox_id == key, *due)
        if connection.execute(change.values(leased_by=owner, leased_until=until)).rowcount:
            return load_messages(connection, ids=[key])[0]
    return None


def mark_addressed(connection: Connection, outbox_id: int, *, owner: str, at: datetime) -> bool:
    """Note that a message has a notification for each who is told.

    Like every mark, it is refused to whoever does not hold the lease any more; returns whether it
    was made.
    """
    return _mark(connection, outbox_id, owner, {"addressed_at": at, "leased_until": None})


def mark_held(
    connection: Connection, outbox_id: int, *, owner: str, reason: str, at: datetime
) -> bool:
    """Note that policy keeps a message from everybody; return whether the lease still held."""
    values = {"state": MessageState.HELD.value, "reason": reason, "leased_until": None}
    is_mine = _mark(connection, outbox_id, owner, values)
    if is_mine:
        add_deliveries(connection, [outbox_id], at, "held", reason)
    return is_mine


def was_sent(connection: Connection, incident_id: int, kind: MessageKind) -> bool:
    """Return whether a message of this kind about an incident was handed over."""
    sent = (OutboxRow.kind == kind.value, OutboxRow.state == MessageState.SENT.value)
    query = select(OutboxRow.outbox_id).where(OutboxRow.incident_id == incident_id, *sent)
    return connection.execute(query.limit(1)).first() is not None


def count_of_kind(connection: Connection, incident_id: int, kind: MessageKind) -> int:
    """Return how many messages of this kind about an incident were queued."""
    mine = (OutboxRow.incident_id == incident_id, OutboxRow.kind == kind.value)
    return connection.execute(select(func.count()).where(*mine)).scalar_one()


def count_messages(connection: Connection) -> dict[MessageState, int]:
    """Return how many messages stand in each state."""
    query = select(OutboxRow.state, func.count()).group_by(OutboxRow.state)
    counted = {MessageState(state): count for state, count in connection.execute(query)}
    return {state: counted.get(state, 0) for state in MessageState}


def load_messages(
    connection: Connection,
    *,
    ids: Sequence[int] | None = None,
    state: MessageState | None = None,
) -> list[QueuedMessage]:
    """Return messages in the order in which they were queued."""
    query = select(
        OutboxRow.outbox_id,
        OutboxRow.incident_id,
        OutboxRow.kind,
        OutboxRow.message_id,
        OutboxRow.thread_id,
        OutboxRow.state,
        OutboxRow.reason,
        OutboxRow.attempts,
        OutboxRow.queued_at,
        OutboxRow.sent_at,
        OutboxRow.last_error,
    ).order_by(OutboxRow.outbox_id)
    if ids is not None:
        query = query.where(OutboxRow.outbox_id.in_(ids))
    if state is not None:
        query = query.where(OutboxRow.state == state.value)
    return [
        QueuedMessage(
            key, incident, MessageKind(kind), message, thread, MessageState(stands), *rest
        )
        for key, incident, kind, message, thread, stands, *rest in connection.execute(query)
    ]


def _mark(connection: Connection, outbox_id: int, owner: str, values: Mapping[str, Any]) -> bool:
    """Change a message that is leased by `owner`, and return whether it was."""
    mine = (
        OutboxRow.outbox_id == outbox_id,
        OutboxRow.leased_by == owner,
        OutboxRow.state == MessageState.PENDING.value,
    )
    return connection.execute(update(OutboxRow).where(*mine).values(**values)).rowcount == 1


def add_deliveries(
    connection: Connection, outbox_ids: Sequence[int], at: datetime, outcome: str, detail: str
) -> None:
    """Note a try to send messages, or why they are not sent."""
    rows = [
        {"outbox_id": key, "at": at, "outcome": outcome, "detail": detail} for key in outbox_ids
    ]
    if rows:
        connection.execute(insert(DeliveryRow), rows)
