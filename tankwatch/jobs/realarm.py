"""Alarms that stand and that nobody has acknowledged are told again to the same people."""

from datetime import datetime, timedelta

from tankwatch.core.incident import MessageKind
from tankwatch.core.siblings import SiteNotice
from tankwatch.jobs.incidents import mail_domain
from tankwatch.jobs.matter import load_matter
from tankwatch.settings import Settings
from tankwatch.store.engine import Connection
from tankwatch.store.outbox import load_messages, queue_message
from tankwatch.store.realarms import LastTold, claim_repeat, load_last_told

_LATELY = timedelta(days=1)


def queue_realarms(connection: Connection, settings: Settings, *, now: datetime) -> int:
    """Queue a repeat of each alarm that was told `alarms.realarm_s` ago; return how many.

    The repeat of what was acknowledged or is over is queued, too: policy holds it with its reason,
    and that ends it.  Each is a row that follows from the row before it, so a crash between them
    neither loses nor doubles one.
    """
    wanted = settings.alarms
    if not wanted.realarm_s:
        return 0
    after = timedelta(seconds=wanted.realarm_s)
    since = now - (wanted.realarm_times + 1) * after - _LATELY
    queued = 0
    for one in load_last_told(connection, since=since):
        if one.told_at + after <= now and one.repeats < wanted.realarm_times:
            queued += _queue(connection, settings, one, now=now)
    return queued


def _queue(connection: Connection, settings: Settings, one: LastTold, *, now: datetime) -> int:
    number = claim_repeat(connection, one)
    if number is None:
        return 0
    (message,) = load_messages(connection, ids=[one.outbox_id])
    notice = load_matter(connection, message).notice
    is_site = isinstance(notice, SiteNotice)
    queue_message(
        connection,
        message.incident_id,
        notice.uid if isinstance(notice, SiteNotice) else notice.incident.uid,
        kind=MessageKind.SITE_REALARM if is_site else MessageKind.REALARM,
        domain=mail_domain(settings),
        at=now,
        number=number,
    )
    return 1
