"""The mail about a whole site: what many tanks do together, and which ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import css_inline

from tankwatch.core.incident import Incident, MessageKind
from tankwatch.core.siblings import Kind, SiteNotice
from tankwatch.core.times import human_duration
from tankwatch.notify import wording
from tankwatch.notify.render import Heading, fill, headed, put_body, subject_of

MOST_TANKS: Final = 60
KIND_WORDS: Final = {
    Kind.ABOVE: "above expected",
    Kind.BELOW: "below expected",
    Kind.UNUSUAL: "unusual",
    Kind.NOISE: "noisy, or far too quiet",
    Kind.OUT_OF_RANGE: "outside the range of the instrument",
    Kind.FLAT_LINE: "flat line",
    Kind.STALE: "no readings",
}
_TOGETHER: Final = "Which tanks go on when the others have returned? Look at those by themselves."
_WEATHER: Final = (
    "What does the weather do: a front, heavy rain, sudden sun? Compare with the barometer.",
    "Is something shared behind it: blanketing gas, vapour recovery, steam, power?",
    _TOGETHER,
)
_LINK: Final = (
    "Is a gateway, a switch or the link of the site down? Start there, not at the tanks.",
    "Does the supply of the transmitters or of the gateway report a fault?",
    "Until readings move again, watch these tanks by their local gauges.",
)
_SENSORS: Final = (Kind.FLAT_LINE, Kind.STALE, Kind.NOISE, Kind.OUT_OF_RANGE)
_CHECKS: Final = dict.fromkeys(_SENSORS, _LINK)


@dataclass(frozen=True, slots=True)
class TankLine:
    """A tank of the table; every text is one line."""

    tank: str
    what: str
    when: str
    peak: str


@dataclass(frozen=True, slots=True)
class SiteView:
    """What the templates of a site's mails show; every text is one line."""

    headline: str
    site: str
    sentence: str
    note: str
    checks: tuple[str, ...]
    tanks: tuple[TankLine, ...]
    more: int
    number: int
    link: str
    uid: str
    time_zone: str


def render_site_mail(
    notice: SiteNotice,
    *,
    number: int,
    sender: str,
    recipients: Sequence[str],
    time_zone: str,
    base_url: str = "",
    note: str = "",
) -> EmailMessage:
    """Return the mail about a site; the same input gives the same bytes.

    Args:
        notice: what is to be told.
        number: of the site's incident, for the commands.
        sender: address of the From header, with or without a name.
        recipients: addresses of the To header.
        time_zone: IANA zone in which times are shown.
        base_url: address of the page, to which the mail then leads; empty if there is none.
        note: as of `render_mail`.

    Raises:
        UsageError: an address, the Message-ID or the zone is not usable.
    """
    view = _view(notice, number, time_zone, base_url, note)
    folder = "site_alarm" if notice.kind.is_realarm else notice.kind.value
    html = css_inline.inline(
        fill(f"{folder}/body.html.j2", view), keep_at_rules=True, load_remote_stylesheets=False
    )
    heading = Heading(
        kind=notice.kind.value,
        uid=notice.uid,
        about=notice.site,
        message_id=notice.message_id,
        thread_id=notice.thread_id,
        queued_at=notice.queued_at,
    )
    is_escalated = bool(note) and notice.kind is MessageKind.SITE_ALARM
    subject = subject_of(folder, view, is_escalated=is_escalated)
    message = headed(heading, sender=sender, recipients=recipients, subject=subject)
    text = fill(f"{folder}/body.txt.j2", view)
    put_body(message, notice.message_id, text=text, html=html, picture=None)
    return message


def site_headline(notice: SiteNotice) -> str:
    """Return what the mail is about: ``9 of 40 tanks: pressure below expected``."""
    what = together(notice.channel, notice.what)
    if notice.kind is MessageKind.SITE_ALL_CLEAR:
        return f"{_count(notice)} tanks back to normal: {what}"
    over = " (over)" if notice.ended_at is not None else ""
    if notice.kind.is_realarm:
        return f"{_count(notice)} of {notice.site_tanks} tanks: {what}: still stands,"
    return f"{_count(notice)} of {notice.site_tanks} tanks: {what}{over}"


def site_sentence(notice: SiteNotice, zone: ZoneInfo) -> str:
    """Return one sentence: what the tanks did, within what time, and why it is one incident."""
    site, day = wording.clean_name(notice.site), notice.ended_at or notice.queued_at
    began = wording.clock_time(notice.started_at, zone, day_of=day)
    what = together(notice.channel, notice.what)
    if notice.kind is MessageKind.SITE_ALL_CLEAR:
        ended = wording.clock_time(day, zone, day_of=day)
        lasted = human_duration((day - notice.started_at).total_seconds())
        return (
            f"The last of {_count(notice)} tanks of site {site} returned at {ended}; {what} began "
            f"at {began} and lasted {lasted}."
        )
    raised = [member.raised_at for member in notice.members]
    within_s = (max(raised) - min(raised)).total_seconds()
    within = f"within {human_duration(within_s)}" if within_s else "at the same time"
    return (
        f"{_count(notice)} of the {notice.site_tanks} tanks of site {site} were raised {within} "
        f"for {what}, the first since {began}: what moves a whole site at once is told once."
    )


def site_checks(what: Kind) -> tuple[str, ...]:
    """Return what to look at first when a whole site does something at once."""
    return _CHECKS.get(what, _WEATHER)


def together(channel: str, what: Kind) -> str:
    """Return ``temperature below expected``."""
    return f"{wording.channel_label(channel)} {KIND_WORDS[what]}"


def _view(notice: SiteNotice, number: int, time_zone: str, base_url: str, note: str) -> SiteView:
    zone = wording.zone_of(time_zone)
    is_alarm, uid = notice.kind.is_trouble, wording.clean_name(notice.uid)
    began = wording.clock_time(notice.started_at, zone, day_of=notice.queued_at)
    since = f" since {began}" if notice.kind.is_realarm else ""
    ordered = sorted(notice.members, key=lambda one: (-one.peak_score, one.tank, one.uid))
    return SiteView(
        headline=f"{site_headline(notice)}{since}",
        site=wording.clean_name(notice.site),
        sentence=site_sentence(notice, zone),
        note=note,
        checks=site_checks(notice.what) if is_alarm else (),
        tanks=tuple(_line(one, notice, zone) for one in ordered[:MOST_TANKS]),
        more=max(len(ordered) - MOST_TANKS, 0),
        number=number,
        link=f"{base_url.rstrip('/')}/site-incidents/{quote(uid, safe='')}" if base_url else "",
        uid=uid,
        time_zone=time_zone,
    )


def _line(incident: Incident, notice: SiteNotice, zone: ZoneInfo) -> TankLine:
    day = notice.ended_at or notice.queued_at
    since = wording.clock_time(incident.started_at, zone, day_of=day)
    when = f"since {since}"
    if incident.ended_at is not None:
        until = wording.clock_time(incident.ended_at, zone, day_of=day)
        when = f"from {since} to {until}"
    channel = wording.channel_label(incident.channel)
    return TankLine(
        tank=wording.clean_name(incident.tank),
        what=f"{channel} {wording.SYMPTOM_WORDS[incident.symptom]}",
        when=when,
        peak=wording.score_text(incident.peak_score),
    )


def _count(notice: SiteNotice) -> int:
    return len({member.tank for member in notice.members})
