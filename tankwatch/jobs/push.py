"""Telling channels beside mail: put down, gather, policy, compose, send, mark."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from tankwatch.core.incident import Notice, Severity
from tankwatch.core.siblings import SiteNotice
from tankwatch.errors import DeliveryError, LeaseError
from tankwatch.jobs.addressing import decide_matter, muted
from tankwatch.jobs.context import LOG, Context
from tankwatch.jobs.evidence import load_evidence
from tankwatch.jobs.matter import Matter, load_matter
from tankwatch.notify import wording
from tankwatch.notify.email import retry_at
from tankwatch.notify.policy import Reason
from tankwatch.notify.push import AppriseTransport, Short, push_message, short
from tankwatch.notify.sentences import what_and_why
from tankwatch.notify.site import site_sentence
from tankwatch.scoring.plan import load_plan
from tankwatch.settings_push import Push as Channel
from tankwatch.store.engine import Connection, reading, writing
from tankwatch.store.outbox import MessageState, load_messages
from tankwatch.store.outbox_hold import HOLD_GROUPED
from tankwatch.store.pushes import (
    Push,
    add_pushes,
    claim_pushes,
    free_pushes,
    last_sent_at,
    load_due,
    mark_pushes,
    was_pushed,
)

_LEASE: Final = timedelta(minutes=5)
_LOOK_AGAIN: Final = timedelta(minutes=1)  # at what is muted now
_NEWS: Final = timedelta(days=1)  # a channel that is new is not told of the past


@dataclass(slots=True)
class PushResult:
    """What a round did: counts of what was told, held, to be tried again and given up."""

    sent: int = 0
    held: int = 0
    retried: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Item:
    push: Push
    matter: Matter
    reason: Reason


def push(context: Context, *, now: datetime) -> PushResult:
    """Tell every channel what is due as of `now`, by the policy of mail.

    What comes within `notify.least_gap_s` of the last message is gathered and told at once.
    """
    result = PushResult()
    for name, channel in context.settings.push.items():
        if context.stop.is_set():
            break
        with writing(context.engine) as connection:
            free_pushes(connection, context.owner, at=now)  # of a round that was cut off
            add_pushes(connection, name, since=now - _NEWS, now=now)
        try:
            _tell(context, name, channel, now=now, result=result)
        except LeaseError as error:
            LOG.info("left to another", why=str(error))
    return result


def _tell(
    context: Context, name: str, channel: Channel, *, now: datetime, result: PushResult
) -> None:
    gap = timedelta(seconds=context.settings.notify.least_gap_s)
    with writing(context.engine) as connection:
        due = load_due(connection, name, now=now)
        last = last_sent_at(connection, name)
        if not due or (last is not None and last + gap > now):
            return
        ids = [one.push_id for one in due]
        claim_pushes(connection, ids, owner=context.owner, now=now, until=now + _LEASE)
    told = _hold(context, _decide_all(context, channel, due, now=now), now=now, result=result)
    if not told:
        return
    ids = [item.push.push_id for item in told]
    try:
        message = push_message(_shorts(context, told))
        AppriseTransport(name, channel.url.get_secret_value()).send(message)
    except DeliveryError as error:
        _mark_untold(context, told, error, now=now, result=result)
        return
    with writing(context.engine) as connection:
        for item in told:
            mark_pushes(
                connection,
                [item.push.push_id],
                owner=context.owner,
                state=MessageState.SENT.value,
                reason=item.reason.value,
                attempts=item.push.attempts + 1,
                sent_at=now,
                last_error="",
            )
    result.sent += len(told)
    LOG.info("told", channel=name, subject=str(message["Subject"]))


def _decide_all(
    context: Context, channel: Channel, due: Sequence[Push], *, now: datetime
) -> list[_Item]:
    """Return of each message whether it is told now, and why."""
    items: list[_Item] = []
    told: set[str] = set()  # threads whose alarm leaves in this very message
    with reading(context.engine) as connection:
        messages = {
            one.outbox_id: one
            for one in load_messages(connection, ids=[push.outbox_id for push in due])
        }
        for one in due:
            matter = load_matter(connection, messages[one.outbox_id])
            reason = _decide(connection, context, channel, one, matter, told, now=now)
            if reason.is_send:
                told.add(matter.message.thread_id)
            items.append(_Item(one, matter, reason))
    return items


def _decide(
    connection: Connection,
    context: Context,
    channel: Channel,
    push: Push,
    matter: Matter,
    told: set[str],
    *,
    now: datetime,
) -> Reason:
    is_known = matter.message.thread_id in told or was_pushed(
        connection, push.channel, matter.incident_ids, matter.alarm_kind
    )
    if matter.message.reason in (Reason.HOLD_CHATTERING, Reason.HOLD_STANDS):
        return Reason(matter.message.reason)
    if matter.message.kind.is_trouble:
        if channel.sites and matter.site not in channel.sites:
            return Reason.HOLD_OTHER_SITE
        if matter.severity.rank < Severity(channel.severity).rank:
            return Reason.HOLD_NOT_ALARM_SEVERITY
        if matter.message.reason == HOLD_GROUPED:
            return Reason.HOLD_GROUPED
        if (mute := muted(connection, matter, now=now)) is not None:
            return mute
    return decide_matter(
        context, matter, (push.channel,), alarm_sent=is_known, is_asked=True, now=now
    )


def _hold(
    context: Context, items: Sequence[_Item], *, now: datetime, result: PushResult
) -> list[_Item]:
    """Mark what policy keeps from a channel and return the rest; what is muted waits."""
    for item in items:
        if item.reason.is_send:
            continue
        values = {"state": MessageState.HELD.value}
        with writing(context.engine) as connection:
            if item.reason.is_mute or _comes_and_goes(item):
                values = {}
            held = mark_pushes(
                connection,
                [item.push.push_id],
                owner=context.owner,
                reason=item.reason.value,
                due_at=now + _LOOK_AGAIN,
                **values,
            )
        result.held += held if values else 0
    return [item for item in items if item.reason.is_send]


def _comes_and_goes(item: _Item) -> bool:
    """Return whether what is held may yet be told, if it stands when it has settled."""
    return item.reason is Reason.HOLD_CHATTERING and item.matter.ended_at is None


def _shorts(context: Context, told: Sequence[_Item]) -> list[Short]:
    """Return the words of each thing; only of one alone is there room for its sentence."""
    base = context.settings.serve.base_url.rstrip("/")
    shorts = []
    for item in told:
        notice = item.matter.notice
        sentence = _sentence(context, item.matter) if len(told) == 1 else ""
        path = "" if isinstance(notice, SiteNotice) else f"/incidents/{quote(notice.incident.uid)}"
        shorts.append(short(notice, sentence=sentence, link=base + path if base else ""))
    return shorts


def _sentence(context: Context, matter: Matter) -> str:
    notice, time_zone = matter.notice, context.settings.plant.time_zone
    if isinstance(notice, SiteNotice):
        return site_sentence(notice, wording.zone_of(time_zone))
    assert isinstance(notice, Notice)  # noqa: S101 - there are two kinds of notices
    plan = load_plan(context.engine, context.settings)
    evidence = load_evidence(context, plan, matter.stored, as_of=notice.queued_at)
    return what_and_why(notice, evidence, time_zone=time_zone)


def _mark_untold(
    context: Context,
    told: Sequence[_Item],
    error: DeliveryError,
    *,
    now: datetime,
    result: PushResult,
) -> None:
    """Have it tried again after a pause that grows as that of mails, or give it up."""
    mail = context.settings.mail
    for item in told:
        attempts = item.push.attempts + 1
        values: dict[str, object] = {"attempts": attempts, "last_error": str(error)}
        if error.retry and attempts < mail.attempts:
            values["due_at"] = retry_at(
                item.push.channel,
                attempts,
                now=now,
                base_s=mail.retry_base_s,
                cap_s=mail.retry_cap_s,
            )
            result.retried += 1
        else:
            values["state"] = MessageState.FAILED.value
            result.failed += 1
        with writing(context.engine) as connection:
            mark_pushes(connection, [item.push.push_id], owner=context.owner, **values)
    LOG.warning("not told", channel=told[0].push.channel, error=str(error), retry=error.retry)
