"""What goes in and out of late: messages by their state, and rows that were refused."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from tankwatch.store.intake import QuarantineRow
from tankwatch.store.notifications import NotificationRow
from tankwatch.store.pushes import PushRow


@dataclass(frozen=True, slots=True)
class MessageCount:
    """Messages of one way in one state; `oldest` is when the first of them was due."""

    way: str
    state: str
    count: int
    oldest: datetime


def load_message_counts(connection: Connection, *, since: datetime) -> list[MessageCount]:
    """Return the messages to operators and channels that were due since a moment, by state."""
    found = []
    for way, table in (("mail", NotificationRow), ("channel", PushRow)):
        query = (
            select(table.state, func.count(), func.min(table.due_at))
            .where(table.due_at >= since)
            .group_by(table.state)
            .order_by(table.state)
        )
        found += [MessageCount(way, *row) for row in connection.execute(query)]
    return found


def count_quarantine(connection: Connection, *, since: datetime) -> dict[str, int]:
    """Return the rows that were refused since a moment, by reason, the most frequent first."""
    count = func.count()
    query = (
        select(QuarantineRow.reason, count)
        .where(QuarantineRow.received_at >= since)
        .group_by(QuarantineRow.reason)
        .order_by(count.desc(), QuarantineRow.reason)
    )
    return {reason: int(number) for reason, number in connection.execute(query)}
