"""A recipient's mail: what of the notifications that are due is told in it, and how it reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage

from tankwatch.core.gathering import Told
from tankwatch.core.incident import Notice
from tankwatch.core.routing import ChosenBy
from tankwatch.core.siblings import SiteNotice
from tankwatch.jobs.addressing import decide_matter, muted
from tankwatch.jobs.again import AGAIN, why_again
from tankwatch.jobs.context import Context
from tankwatch.jobs.evidence import load_evidence
from tankwatch.jobs.mail_links import operator_links
from tankwatch.jobs.matter import Matter, load_matter
from tankwatch.notify.group import render_group_mail
from tankwatch.notify.links import ActionLink
from tankwatch.notify.policy import Reason, decide_escalation, decide_recipient
from tankwatch.notify.render import render_mail
from tankwatch.notify.site import render_site_mail
from tankwatch.notify.wording import told_before
from tankwatch.scoring.plan import load_plan
from tankwatch.store.engine import Connection, reading, writing
from tankwatch.store.mails import (
    GROUP,
    Mail,
    NewMail,
    compose_mail,
    first_mail_id,
    group_message_id,
    load_mails,
    own_message_id,
)
from tankwatch.store.notifications import Notification, load_notifications, was_told
from tankwatch.store.outbox import MessageState, load_messages, was_sent
from tankwatch.store.people import Operator, load_operators
from tankwatch.store.signing import signing_key


@dataclass(frozen=True, slots=True)
class Item:
    """A notification that is due: what it is about, and whether it is told."""

    notification: Notification
    matter: Matter
    reason: Reason

    @property
    def notification_id(self) -> int:
        """Return the key of the notification."""
        return self.notification.notification_id

    def of_mail(self) -> "Item":
        """Return it as part of the mail that was composed of it before."""
        return self if self.reason.is_send else replace(self, reason=Reason.SEND_GROUPED)


def decide_items(context: Context, claimed: Sequence[Notification], *, now: datetime) -> list[Item]:
    """Return of each notification whether its recipient is told now, and why."""
    with reading(context.engine) as connection:
        operator = _operator(connection, claimed[0].operator_id)
        messages = {
            message.outbox_id: message
            for message in load_messages(connection, ids=[one.outbox_id for one in claimed])
        }
        items = []
        for one in claimed:
            matter = load_matter(connection, messages[one.outbox_id])
            reason = _decide(connection, context, one, matter, operator, now=now)
            items.append(Item(one, matter, reason))
    told = [item for item in items if item.reason.is_send]
    if len(told) < 2:
        return items
    return [replace(one, reason=Reason.SEND_GROUPED) if one in told else one for one in items]


def _operator(connection: Connection, operator_id: int | None) -> Operator | None:
    keys = [] if operator_id is None else [operator_id]
    return next(iter(load_operators(connection, ids=keys)), None)


def _decide(
    connection: Connection,
    context: Context,
    one: Notification,
    matter: Matter,
    operator: Operator | None,
    *,
    now: datetime,
) -> Reason:
    if matter.message.state is MessageState.HELD:
        return Reason(matter.message.reason)
    if operator is not None:
        against = decide_recipient(is_active=operator.is_active, email=operator.email)
        if against is not None:
            return against
    against = muted(connection, matter, now=now)
    if against is not None:
        return against
    told = was_told(connection, matter.incident_ids, matter.alarm_kind, one.operator_id)
    if not told and one.chosen_by is ChosenBy.NO_ROUTES:
        told = was_sent(connection, matter.incident_ids[0], matter.alarm_kind)
    reason = decide_matter(
        context,
        matter,
        _addresses(context, operator),
        alarm_sent=told,
        is_asked=operator is not None,
        now=now,
    )
    if not reason.is_send or one.chosen_by is not ChosenBy.ESCALATION:
        return reason
    since = matter.message.queued_at
    if was_told(connection, matter.incident_ids, matter.alarm_kind, one.operator_id, since=since):
        return Reason.HOLD_TOLD  # by the message of what it was before it got worse
    is_over = matter.ended_at is not None
    return decide_escalation(is_acknowledged=matter.is_acknowledged, is_over=is_over)


def _addresses(context: Context, operator: Operator | None) -> Sequence[str]:
    return context.settings.mail.recipients if operator is None else (operator.email,)


def compose(context: Context, items: Sequence[Item], *, now: datetime) -> Mail:
    """Return the mail of what is told, stored so that it is the same if it is sent again.

    Raises:
        LeaseError: the lease was lost.
    """
    first = items[0].notification
    with writing(context.engine) as connection:
        if first.mail_id is not None:
            return load_mails(connection, ids=[first.mail_id])[0]
        operator_id = first.operator_id
        ids = [item.matter.message.message_id for item in items]
        is_group = len(items) > 1
        mine = (
            group_message_id(ids, operator_id) if is_group else own_message_id(ids[0], operator_id)
        )
        new = NewMail(
            message_id=mine,
            thread_id=mine if is_group else _thread(connection, items[0], mine),
            kind=GROUP if is_group else items[0].matter.message.kind.value,
            operator_id=operator_id,
            recipients=tuple(_addresses(context, _operator(connection, operator_id))),
        )
        keys = [item.notification_id for item in items]
        return compose_mail(connection, keys, new, owner=context.owner, at=now)


def _thread(connection: Connection, item: Item, own_id: str) -> str:
    """Return the Message-ID that a mail answers: that in which its recipient was told first."""
    thread = item.matter.message.thread_id
    first = first_mail_id(connection, thread, item.notification.operator_id)
    is_new = item.notification.chosen_by.is_gathered or item.matter.is_alarm
    return first or (own_id if is_new else thread)


def render(context: Context, mail: Mail, items: Sequence[Item]) -> EmailMessage:
    """Return the mail as it is sent: of one thing with its picture, of several with a table.

    Raises:
        UsageError: an address, the Message-ID or the zone is not usable.
    """
    if mail.kind == GROUP:
        return _render_group(context, mail, items)
    (item,) = items
    notice = item.matter.in_mail(mail.message_id, mail.thread_id)
    settings = context.settings
    note = _note(context, mail, item)
    if isinstance(notice, SiteNotice):
        return render_site_mail(
            notice,
            number=item.matter.number,
            sender=settings.mail.sender,
            recipients=mail.recipients,
            time_zone=settings.plant.time_zone,
            base_url=settings.serve.base_url,
            note=note,
        )
    assert isinstance(notice, Notice)  # noqa: S101 - there are two kinds of notices
    plan = load_plan(context.engine, settings)
    return render_mail(
        notice,
        load_evidence(context, plan, item.matter.stored, as_of=notice.queued_at),
        sender=settings.mail.sender,
        recipients=mail.recipients,
        time_zone=settings.plant.time_zone,
        base_url=settings.serve.base_url or None,
        actions=_buttons(context, mail, notice),
        note=note,
    )


def _buttons(context: Context, mail: Mail, notice: Notice) -> tuple[ActionLink, ...]:
    """Return the buttons of an operator's own mail; the settings' addresses may be anybody's."""
    with writing(context.engine) as connection:
        operator = _operator(connection, mail.operator_id)
        if operator is None:
            return ()
        key = signing_key(connection)
    return operator_links(operator, notice, key=key, settings=context.settings)


def _render_group(context: Context, mail: Mail, items: Sequence[Item]) -> EmailMessage:
    told: dict[str, Told] = {}
    for item in items:
        thread = item.matter.message.thread_id
        before = _told_before(context, mail, item)
        if thread in told and not before:
            before = told[thread].before
        is_escalated = item.notification.chosen_by is ChosenBy.ESCALATION or bool(before)
        told[thread] = Told(item.matter.notice, item.matter.number, is_escalated, before)
    return render_group_mail(
        list(told.values()),
        message_id=mail.message_id,
        thread_id=mail.thread_id,
        composed_at=mail.composed_at,
        sender=context.settings.mail.sender,
        recipients=mail.recipients,
        time_zone=context.settings.plant.time_zone,
        base_url=context.settings.serve.base_url,
    )


def _note(context: Context, mail: Mail, item: Item) -> str:
    """Return why a mail is sent that is not the first to the first; nothing of another."""
    if item.matter.message.kind in AGAIN:
        with reading(context.engine) as connection:
            return why_again(connection, context.settings, item.matter)
    if item.notification.chosen_by is not ChosenBy.ESCALATION:
        return ""
    return told_before(
        _told_before(context, mail, item),
        after_s=item.notification.after_s,
        time_zone=context.settings.plant.time_zone,
    )


def _told_before(context: Context, mail: Mail, item: Item) -> tuple[tuple[str, datetime], ...]:
    """Return whom an escalated alarm was sent to before, and when; nobody of another."""
    if item.notification.chosen_by is not ChosenBy.ESCALATION:
        return ()
    with reading(context.engine) as connection:
        names = {one.operator_id: one.full_name for one in load_operators(connection)}
        notifications = load_notifications(connection, incident_ids=item.matter.incident_ids)
    plain = ", ".join(context.settings.mail.recipients)
    found: dict[str, datetime] = {}
    for one in notifications:
        if one.sent_at is not None and one.sent_at <= mail.composed_at:
            key = one.operator_id
            found.setdefault(plain if key is None else names[key], one.sent_at)
    return tuple(found.items())
