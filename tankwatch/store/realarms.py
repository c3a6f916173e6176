"""What was told last of each alarm, and how often again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from tankwatch.core.incident import IncidentState, MessageKind
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.outbox import MessageState, OutboxRow, QueuedMessage
from tankwatch.store.pushes import PushRow
from tankwatch.store.siblings import SiteIncidentRow, SiteMemberRow

_CHAIN = tuple(
    kind.value for kind in MessageKind if kind.is_trouble and kind is not MessageKind.CHATTERING
)


@dataclass(frozen=True, slots=True)
class LastTold:
    """The last message that told of an alarm: when it left, by mail or by a channel beside it.

    `repeats` counts how often the alarm was told again since.
    """

    outbox_id: int
    thread_id: str
    told_at: datetime
    repeats: int


def load_last_told(connection: Connection, *, since: datetime) -> list[LastTold]:
    """Return what was told last of each alarm that stands unacknowledged or was raised lately.

    An alarm of which the last message waits, or was held, is left out.
    """
    of_site = (
        select(SiteMemberRow.incident_id)
        .join(SiteIncidentRow, SiteIncidentRow.site_incident_id == SiteMemberRow.site_incident_id)
        .where(SiteIncidentRow.ended_at.is_(None))
    )
    stands = and_(
        IncidentRow.state == IncidentState.UNACKNOWLEDGED.value, IncidentRow.ended_at.is_(None)
    )
    pushed_at = (
        select(func.min(PushRow.sent_at))
        .where(PushRow.outbox_id == OutboxRow.outbox_id)
        .scalar_subquery()
    )
    query = (
        select(
            OutboxRow.outbox_id,
            OutboxRow.thread_id,
            OutboxRow.kind,
            OutboxRow.state,
            OutboxRow.queued_at,
            OutboxRow.sent_at,
            pushed_at.label("pushed_at"),
        )
        .join(IncidentRow, IncidentRow.incident_id == OutboxRow.incident_id)
        .where(
            OutboxRow.kind.in_(_CHAIN),
            or_(stands, IncidentRow.raised_at > since, IncidentRow.incident_id.in_(of_site)),
        )
        .order_by(OutboxRow.thread_id, OutboxRow.outbox_id)
    )
    rows = connection.execute(query).all()
    return sorted(_last_told(rows), key=attrgetter("outbox_id"))


def _last_told(rows: Any) -> Iterator[LastTold]:
    left = (MessageState.SENT.value, MessageState.FAILED.value)
    for thread, group in groupby(rows, key=attrgetter("thread_id")):
        chain = _latest(list(group))
        last, again = chain[-1], [row for row in chain if MessageKind(row.kind).is_realarm]
        if last.state == MessageState.PENDING.value:
            continue
        at = last.sent_at or last.pushed_at
        if at is None and last in again and last.state == MessageState.FAILED.value:
            at = last.queued_at  # that a repeat was given up is no reason to fall silent
        if at is not None:
            yield LastTold(last.outbox_id, thread, at, sum(row.state in left for row in again))


def _latest(chain: Sequence[Any]) -> Sequence[Any]:
    """Return a thread from its last alarm on: what got worse, or goes on after all, counts anew."""
    firsts = [index for index, row in enumerate(chain) if not MessageKind(row.kind).is_realarm]
    return chain[max(firsts, default=0) :]


def claim_repeat(connection: Connection, one: LastTold) -> int | None:
    """Return the number of the repeat that is due; None if another has queued it meanwhile.

    The message that was told last is locked until the commit, so that only one queues the next.
    """
    last = select(OutboxRow.outbox_id).where(OutboxRow.outbox_id == one.outbox_id)
    connection.execute(last.with_for_update()).one()
    chain = (OutboxRow.thread_id == one.thread_id, OutboxRow.kind.in_(_CHAIN))
    rows = connection.execute(select(OutboxRow.outbox_id, OutboxRow.kind).where(*chain)).all()
    if any(row.outbox_id > one.outbox_id for row in rows):
        return None
    return sum(MessageKind(row.kind).is_realarm for row in rows) + 1


def load_repeat(connection: Connection, message: QueuedMessage) -> tuple[int, datetime | None]:
    """Return which repeat a message is, and when its alarm was told first by mail."""
    query = select(OutboxRow.kind, OutboxRow.sent_at).where(
        OutboxRow.thread_id == message.thread_id,
        OutboxRow.kind.in_(_CHAIN),
        OutboxRow.outbox_id <= message.outbox_id,
    )
    rows = _latest(connection.execute(query.order_by(OutboxRow.outbox_id)).all())
    number = sum(MessageKind(row.kind).is_realarm for row in rows)
    return number, next((row.sent_at for row in rows if row.sent_at is not None), None)
