"""Sending what is queued: claim, policy, render, send, mark."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from functools import partial

from tankwatch.core.incident import MessageKind, Notice
from tankwatch.errors import DeliveryError, UsageError
from tankwatch.jobs.context import LOG, Context
from tankwatch.jobs.evidence import load_evidence
from tankwatch.jobs.scoring import Plan, load_plan
from tankwatch.jobs.site_mail import site_mail
from tankwatch.notify.email import FolderTransport, SmtpTransport, Transport, retry_at
from tankwatch.notify.policy import Reason, decide
from tankwatch.notify.render import render_mail
from tankwatch.settings import Mail
from tankwatch.store.engine import reading, writing
from tankwatch.store.incidents import load_incidents
from tankwatch.store.outbox import (
    QueuedMessage,
    claim_message,
    mark_failed,
    mark_held,
    mark_retry,
    mark_sent,
    was_sent,
)
from tankwatch.store.patience import written

LEASE = timedelta(minutes=5)


@dataclass(slots=True)
class DeliverResult:
    """What a round of deliveries did: message counts."""

    sent: int = 0
    held: int = 0
    retried: int = 0
    failed: int = 0


def deliver(context: Context, *, now: datetime) -> DeliverResult:
    """Send every message that is due as of `now`, and return what became of them.

    A message is leased, sent, then marked: a crash between the last two sends it again with the
    same Message-ID, and never loses it.
    """
    result = DeliverResult()
    plan: Plan | None = None
    transport = make_transport(context)
    while not context.stop.is_set():
        with writing(context.engine) as connection:
            message = claim_message(connection, owner=context.owner, now=now, until=now + LEASE)
        if message is None:
            break
        plan = plan or load_plan(context.engine, context.settings)
        _deliver_one(context, plan, transport, message, now=now, result=result)
    return result


def make_transport(context: Context) -> Transport:
    """Return the SMTP server of the settings, or the folder of .eml files where none is set."""
    mail: Mail = context.settings.mail
    if not mail.host:
        return FolderTransport(context.settings.path(mail.folder))
    return SmtpTransport(
        host=mail.host,
        port=mail.port,
        security=mail.security,
        username=mail.username,
        password=mail.password.get_secret_value(),
        timeout_s=mail.timeout_s,
    )


def _deliver_one(
    context: Context,
    plan: Plan,
    transport: Transport,
    message: QueuedMessage,
    *,
    now: datetime,
    result: DeliverResult,
) -> None:
    try:
        if message.kind.is_of_site:
            reason, rendered = site_mail(context, message, now=now)
        else:
            reason, rendered = _tank_mail(context, plan, message, now=now)
        if rendered is None:
            with writing(context.engine) as connection:
                held = mark_held(
                    connection, message.outbox_id, owner=context.owner, reason=reason.value, at=now
                )
            result.held += held
            return
        refused = transport.send(rendered)
    except UsageError as error:
        hopeless = DeliveryError(str(error), retry=False)
        _mark_undelivered(context, message, hopeless, now=now, result=result)
        return
    except DeliveryError as error:
        _mark_undelivered(context, message, error, now=now, result=result)
        return
    note = "; ".join([reason.value, *map(str, refused)])
    mark = partial(
        mark_sent,
        outbox_id=message.outbox_id,
        owner=context.owner,
        reason=reason.value,
        note=note,
        at=now,
    )
    # The mail is away, so this is worth waiting for a database that is not there just now.
    is_mine = written(context.engine, mark, stop=context.stop)
    LOG.info("sent", kind=message.kind.value, message_id=message.message_id, note=note)
    if not is_mine:
        LOG.warning("lease lost while sending", message_id=message.message_id)
    result.sent += 1


def _tank_mail(
    context: Context, plan: Plan, message: QueuedMessage, *, now: datetime
) -> tuple[Reason, EmailMessage | None]:
    """Return what to do with a message about a tank and why, and its mail if it is to be sent."""
    mail = context.settings.mail
    with reading(context.engine) as connection:
        stored = load_incidents(connection, ids=[message.incident_id])[0]
        alarm_sent = was_sent(connection, message.incident_id, MessageKind.ALARM)
    notice = Notice(
        stored.incident, message.kind, message.message_id, message.thread_id, message.queued_at
    )
    reason = decide(
        notice,
        mail_enabled=True,
        recipients=mail.recipients,
        alarm_sent=alarm_sent,
        now=now,
        page_within_s=context.settings.detect.page_within_s,
    )
    if not reason.is_send:
        return reason, None
    rendered = render_mail(
        notice,
        load_evidence(context, plan, stored, as_of=message.queued_at),
        sender=mail.sender,
        recipients=mail.recipients,
        time_zone=context.settings.plant.time_zone,
    )
    return reason, rendered


def _mark_undelivered(
    context: Context,
    message: QueuedMessage,
    error: DeliveryError,
    *,
    now: datetime,
    result: DeliverResult,
) -> None:
    mail = context.settings.mail
    attempts = message.attempts + 1
    with writing(context.engine) as connection:
        if error.retry and attempts < mail.attempts:
            due = retry_at(
                message.message_id,
                attempts,
                now=now,
                base_s=mail.retry_base_s,
                cap_s=mail.retry_cap_s,
            )
            result.retried += mark_retry(
                connection,
                message.outbox_id,
                owner=context.owner,
                error=str(error),
                at=now,
                next_attempt_at=due,
            )
        else:
            result.failed += mark_failed(
                connection, message.outbox_id, owner=context.owner, error=str(error), at=now
            )
    LOG.warning("not sent", message_id=message.message_id, error=str(error), retry=error.retry)
