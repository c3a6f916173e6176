"""One mail for several things: what a site in flood sends instead of three hundred."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from operator import attrgetter
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import css_inline

from tankwatch.core.gathering import Told
from tankwatch.core.incident import Incident, MessageKind, Notice, Severity
from tankwatch.core.siblings import SiteNotice
from tankwatch.notify import wording
from tankwatch.notify.render import Heading, fill, headed, put_body
from tankwatch.notify.sentences import again
from tankwatch.notify.site import KIND_WORDS

MOST_ROWS: Final = 120
_FEW = 3


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; every text is one line, `link` may be empty."""

    name: str
    what: str
    when: str
    severity: str
    mark: str
    link: str


@dataclass(frozen=True, slots=True)
class GroupView:
    """What the templates show."""

    headline: str
    site: str
    urgency: str
    is_alarm: bool
    sentence: str
    note: str
    checks: tuple[str, ...]
    link: str
    standing: tuple[Row, ...]
    over: tuple[Row, ...]
    also: tuple[str, ...]
    time_zone: str


def render_group_mail(
    told: Sequence[Told],
    *,
    message_id: str,
    thread_id: str,
    composed_at: datetime,
    sender: str,
    recipients: Sequence[str],
    time_zone: str,
    base_url: str = "",
) -> EmailMessage:
    """Return the mail that tells of several incidents; the same input gives the same bytes.

    Args:
        told: each incident once, as it stands now.
        message_id: of this mail.
        thread_id: Message-ID of the mail that it answers, or its own.
        composed_at: when it was put together; the mail's Date.
        sender: address of the From header, with or without a name.
        recipients: addresses of the To header.
        time_zone: IANA zone in which times are shown.
        base_url: address of the web page; a tank's line links to its incident if there is one.

    Raises:
        UsageError: an address, the Message-ID or the zone is not usable.
    """
    view = group_view(told, composed_at, time_zone=time_zone, base_url=base_url)
    html = css_inline.inline(
        fill("group/body.html.j2", view), keep_at_rules=True, load_remote_stylesheets=False
    )
    heading = Heading(
        kind="group",
        uid=message_id.removeprefix("<group.").partition("@")[0],
        about=_sites(told),
        message_id=message_id,
        thread_id=thread_id,
        queued_at=composed_at,
    )
    subject = " ".join(fill("group/subject.txt.j2", view).split())
    message = headed(heading, sender=sender, recipients=recipients, subject=subject)
    text = fill("group/body.txt.j2", view)
    put_body(message, message_id, text=text, html=html, picture=None)
    return message


def group_view(
    told: Sequence[Told], composed_at: datetime, *, time_zone: str, base_url: str
) -> GroupView:
    """Return what the mail shows: what stands before what is over, each the worst and newest first.

    Lines beyond `MOST_ROWS` are named without detail, so that each incident is in the mail and no
    mail program cuts it.
    """
    zone = wording.zone_of(time_zone)
    standing = sorted((one for one in told if not _is_over(one)), key=_rank)
    over = sorted((one for one in told if _is_over(one)), key=_rank)
    shown = [*standing, *over][:MOST_ROWS]
    rows = [_row(one, composed_at, zone, base_url) for one in shown]
    places = "site" if len(_site_names(told)) == 1 else "sites"
    counted = _counted(len(standing), len(over))
    first = min((_started(one) for one in told), default=composed_at)
    since = wording.clock_time(first, zone, day_of=composed_at)
    return GroupView(
        headline=f"{counted}: {_names([*standing, *over])}",
        site=_sites(told),
        urgency=_urgency(standing),
        is_alarm=bool(standing),
        sentence=(
            f"{counted}, at {places} {_sites(told)}, the first since {since}. They came close "
            f"together, so they are told in one mail; the worst and newest stand first."
        ),
        note="",
        checks=(),
        link="",
        standing=tuple(rows[: len(standing)]),
        over=tuple(rows[len(standing) :]),
        also=tuple(_name(one) for one in [*standing, *over][MOST_ROWS:]),
        time_zone=time_zone,
    )


def _row(one: Told, day: datetime, zone: ZoneInfo, base_url: str) -> Row:
    notice = one.notice
    since = wording.clock_time(_started(one), zone, day_of=day)
    when = f"since {since}"
    if (ended_at := _ended_at(one)) is not None:
        when = f"{since} to {wording.clock_time(ended_at, zone, day_of=day)}"
    if isinstance(notice, Notice) and notice.incident.state.is_latched:
        when = f"{when}; latched until it is reset"
    if notice.kind is MessageKind.WITHDRAWAL:
        when = f"{when}; withdrawn: late readings do not show it"
    uid = "" if isinstance(notice, SiteNotice) else quote(notice.incident.uid, safe="")
    return Row(
        name=_name(one),
        what=_what(one),
        when=when,
        severity=_severity(one).value,
        mark=_mark(one, zone),
        link=f"{base_url.rstrip('/')}/incidents/{uid}" if base_url and uid else "",
    )


def _urgency(standing: Sequence[Told]) -> str:
    if not standing:
        return "All clear"
    urgency = wording.URGENCY_WORDS[
        max((_severity(one) for one in standing), key=attrgetter("rank"))
    ]
    return f"ESCALATED {urgency}" if any(one.is_escalated for one in standing) else urgency


def _mark(one: Told, zone: ZoneInfo) -> str:
    notice = one.notice
    if notice.kind.is_realarm and not _is_over(one):
        return "still not acknowledged"
    if isinstance(notice, Notice) and notice.chatter is not None:
        began = wording.clock_time(notice.chatter.since, zone, day_of=notice.queued_at)
        return f"{again(notice).removesuffix(',')} since {began}"
    if isinstance(notice, Notice) and notice.worse and not _is_over(one):
        return f"got worse: {notice.worse}"
    if not one.is_escalated or _is_over(one):
        return ""
    before = f", sent before to {wording.named_before(one.before, zone)}" if one.before else ""
    return f"not acknowledged{before}"


def _what(one: Told) -> str:
    notice = one.notice
    channel = wording.channel_label(
        notice.channel if isinstance(notice, SiteNotice) else notice.incident.channel
    )
    if isinstance(notice, SiteNotice):
        return f"{channel} {KIND_WORDS[notice.what]}"
    return f"{channel} {wording.SYMPTOM_WORDS[notice.incident.symptom]}"


def _name(one: Told) -> str:
    if isinstance(one.notice, SiteNotice):
        tanks = len({member.tank for member in one.notice.members})
        return f"{tanks} of {one.notice.site_tanks} tanks of {wording.clean_name(one.notice.site)}"
    return wording.clean_name(one.notice.incident.tank)


def _names(told: Sequence[Told]) -> str:
    names = list(dict.fromkeys(_name(one) for one in told))
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more


def _counted(standing: int, over: int) -> str:
    parts = [f"{standing} {'alarm' if standing == 1 else 'alarms'}"] if standing else []
    return ", ".join([*parts, f"{over} over"] if over else parts)


def _sites(told: Sequence[Told]) -> str:
    names = _site_names(told)
    return ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")


def _site_names(told: Sequence[Told]) -> list[str]:
    found = {
        one.notice.site if isinstance(one.notice, SiteNotice) else one.notice.incident.site
        for one in told
    }
    return sorted(wording.clean_name(name) for name in found)


def _incidents(one: Told) -> Sequence[Incident]:
    return one.notice.members if isinstance(one.notice, SiteNotice) else (one.notice.incident,)


def _started(one: Told) -> datetime:
    return min(incident.started_at for incident in _incidents(one))


def _ended_at(one: Told) -> datetime | None:
    """Return when it was over; what comes and goes is not, though its last time may be."""
    if one.notice.kind is MessageKind.CHATTERING:
        return None
    return (
        one.notice.ended_at if isinstance(one.notice, SiteNotice) else one.notice.incident.ended_at
    )


def _is_over(one: Told) -> bool:
    return _ended_at(one) is not None or one.notice.kind is MessageKind.WITHDRAWAL


def _severity(one: Told) -> Severity:
    if isinstance(one.notice, SiteNotice):
        return Severity.ALARM
    return one.notice.incident.severity


def _rank(one: Told) -> tuple[bool, int, int, float, str, int]:
    """Return what sorts the worst first: unanswered, severity, tanks, the newest, then by name."""
    severity = _severity(one).rank
    tanks, started = len(_incidents(one)), _started(one).timestamp()
    return (not one.is_escalated, -severity, -tanks, -started, _name(one), one.number)
