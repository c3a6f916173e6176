"""Mails: what was composed of notifications, whom it went to, and what became of it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    ForeignKey,
    String,
    Text,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.errors import LeaseError
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.notifications import NotificationRow
from tankwatch.store.outbox import MessageState, OutboxRow, add_deliveries


class MailRow(Base):
    """A mail to one recipient, composed once: sent again, it is the same.

    `kind` is that of its message, or ``group`` where it tells of several.
    """

    __tablename__ = "mail"

    mail_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    message_id: Mapped[str] = mapped_column(String(200), unique=True)
    thread_id: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(16))
    operator_id: Mapped[int | None] = mapped_column(ForeignKey("operator.operator_id"), index=True)
    recipients: Mapped[str] = mapped_column(Text)
    composed_at: Mapped[datetime] = mapped_column(UtcTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcTime, index=True)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as the rest of the program knows it; `recipients` are addresses."""

    mail_id: int
    message_id: str
    thread_id: str
    kind: str
    operator_id: int | None
    recipients: tuple[str, ...]
    composed_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewMail:
    """A mail that is to be stored; see `Mail`."""

    message_id: str
    thread_id: str
    kind: str
    operator_id: int | None
    recipients: tuple[str, ...]


GROUP = "group"


def own_message_id(message_id: str, operator_id: int | None) -> str:
    """Return the Message-ID of an operator's own copy; that of the settings' addresses is plain."""
    if operator_id is None:
        return message_id
    name, _, domain = message_id.removesuffix(">").rpartition("@")
    return f"{name}.o{operator_id}@{domain}>"


def group_message_id(message_ids: Sequence[str], operator_id: int | None) -> str:
    """Return the Message-ID of a mail that tells of several messages: it follows from them."""
    digest = hashlib.sha256("\n".join(message_ids).encode()).hexdigest()[:24]
    domain = message_ids[0].removesuffix(">").rpartition("@")[2]
    return own_message_id(f"<group.{digest}@{domain}>", operator_id)


def compose_mail(
    connection: Connection,
    notification_ids: Sequence[int],
    new: NewMail,
    *,
    owner: str,
    at: datetime,
) -> Mail:
    """Store a mail of leased notifications and return it.

    Raises:
        LeaseError: the lease was lost.
    """
    row = {**asdict(new), "recipients": json.dumps(list(new.recipients)), "composed_at": at}
    made = insert(MailRow).values(row).returning(MailRow.mail_id)
    key = connection.execute(made).scalar_one()
    if _change(connection, notification_ids, owner, {"mail_id": key}) != len(notification_ids):
        message = f"{_LOST}: nothing is sent by this one"
        raise LeaseError(message)
    return load_mails(connection, ids=[key])[0]


def load_mails(connection: Connection, *, ids: Sequence[int] | None = None) -> list[Mail]:
    """Return mails in the order in which they were composed."""
    query = select(*MailRow.__table__.columns).order_by(MailRow.mail_id)
    if ids is not None:
        query = query.where(MailRow.mail_id.in_(ids))
    found = [dict(row._mapping) for row in connection.execute(query)]
    return [Mail(**{**row, "recipients": tuple(json.loads(row["recipients"]))}) for row in found]


def first_mail_id(connection: Connection, thread_id: str, operator_id: int | None) -> str | None:
    """Return the Message-ID of the first mail in which a recipient was told of a thread."""
    mine = (
        MailRow.operator_id.is_(None) if operator_id is None else MailRow.operator_id == operator_id
    )
    query = (
        select(MailRow.message_id)
        .join(NotificationRow, NotificationRow.mail_id == MailRow.mail_id)
        .join(OutboxRow, OutboxRow.outbox_id == NotificationRow.outbox_id)
        .where(OutboxRow.thread_id == thread_id, mine)
        .order_by(MailRow.mail_id)
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def load_last_sent(connection: Connection, *, since: datetime) -> dict[int | None, datetime]:
    """Return when the last mail about incidents left to each recipient, since some time."""
    last = func.max(MailRow.sent_at, type_=UtcTime()).label("at")
    query = select(MailRow.operator_id, last).group_by(MailRow.operator_id)
    told = query.where(MailRow.sent_at > since, MailRow.kind.not_in(UNHURRIED))
    return {row.operator_id: row.at for row in connection.execute(told)}


# Mails of the calendar, which neither wait for others nor keep others waiting.
UNHURRIED = ("digest", "report")


def mark_sent(
    connection: Connection,
    mail_id: int,
    *,
    owner: str,
    reasons: Mapping[int, str],
    note: str,
    at: datetime,
) -> bool:
    """Note that a mail was handed over, why each notification is in it, and who was refused.

    Like every mark, it is refused to whoever does not hold the lease any more; returns whether it
    was made.  The try is noted all the same.
    """
    values: dict[str, Any] = {
        "state": MessageState.SENT.value,
        "sent_at": at,
        "attempts": NotificationRow.attempts + 1,
        "leased_until": None,
        "last_error": "",
    }
    changed = 0
    for reason in dict.fromkeys(reasons.values()):
        ids = [key for key, why in reasons.items() if why == reason]
        changed += _change(connection, ids, owner, {**values, "reason": reason})
    is_mine = changed > 0
    if is_mine:
        change = update(MailRow).where(MailRow.mail_id == mail_id, MailRow.sent_at.is_(None))
        connection.execute(change.values(sent_at=at))
    _settle(connection, list(reasons), at, "sent", note if is_mine else f"{_LOST}. {note}")
    return is_mine


def mark_held(
    connection: Connection,
    notification_ids: Sequence[int],
    *,
    owner: str,
    reason: str,
    at: datetime,
) -> int:
    """Note that policy keeps a recipient from being told; return of how many the lease held."""
    values = {"state": MessageState.HELD.value, "reason": reason, "leased_until": None}
    changed = _change(connection, notification_ids, owner, {**values, "mail_id": None})
    if changed:
        _settle(connection, notification_ids, at, "held", reason)
    return changed


def mark_retry(
    connection: Connection,
    notification_ids: Sequence[int],
    *,
    owner: str,
    error: str,
    at: datetime,
    due_at: datetime,
) -> bool:
    """Note a failed try and when the next is due; return whether the lease still held."""
    values = {
        "attempts": NotificationRow.attempts + 1,
        "due_at": due_at,
        "leased_until": None,
        "last_error": error,
    }
    is_mine = _change(connection, notification_ids, owner, values) > 0
    _settle(connection, notification_ids, at, "retry", error if is_mine else f"{_LOST}. {error}")
    return is_mine


def mark_failed(
    connection: Connection, notification_ids: Sequence[int], *, owner: str, error: str, at: datetime
) -> bool:
    """Note that a mail is given up; return whether the lease still held.

    Its notifications stay, and their messages are shown by `tankwatch status`.
    """
    values = {
        "state": MessageState.FAILED.value,
        "attempts": NotificationRow.attempts + 1,
        "leased_until": None,
        "last_error": error,
    }
    is_mine = _change(connection, notification_ids, owner, values) > 0
    _settle(connection, notification_ids, at, "failed", error if is_mine else f"{_LOST}. {error}")
    return is_mine


_LOST = "the lease was lost meanwhile"


def _change(
    connection: Connection, ids: Sequence[int], owner: str, values: Mapping[str, Any]
) -> int:
    """Change notifications that are leased by `owner`, and return how many that were."""
    mine = (
        NotificationRow.notification_id.in_(ids),
        NotificationRow.leased_by == owner,
        NotificationRow.state == MessageState.PENDING.value,
    )
    return connection.execute(update(NotificationRow).where(*mine).values(**values)).rowcount


def _settle(
    connection: Connection, ids: Sequence[int], at: datetime, outcome: str, detail: str
) -> None:
    """Note a try, and let each message stand as those stand who are told of it at once."""
    query = select(NotificationRow.outbox_id).where(NotificationRow.notification_id.in_(ids))
    keys = list(dict.fromkeys(connection.execute(query).scalars()))
    add_deliveries(connection, keys, at, outcome, detail)
    columns = [NotificationRow.__table__.columns[name] for name in _SETTLED_BY]
    of_these = select(*columns).where(NotificationRow.outbox_id.in_(keys))
    at_once = of_these.where(NotificationRow.after_s == 0)
    rows = connection.execute(at_once.order_by(NotificationRow.notification_id)).all()
    for key in keys:
        mine = [row for row in rows if row.outbox_id == key]
        if not mine:
            continue
        waiting = (OutboxRow.outbox_id == key, OutboxRow.state == MessageState.PENDING.value)
        connection.execute(update(OutboxRow).where(*waiting).values(_standing(mine)))


_SETTLED_BY = ("outbox_id", "state", "reason", "attempts", "sent_at", "last_error")


def _standing(rows: Sequence[Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "attempts": max(row.attempts for row in rows),
        "last_error": next((row.last_error for row in rows if row.last_error), ""),
    }
    states = [row.state for row in rows]
    if MessageState.PENDING.value in states:
        return values
    for state in (MessageState.SENT, MessageState.FAILED, MessageState.HELD):
        if state.value in states:
            first = rows[states.index(state.value)]
            return {
                **values,
                "state": state.value,
                "reason": first.reason,
                "sent_at": first.sent_at,
            }
    return values
