"""Sending what is queued: release, repeat, address, claim, policy, compose, render, send, mark."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from tankwatch.core.gathering import batches
from tankwatch.errors import DeliveryError, LeaseError, UsageError
from tankwatch.jobs.addressing import address
from tankwatch.jobs.chatter import queue_settled
from tankwatch.jobs.context import LOG, Context
from tankwatch.jobs.letters import Item, compose, decide_items, render
from tankwatch.jobs.realarm import queue_realarms
from tankwatch.jobs.unmuting import release_unmuted
from tankwatch.notify.email import (
    FolderTransport,
    Refusal,
    SmtpTransport,
    Transport,
    longest_try,
    retry_at,
)
from tankwatch.settings import Mail
from tankwatch.store import mails
from tankwatch.store.engine import reading, writing
from tankwatch.store.mails import load_last_sent, mark_failed, mark_held, mark_retry, mark_sent
from tankwatch.store.notifications import claim_notifications, load_waiting
from tankwatch.store.outbox_hold import free_messages
from tankwatch.store.patience import written

LEASE = timedelta(minutes=5)


@dataclass(slots=True)
class DeliverResult:
    """What a round of deliveries did: counts of mails, and of what was held for one or for all."""

    sent: int = 0
    held: int = 0
    retried: int = 0
    failed: int = 0


def deliver(context: Context, *, now: datetime) -> DeliverResult:
    """Send every message that is due as of `now`, and return what became of them.

    A message is addressed to those who are told; what is due to one of them is leased, sent, then
    marked: a crash between the last two sends it again with the same Message-ID, and never loses
    it.
    """
    with writing(context.engine) as connection:
        # Rounds of one process follow each other: what it still has leased, a round left that the
        # database failed in.
        free_messages(connection, context.owner, at=now)
        release_unmuted(connection, now=now)
        queue_settled(connection, context.settings, now=now)
        queue_realarms(connection, context.settings, now=now)
    result = DeliverResult(held=address(context, now=now))
    transport = make_transport(context)
    while not context.stop.is_set() and (found := _due(context, now=now)):
        for ids in found:
            if context.stop.is_set():
                break
            _deliver(context, transport, ids, now=now, result=result)
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


def _due(context: Context, *, now: datetime) -> list[tuple[int, ...]]:
    """Return the notifications that may leave now, those of one mail together."""
    gap = timedelta(seconds=context.settings.notify.least_gap_s)
    with reading(context.engine) as connection:
        waiting = load_waiting(connection, now=now)
        last_sent = load_last_sent(connection, since=now - gap) if waiting else {}
    return batches(waiting, last_sent, now=now, least_gap=gap)


def _deliver(
    context: Context,
    transport: Transport,
    ids: Sequence[int],
    *,
    now: datetime,
    result: DeliverResult,
) -> None:
    """Bring one recipient what is due: the stages of a mail in their order."""
    told: list[Item] = []
    try:
        with writing(context.engine) as connection:
            claimed = claim_notifications(
                connection, ids, owner=context.owner, now=now, until=now + LEASE
            )
        items = decide_items(context, claimed, now=now)
        told = _hold(context, items, now=now, result=result)
        if not told:
            return
        mail = compose(context, told, now=now)
        refused = transport.send(render(context, mail, told))
    except LeaseError as error:
        LOG.info("left to another", why=str(error))
        return
    except UsageError as error:
        hopeless = DeliveryError(str(error), retry=False)
        _mark_undelivered(context, told, hopeless, now=now, result=result)
        return
    except DeliveryError as error:
        _mark_undelivered(context, told, error, now=now, result=result)
        return
    _mark_sent(context, mail, told, refused, now=now)
    result.sent += 1


def _hold(
    context: Context, items: Sequence[Item], *, now: datetime, result: DeliverResult
) -> list[Item]:
    """Mark what policy keeps from a recipient, and return the rest.

    What was composed before stays as it was composed, unless nothing of it may leave.
    """
    told = [item for item in items if item.reason.is_send]
    if told and items[0].notification.mail_id is not None:
        return [item.of_mail() for item in items]
    for item in items:
        if not item.reason.is_send:
            with writing(context.engine) as connection:
                result.held += mark_held(
                    connection,
                    [item.notification_id],
                    owner=context.owner,
                    reason=item.reason.value,
                    at=now,
                )
    return told


def _mark_sent(
    context: Context,
    mail: mails.Mail,
    told: Sequence[Item],
    refused: Sequence[Refusal],
    *,
    now: datetime,
) -> None:
    reasons = {item.notification_id: item.reason.value for item in told}
    note = "; ".join([*dict.fromkeys(reasons.values()), *map(str, refused)])
    mark = partial(
        mark_sent,
        mail_id=mail.mail_id,
        owner=context.owner,
        reasons=reasons,
        note=note,
        at=now,
    )
    # The mail is away, so this is worth waiting for a database that is not there just now.
    is_mine = written(context.engine, mark, stop=context.stop)
    LOG.info("sent", kind=mail.kind, message_id=mail.message_id, note=note, told=len(told))
    if not is_mine:
        LOG.warning("lease lost while sending", message_id=mail.message_id)


def _mark_undelivered(
    context: Context,
    told: Sequence[Item],
    error: DeliveryError,
    *,
    now: datetime,
    result: DeliverResult,
) -> None:
    """Have a mail tried again, or give it up.

    One who is told of several things in a mail waits no longer than the least gap for the next
    try, since what comes meanwhile waits behind it; in exchange there are more tries.
    """
    mail, notify = context.settings.mail, context.settings.notify
    ids = [item.notification_id for item in told]
    first = told[0]
    attempts = first.notification.attempts + 1
    patience = longest_try(mail.attempts, base_s=mail.retry_base_s, cap_s=mail.retry_cap_s)
    due = retry_at(
        first.matter.message.message_id,
        attempts,
        now=now,
        base_s=mail.retry_base_s,
        cap_s=mail.retry_cap_s,
    )
    is_left = attempts < mail.attempts
    if first.notification.chosen_by.is_gathered:
        due = min(due, now + timedelta(seconds=notify.least_gap_s))
        is_left = is_left or now - first.matter.message.queued_at < patience
    with writing(context.engine) as connection:
        if error.retry and is_left:
            result.retried += mark_retry(
                connection, ids, owner=context.owner, error=str(error), at=now, due_at=due
            )
        else:
            result.failed += mark_failed(
                connection, ids, owner=context.owner, error=str(error), at=now
            )
    LOG.warning(
        "not sent",
        message_id=first.matter.message.message_id,
        error=str(error),
        retry=error.retry,
    )
