"""Who is told of a queued message: a notification for each, by routes, at once or later."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tankwatch.core.incident import Notice, Severity
from tankwatch.core.routing import ChosenBy, Fit, Route
from tankwatch.core.siblings import SiteNotice
from tankwatch.jobs.chatter import gathered
from tankwatch.jobs.context import Context
from tankwatch.jobs.matter import Matter, load_matter
from tankwatch.notify.policy import (
    Reason,
    decide,
    decide_realarm,
    decide_recipient,
    decide_site,
)
from tankwatch.store.engine import Connection, writing
from tankwatch.store.incidents import load_incidents
from tankwatch.store.muting import load_muting
from tankwatch.store.notifications import Recipient, add_notifications, recipients_of
from tankwatch.store.outbox import claim_message, mark_addressed, mark_held, was_sent
from tankwatch.store.outbox_hold import AFTER_CHATTER, AFTER_MUTE, WORSENED
from tankwatch.store.people import Operator, load_operators
from tankwatch.store.routes import load_routes

_PLAIN = Recipient(None, None, ChosenBy.NO_ROUTES, 0)
_FALLBACK = Recipient(None, None, ChosenBy.NO_ROUTE_FITS, 0)
_LEASE = timedelta(minutes=5)


def address(context: Context, *, now: datetime) -> int:
    """Address every message that is due as of `now`, and return how many were held for everybody.

    A message is either held with a reason, or has a notification for each who is told: both in
    the transaction that claims it.
    """
    held = 0
    while not context.stop.is_set():
        with writing(context.engine) as connection:
            message = claim_message(connection, owner=context.owner, now=now, until=now + _LEASE)
            if message is None:
                break
            matter = load_matter(connection, message)
            due = _recipients(connection, context, matter, now=now)
            reason = muted(connection, matter, now=now) or _decide(context, matter, due, now=now)
            reason = gathered(connection, context.settings, matter, reason, now=now)
            key, owner = message.outbox_id, context.owner
            if not reason.is_send:
                held += mark_held(connection, key, owner=owner, reason=reason.value, at=now)
                continue
            add_notifications(connection, key, due)
            mark_addressed(connection, key, owner=owner, at=now)
    return held


def choose(
    routes: Sequence[Route],
    operators: Sequence[Operator],
    *,
    site: str,
    severity: Severity,
    now: datetime,
    zone: ZoneInfo,
) -> dict[Recipient, datetime]:
    """Return who is told of something of a site, and when; the addresses of the settings if nobody.

    Of several routes to one operator the soonest counts.  A route that waits is looked at as of
    the time to which it waits: the shift may have changed by then.
    """
    if not routes:
        return {_PLAIN: now}
    found: dict[int, tuple[Recipient, datetime]] = {}
    for route in sorted(routes, key=lambda route: (route.after_s, route.route_id)):
        at = now + timedelta(seconds=route.after_s)
        if route.fit(site, severity, at.astimezone(zone)) is not Fit.FITS:
            continue
        by = ChosenBy.ESCALATION if route.after_s else ChosenBy.ROUTE
        for one in operators:
            against = decide_recipient(is_active=one.is_active, email=one.email)
            if against is None and route.leads_to(one.name, one.groups):
                recipient = Recipient(one.operator_id, route.route_id, by, route.after_s)
                found.setdefault(one.operator_id, (recipient, at))
    chosen = dict(found.values())
    if any(recipient.after_s == 0 for recipient in chosen):
        return chosen
    return {_FALLBACK: now, **chosen}


def _recipients(
    connection: Connection, context: Context, matter: Matter, *, now: datetime
) -> dict[Recipient, datetime]:
    """Return who is told of a message: of an alarm by routes, of the rest whoever got the alarm."""
    if matter.is_alarm:
        return choose(
            load_routes(connection),
            load_operators(connection),
            site=matter.site,
            severity=matter.severity,
            now=now,
            zone=ZoneInfo(context.settings.plant.time_zone),
        )
    told = recipients_of(connection, matter.incident_ids, matter.alarm_kind)
    if not told and was_sent(connection, matter.incident_ids[0], matter.alarm_kind):
        told = [_PLAIN]  # the alarm left before there were notifications
    return dict.fromkeys(told, now)


def _decide(
    context: Context, matter: Matter, due: dict[Recipient, datetime], *, now: datetime
) -> Reason:
    is_asked = any(recipient.operator_id is not None for recipient in due)
    addresses = ("operators",) if is_asked else context.settings.mail.recipients
    return decide_matter(
        context, matter, addresses, alarm_sent=bool(due), is_asked=is_asked, now=now
    )


def muted(connection: Connection, matter: Matter, *, now: datetime) -> Reason | None:
    """Return why an alarm is kept from everybody for now; None if nothing mutes it.

    What a site does is muted where all of its tanks are.  The end of what somebody was told of is
    told all the same, or they would wait for it.
    """
    if not matter.message.kind.is_trouble:
        return None
    muting = load_muting(connection, now)
    members = load_incidents(connection, ids=matter.incident_ids)
    found = [muting.of(member.tank_id, member.incident_id) for member in members]
    if None in found:
        return None
    return next((Reason.of_mute(mute.reason) for mute in found if mute is not None), None)


def decide_matter(
    context: Context,
    matter: Matter,
    recipients: Sequence[str],
    *,
    alarm_sent: bool,
    is_asked: bool,
    now: datetime,
) -> Reason:
    """Return whether recipients are told of something, and why; see `notify.policy.decide`.

    `is_asked` is whether they asked by a route to be told of its severity.
    """
    within = context.settings.detect.page_within_s
    was_muted = matter.message.reason in (AFTER_MUTE, AFTER_CHATTER, WORSENED)
    if matter.message.kind.is_realarm and any(address.strip() for address in recipients):
        return decide_realarm(
            alarm_sent=alarm_sent,
            is_acknowledged=matter.is_acknowledged,
            is_over=matter.ended_at is not None,
        )
    if isinstance(matter.notice, SiteNotice):
        return decide_site(
            matter.notice,
            recipients=recipients,
            alarm_sent=alarm_sent,
            now=now,
            page_within_s=within,
            was_muted=was_muted,
        )
    assert isinstance(matter.notice, Notice)  # noqa: S101 - there are two kinds of notices
    return decide(
        matter.notice,
        mail_enabled=True,
        recipients=recipients,
        alarm_sent=alarm_sent,
        now=now,
        page_within_s=within,
        least=Severity.JOURNAL if is_asked else Severity.ALARM,
        was_muted=was_muted,
    )
