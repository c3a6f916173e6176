"""Mails of the calendar: the digest at the change of shift, the report on a month's alarms."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from email.message import EmailMessage
from functools import partial
from zoneinfo import ZoneInfo

from tankwatch.core.actor import Role
from tankwatch.core.shift import HandOver, last_changes
from tankwatch.jobs.alarm_report import month_of, report_on
from tankwatch.jobs.context import LOG, Context
from tankwatch.jobs.deliver import make_transport
from tankwatch.jobs.incidents import mail_domain
from tankwatch.notify.digest import render_digest
from tankwatch.notify.health import render_health_mail
from tankwatch.store.bulletins import begin_bulletin, mark_bulletin_sent
from tankwatch.store.engine import Connection, reading, writing
from tankwatch.store.mails import Mail, NewMail, own_message_id
from tankwatch.store.muting import load_muting
from tankwatch.store.patience import written
from tankwatch.store.people import Operator, load_operators
from tankwatch.store.plant import load_tanks
from tankwatch.store.routes import load_routes
from tankwatch.store.shift_records import load_ended, load_held, load_latched, load_standing

# What could not be sent by then tells nobody anything new.
_LATEST_DIGEST, _LATEST_REPORT = timedelta(hours=2), timedelta(days=5)


def send_bulletins(context: Context, *, now: datetime) -> int:
    """Send the digests and reports that are due and were not sent yet; return how many left."""
    return _send_digests(context, now) + _send_reports(context, now)


def _send_digests(context: Context, now: datetime) -> int:
    zone = ZoneInfo(context.settings.plant.time_zone)
    changes = last_changes(context.settings.notify.shifts, now, zone)
    if changes is None or now - changes[1] > _LATEST_DIGEST:
        return 0
    sent = 0
    with reading(context.engine) as connection:
        readers = _readers(connection)
    for operator, places in readers:
        with reading(context.engine) as connection:
            hand_over = _hand_over(connection, *changes, places=places)
        if hand_over.is_quiet and not context.settings.notify.quiet_digest:
            continue
        named = [] if None in places else sorted(place for place in places if place is not None)
        render = partial(_digest, context, hand_over, named)
        sent += _send(context, operator, "digest", f"{changes[1]:%Y%m%dT%H%M}", render, now=now)
    return sent


def _readers(connection: Connection) -> list[tuple[Operator, set[str | None]]]:
    """Return who asked for digests by a route, and of which sites; None stands for every site."""
    routes = [route for route in load_routes(connection) if route.digest]
    found = []
    for operator in load_operators(connection, only_active=True):
        places: set[str | None] = {
            one.site for one in routes if one.leads_to(operator.name, operator.groups)
        }
        if places and operator.email.strip():
            found.append((operator, places))
    return found


def _hand_over(
    connection: Connection, since: datetime, until: datetime, *, places: set[str | None]
) -> HandOver:
    def is_here(site: str) -> bool:
        return None in places or site in places

    muting = load_muting(connection, until)
    muted = [
        (tank.name, mute)
        for tank in load_tanks(connection)
        if is_here(tank.site) and (mute := muting.of(tank.tank_id)) is not None
    ]
    standing = [one for one in load_standing(connection) if is_here(one.incident.site)]
    latched = [one for one in load_latched(connection) if is_here(one.incident.site)]
    ended = load_ended(connection, since=since, until=until)
    held = load_held(connection, since=since, until=until)
    return HandOver(
        since=since,
        until=until,
        standing=tuple((one.incident, one.acknowledged_by) for one in standing),
        latched=tuple((one.incident, one.acknowledged_by) for one in latched),
        muted=tuple(muted),
        ended=tuple(one.incident for one in ended if is_here(one.incident.site)),
        held=tuple((one.incident, why) for one, why in held if is_here(one.incident.site)),
    )


def _digest(context: Context, hand_over: HandOver, places: list[str], mail: Mail) -> EmailMessage:
    return render_digest(
        hand_over,
        places=places,
        message_id=mail.message_id,
        sender=context.settings.mail.sender,
        recipients=mail.recipients,
        time_zone=context.settings.plant.time_zone,
    )


def _send_reports(context: Context, now: datetime) -> int:
    """Send the report of the month before to each admin who has an address."""
    plant, notify = context.settings.plant, context.settings.notify
    zone = ZoneInfo(plant.time_zone)
    month = month_of(now, zone)
    first = month.begins(zone).astimezone(zone).date()
    due = datetime.combine(first, time.fromisoformat(notify.report_at), zone)
    if not due <= now <= due + _LATEST_REPORT:
        return 0
    with reading(context.engine) as connection:
        admins = [
            one
            for one in load_operators(connection, only_active=True)
            if one.role is Role.ADMIN and one.email.strip()
        ]
    sent, wanted = 0, month.before()
    for operator in admins:

        def render(mail: Mail) -> EmailMessage:
            return render_health_mail(
                report_on(context, wanted, now=now),
                month=str(wanted),
                plant=plant.site,
                time_zone=plant.time_zone,
                message_id=mail.message_id,
                at=mail.composed_at,
                sender=context.settings.mail.sender,
                recipients=mail.recipients,
            )

        sent += _send(context, operator, "report", str(wanted), render, now=now)
    return sent


def _send(
    context: Context,
    operator: Operator,
    kind: str,
    which: str,
    render: Callable[[Mail], EmailMessage],
    *,
    now: datetime,
) -> int:
    """Send a mail of the calendar once; return whether it left now.

    Raises:
        DeliveryError: it did not leave; it is tried again by the next run.
    """
    plain = f"<{kind}.{which}@{mail_domain(context.settings)}>"
    own = own_message_id(plain, operator.operator_id)
    new = NewMail(own, own, kind, operator.operator_id, (operator.email,))
    with writing(context.engine) as connection:
        mail = begin_bulletin(connection, new, at=now)
    if mail is None:
        return 0
    make_transport(context).send(render(mail))
    mark = partial(mark_bulletin_sent, mail_id=mail.mail_id, at=now)
    written(context.engine, mark, stop=context.stop)
    LOG.info("sent", kind=kind, message_id=own)
    return 1
