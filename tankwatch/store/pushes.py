"""What channels beside mail are told: one row a message and channel, leased, sent, marked."""

from collections.abc import Sequence
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
    and_,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.incident import MessageKind
from tankwatch.errors import LeaseError
from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.outbox import MessageState, OutboxRow
from tankwatch.store.outbox_hold import HOLD_GROUPED


class PushRow(Base):
    """A message for one channel of the settings."""

    __tablename__ = "push"
    __table_args__ = (
        UniqueConstraint("outbox_id", "channel"),
        Index("ix_push_channel_state_due_at", "channel", "state", "due_at"),
    )

    push_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.outbox_id"))
    channel: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(60))
    attempts: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime] = mapped_column(UtcTime)
    leased_by: Mapped[str | None] = mapped_column(String(120))
    leased_until: Mapped[datetime | None] = mapped_column(UtcTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_error: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class Push:
    """A message for a channel as the rest of the program knows it."""

    push_id: int
    outbox_id: int
    channel: str
    state: MessageState
    reason: str
    attempts: int
    due_at: datetime
    sent_at: datetime | None
    last_error: str


def add_pushes(connection: Connection, channel: str, *, since: datetime, now: datetime) -> None:
    """Put down for a channel every message that is due and was queued from `since` on.

    What waits for siblings, or is told with them, is left to the message of its site.
    """
    is_grouped = and_(OutboxRow.state == MessageState.HELD.value, OutboxRow.reason == HOLD_GROUPED)
    known = exists().where(PushRow.outbox_id == OutboxRow.outbox_id, PushRow.channel == channel)
    fields: dict[str, Any] = {
        "channel": literal(channel),
        "state": literal(MessageState.PENDING.value),
        "reason": literal(""),
        "attempts": literal(0),
        "due_at": literal(now, UtcTime),
        "last_error": literal(""),
    }
    fresh = (
        select(OutboxRow.outbox_id, *fields.values())
        .where(
            OutboxRow.state.in_([state.value for state in MessageState]),
            OutboxRow.next_attempt_at.between(since, now) | OutboxRow.addressed_at.is_not(None),
            OutboxRow.queued_at >= since,
            ~is_grouped,
            ~known,
        )
        .order_by(OutboxRow.outbox_id)
    )
    connection.execute(insert(PushRow).from_select(["outbox_id", *fields], fresh))


def load_due(connection: Connection, channel: str, *, now: datetime) -> list[Push]:
    """Return what may leave for a channel now, in the order in which it was put down."""
    free = or_(PushRow.leased_until.is_(None), PushRow.leased_until <= now)
    due = (PushRow.state == MessageState.PENDING.value, PushRow.due_at <= now, free)
    return _load(connection, PushRow.channel == channel, *due)


def load_pushes(connection: Connection, *, state: MessageState | None = None) -> list[Push]:
    """Return what channels were or are to be told, or what of it stands in a state."""
    return _load(connection) if state is None else _load(connection, PushRow.state == state.value)


def last_sent_at(connection: Connection, channel: str) -> datetime | None:
    """Return when a channel was told something last."""
    query = select(func.max(PushRow.sent_at)).where(PushRow.channel == channel)
    return connection.execute(query).scalar_one_or_none()


def claim_pushes(
    connection: Connection, ids: Sequence[int], *, owner: str, now: datetime, until: datetime
) -> None:
    """Lease what leaves together; whoever changes all of the rows has them.

    Raises:
        LeaseError: somebody else has one of them.
    """
    free = (
        PushRow.push_id.in_(ids),
        PushRow.state == MessageState.PENDING.value,
        or_(PushRow.leased_until.is_(None), PushRow.leased_until <= now),
    )
    change = update(PushRow).where(*free).values(leased_by=owner, leased_until=until)
    if connection.execute(change).rowcount != len(ids):
        message = "what was to leave together is being sent by another"
        raise LeaseError(message)


def free_pushes(connection: Connection, owner: str, *, at: datetime) -> int:
    """Free what `owner`, who tells no more, had leased; return how many that were."""
    theirs = (
        PushRow.leased_by == owner,
        PushRow.leased_until > at,
        PushRow.state == MessageState.PENDING.value,
    )
    return connection.execute(update(PushRow).where(*theirs).values(leased_until=at)).rowcount


def mark_pushes(connection: Connection, ids: Sequence[int], *, owner: str, **values: Any) -> int:
    """Change what `owner` has leased and let go of it; return how many rows were still theirs."""
    mine = (
        PushRow.push_id.in_(ids),
        PushRow.leased_by == owner,
        PushRow.state == MessageState.PENDING.value,
    )
    change = update(PushRow).where(*mine).values(leased_until=None, **values)
    return connection.execute(change).rowcount


def was_pushed(
    connection: Connection, channel: str, incident_ids: Sequence[int], kind: MessageKind
) -> bool:
    """Return whether a channel was told of incidents by a message of a kind."""
    query = (
        select(PushRow.push_id)
        .join(OutboxRow, OutboxRow.outbox_id == PushRow.outbox_id)
        .where(
            PushRow.channel == channel,
            PushRow.state == MessageState.SENT.value,
            OutboxRow.incident_id.in_(incident_ids),
            OutboxRow.kind == kind.value,
        )
    )
    return connection.execute(query.limit(1)).first() is not None


def _load(connection: Connection, *where: Any) -> list[Push]:
    columns = [PushRow.__table__.columns[name] for name in Push.__slots__]
    query = select(*columns).where(*where).order_by(PushRow.push_id)
    rows = [dict(row._mapping) for row in connection.execute(query)]
    return [Push(**{**row, "state": MessageState(row["state"])}) for row in rows]
