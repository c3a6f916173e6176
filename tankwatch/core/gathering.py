"""Which notifications leave now, and which of them in one mail.

In a flood, who is told of each thing by itself is told nothing (EEMUA 191, alarm floods).  So the
first notification leaves at once, and what comes within the least gap after a mail is gathered and
leaves as one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tankwatch.core.incident import Notice
from tankwatch.core.siblings import SiteNotice


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notification that is not settled.

    Attributes:
        recipient: operator id; None for the addresses of the settings.
        is_gathered: whether the recipient's mails keep their distance.
        thread_id: of the message, the same for everything about one incident.
        mail_id: the mail that was composed of it; None for none yet.
        due_at: when it may leave.
        is_free: whether nobody is sending it just now.
    """

    notification_id: int
    recipient: int | None
    is_gathered: bool
    thread_id: str
    mail_id: int | None
    due_at: datetime
    is_free: bool


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a mail about several tells.

    Attributes:
        notice: of a tank or a site, as it stands when the mail is written.
        number: of the incident, or of the site's.
        is_escalated: whether it is told for want of an answer from others.
        before: names of those others, and when their mails left.
    """

    notice: Notice | SiteNotice
    number: int
    is_escalated: bool
    before: tuple[tuple[str, datetime], ...] = ()


def batches(
    waiting: Sequence[Waiting],
    last_sent: Mapping[int | None, datetime],
    *,
    now: datetime,
    least_gap: timedelta,
) -> list[tuple[int, ...]]:
    """Return the notifications that may leave at `now`, each tuple of ids in a mail of its own.

    What was composed once stays together, so that a mail that is sent again is the same mail; and
    nothing about an incident overtakes what its recipient was to be told before.

    Args:
        waiting: everything that is not settled.
        last_sent: when each recipient's last mail left, at least those within the gap.
        now: the present.
        least_gap: between two mails to one recipient.
    """
    mine: dict[tuple[int | None, bool], list[Waiting]] = defaultdict(list)
    for one in sorted(waiting, key=lambda one: one.notification_id):
        mine[one.recipient, one.is_gathered].append(one)
    found: list[tuple[int, ...]] = []
    for (recipient, is_gathered), group in mine.items():
        if not is_gathered:
            found += _one_by_one(group, now)
            continue
        sent_at = last_sent.get(recipient)
        if sent_at is not None and sent_at + least_gap > now:
            continue
        found += _gathered(group, now)
    return found


def _one_by_one(group: Sequence[Waiting], now: datetime) -> list[tuple[int, ...]]:
    """Return a mail for the first notification of each thread that is due and free."""
    first: dict[str, Waiting] = {}
    for one in group:
        first.setdefault(one.thread_id, one)
    return [(one.notification_id,) for one in first.values() if one.is_free and one.due_at <= now]


def _gathered(group: Sequence[Waiting], now: datetime) -> list[tuple[int, ...]]:
    """Return one mail: the one that was composed before, else all that is due."""
    composed = [one for one in group if one.mail_id is not None]
    if composed:
        first = min(composed, key=lambda one: (one.mail_id, one.notification_id))
        again = [one for one in composed if one.mail_id == first.mail_id]
        is_ready = all(one.is_free and one.due_at <= now for one in again)
        return [tuple(one.notification_id for one in again)] if is_ready else []
    if not all(one.is_free for one in group):
        return []
    due = tuple(one.notification_id for one in group if one.due_at <= now)
    return [due] if due else []
