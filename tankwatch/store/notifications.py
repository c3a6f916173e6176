"""Whom a message is told: one notification a recipient, leased, sent in a mail, then marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.gathering import Waiting
from tankwatch.core.incident import MessageKind
from tankwatch.core.routing import ChosenBy
from tankwatch.errors import LeaseError
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.outbox import MessageState, OutboxRow


class NotificationRow(Base):
    """A message for one recipient: an operator, or the addresses of the settings (no operator)."""

    __tablename__ = "notification"
    __table_args__ = (
        UniqueConstraint("outbox_id", "operator_id"),
        Index("ix_notification_state_due_at", "state", "due_at"),
    )

    notification_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.outbox_id"), index=True)
    operator_id: Mapped[int | None] = mapped_column(ForeignKey("operator.operator_id"), index=True)
    route_id: Mapped[int | None] = mapped_column(ForeignKey("route.route_id"))
    chosen_by: Mapped[str] = mapped_column(String(24))
    after_s: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(60))
    attempts: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(UtcTime)
    leased_by: Mapped[str | None] = mapped_column(String(120))
    leased_until: Mapped[datetime | None] = mapped_column(UtcTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcTime)
    mail_id: Mapped[int | None] = mapped_column(ForeignKey("mail.mail_id"), index=True)
    last_error: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who is chosen to be told of a message, why, and after what time."""

    operator_id: int | None
    route_id: int | None
    chosen_by: ChosenBy
    after_s: int


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification as the rest of the program knows it."""

    notification_id: int
    outbox_id: int
    operator_id: int | None
    chosen_by: ChosenBy
    after_s: int
    state: MessageState
    reason: str
    attempts: int
    due_at: datetime
    sent_at: datetime | None
    mail_id: int | None
    last_error: str


def add_notifications(
    connection: Connection, outbox_id: int, due: Mapping[Recipient, datetime]
) -> None:
    """Address a message to recipients, each due at its time.

    One who was kept from being told of it before, since it was held, is told now.
    """
    query = select(NotificationRow.operator_id, NotificationRow.notification_id)
    rows = connection.execute(query.where(NotificationRow.outbox_id == outbox_id))
    known = {row.operator_id: row.notification_id for row in rows}
    for recipient, at in due.items():
        values = {
            "outbox_id": outbox_id,
            "operator_id": recipient.operator_id,
            "route_id": recipient.route_id,
            "chosen_by": recipient.chosen_by.value,
            "after_s": recipient.after_s,
            "state": MessageState.PENDING.value,
            "reason": "",
            "attempts": 0,
            "due_at": at,
            "last_error": "",
        }
        if recipient.operator_id in known:
            mine = NotificationRow.notification_id == known[recipient.operator_id]
            connection.execute(update(NotificationRow).where(mine).values(values))
        else:
            connection.execute(insert(NotificationRow).values(values))


def load_waiting(connection: Connection, *, now: datetime) -> list[Waiting]:
    """Return every notification that is neither sent nor held nor given up."""
    query = (
        select(
            NotificationRow.notification_id,
            NotificationRow.operator_id,
            NotificationRow.chosen_by,
            OutboxRow.thread_id,
            NotificationRow.mail_id,
            NotificationRow.due_at,
            NotificationRow.leased_until,
        )
        .join(OutboxRow, OutboxRow.outbox_id == NotificationRow.outbox_id)
        .where(NotificationRow.state == MessageState.PENDING.value)
        .order_by(NotificationRow.notification_id)
    )
    return [
        Waiting(
            notification_id=row.notification_id,
            recipient=row.operator_id,
            is_gathered=ChosenBy(row.chosen_by).is_gathered,
            thread_id=row.thread_id,
            mail_id=row.mail_id,
            due_at=row.due_at,
            is_free=row.leased_until is None or row.leased_until <= now,
        )
        for row in connection.execute(query)
    ]


def claim_notifications(
    connection: Connection, ids: Sequence[int], *, owner: str, now: datetime, until: datetime
) -> list[Notification]:
    """Lease notifications that leave together and return them.

    The lease is a conditional update: whoever changes all of the rows has them.

    Raises:
        LeaseError: somebody else has one of them.
    """
    free = (
        NotificationRow.notification_id.in_(ids),
        NotificationRow.state == MessageState.PENDING.value,
        or_(NotificationRow.leased_until.is_(None), NotificationRow.leased_until <= now),
    )
    change = update(NotificationRow).where(*free).values(leased_by=owner, leased_until=until)
    if connection.execute(change).rowcount != len(ids):
        message = "what was to leave together is being sent by another"
        raise LeaseError(message)
    return load_notifications(connection, ids=ids)


def load_notifications(
    connection: Connection,
    *,
    ids: Sequence[int] | None = None,
    incident_ids: Sequence[int] | None = None,
) -> list[Notification]:
    """Return notifications in the order in which they were made."""
    columns = [NotificationRow.__table__.columns[name] for name in Notification.__slots__]
    query = select(*columns).order_by(NotificationRow.notification_id)
    if ids is not None:
        query = query.where(NotificationRow.notification_id.in_(ids))
    if incident_ids is not None:
        query = query.join(OutboxRow, OutboxRow.outbox_id == NotificationRow.outbox_id)
        query = query.where(OutboxRow.incident_id.in_(incident_ids))
    return [_notification(dict(row._mapping)) for row in connection.execute(query)]


def recipients_of(
    connection: Connection, incident_ids: Sequence[int], kind: MessageKind
) -> list[Recipient]:
    """Return who was told, or is still to be told at once, of incidents by messages of a kind."""
    query = (
        select(NotificationRow.operator_id, NotificationRow.chosen_by)
        .join(OutboxRow, OutboxRow.outbox_id == NotificationRow.outbox_id)
        .where(
            OutboxRow.incident_id.in_(incident_ids),
            OutboxRow.kind == kind.value,
            (NotificationRow.state == MessageState.SENT.value)
            | (NotificationRow.state == MessageState.PENDING.value)
            & (NotificationRow.after_s == 0),
        )
        .order_by(NotificationRow.notification_id)
    )
    found: dict[int | None, Recipient] = {}
    for operator_id, chosen_by in connection.execute(query):
        is_plain = ChosenBy(chosen_by) is ChosenBy.NO_ROUTES
        why = ChosenBy.NO_ROUTES if is_plain else ChosenBy.WAS_TOLD
        found.setdefault(operator_id, Recipient(operator_id, None, why, 0))
    return list(found.values())


def was_told(
    connection: Connection,
    incident_ids: Sequence[int],
    kind: MessageKind,
    operator_id: int | None,
    *,
    since: datetime | None = None,
) -> bool:
    """Return whether a recipient was sent a message of this kind about incidents, since a time."""
    query = (
        select(NotificationRow.notification_id)
        .join(OutboxRow, OutboxRow.outbox_id == NotificationRow.outbox_id)
        .where(
            OutboxRow.incident_id.in_(incident_ids),
            OutboxRow.kind == kind.value,
            NotificationRow.state == MessageState.SENT.value,
            NotificationRow.operator_id.is_(None)
            if operator_id is None
            else NotificationRow.operator_id == operator_id,
        )
    )
    if since is not None:
        query = query.where(NotificationRow.sent_at >= since)
    return connection.execute(query.limit(1)).first() is not None


def _notification(row: Mapping[str, Any]) -> Notification:
    kept = {**row, "chosen_by": ChosenBy(row["chosen_by"]), "state": MessageState(row["state"])}
    return Notification(**kept)
