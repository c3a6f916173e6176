"""What a queued message about a whole site tells, and whether it leaves the house."""

from datetime import datetime
from email.message import EmailMessage

from tankwatch.core.incident import MessageKind
from tankwatch.core.siblings import SiteNotice
from tankwatch.jobs.context import Context
from tankwatch.notify.policy import Reason, decide_site
from tankwatch.notify.site import render_site_mail
from tankwatch.store.engine import reading
from tankwatch.store.incidents import load_incidents
from tankwatch.store.outbox import QueuedMessage, was_sent
from tankwatch.store.siblings import load_memberships, load_site_incidents


def site_mail(
    context: Context, message: QueuedMessage, *, now: datetime
) -> tuple[Reason, EmailMessage | None]:
    """Return what to do with a message about a site and why, and its mail if it is to be sent.

    Raises:
        UsageError: an address, the Message-ID or the zone is not usable.
    """
    mail = context.settings.mail
    with reading(context.engine) as connection:
        key = load_memberships(connection, [message.incident_id])[message.incident_id]
        stored = load_site_incidents(connection, ids=[key])[0]
        members = load_incidents(connection, ids=stored.incident_ids)
        alarm_sent = was_sent(connection, stored.incident_ids[0], MessageKind.SITE_ALARM)
    notice = SiteNotice(
        kind=message.kind,
        uid=stored.uid,
        site=stored.site,
        channel=stored.channel,
        what=stored.kind,
        started_at=min(member.incident.started_at for member in members),
        raised_at=stored.raised_at,
        ended_at=stored.ended_at,
        site_tanks=stored.site_tanks,
        members=tuple(member.incident for member in members),
        message_id=message.message_id,
        thread_id=message.thread_id,
        queued_at=message.queued_at,
    )
    reason = decide_site(
        notice,
        recipients=mail.recipients,
        alarm_sent=alarm_sent,
        now=now,
        page_within_s=context.settings.detect.page_within_s,
    )
    if not reason.is_send:
        return reason, None
    rendered = render_site_mail(
        notice,
        number=key,
        sender=mail.sender,
        recipients=mail.recipients,
        time_zone=context.settings.plant.time_zone,
    )
    return reason, rendered
