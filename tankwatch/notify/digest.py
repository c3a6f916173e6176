"""The digest at the change of shift: what stands, what is muted, what ended, what was held."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Final
from zoneinfo import ZoneInfo

import css_inline

from tankwatch.core.incident import Incident
from tankwatch.core.shift import HandOver
from tankwatch.notify import wording
from tankwatch.notify.render import Heading, fill, headed, put_body

MOST_LINES: Final = 60


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table; every text is one line."""

    name: str
    what: str
    more: str


@dataclass(frozen=True, slots=True)
class Part:
    """A table with its heading; `left_out` lines are beyond those that are shown."""

    heading: str
    lines: tuple[Line, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class DigestView:
    """What the templates show."""

    headline: str
    site: str
    sentence: str
    note: str
    checks: tuple[str, ...]
    link: str
    parts: tuple[Part, ...]
    time_zone: str


def render_digest(
    hand_over: HandOver,
    *,
    places: Sequence[str],
    message_id: str,
    sender: str,
    recipients: Sequence[str],
    time_zone: str,
) -> EmailMessage:
    """Return the mail that tells one shift of the one before.

    Args:
        hand_over: what is told.
        places: sites that it is of; empty for every site.
        message_id: of this mail.
        sender: address of the From header, with or without a name.
        recipients: addresses of the To header.
        time_zone: IANA zone in which times are shown.

    Raises:
        UsageError: an address, the Message-ID or the zone is not usable.
    """
    view = _view(hand_over, places, time_zone)
    heading = Heading("digest", "digest", view.site, message_id, message_id, hand_over.until)
    subject = " ".join(fill("digest/subject.txt.j2", view).split())
    message = headed(heading, sender=sender, recipients=recipients, subject=subject)
    html = css_inline.inline(
        fill("digest/body.html.j2", view), keep_at_rules=True, load_remote_stylesheets=False
    )
    text = fill("digest/body.txt.j2", view)
    put_body(message, message_id, text=text, html=html, picture=None)
    return message


def _view(hand_over: HandOver, places: Sequence[str], time_zone: str) -> DigestView:
    zone, until = wording.zone_of(time_zone), hand_over.until
    standing = [
        _line(one, f"since {_at(one.started_at, hand_over, zone)}", by)
        for one, by in hand_over.standing
    ]
    latched = [
        _line(one, f"ended {_at(one.ended_at, hand_over, zone)}" if one.ended_at else "over", by)
        for one, by in hand_over.latched
    ]
    muted = [
        Line(
            wording.clean_name(tank),
            mute.reason.value.replace("_", " "),
            f"until {_at(mute.until, hand_over, zone) if mute.until else 'somebody ends it'}"
            f"{'; ' + wording.clean_name(mute.detail) if mute.detail else ''}",
        )
        for tank, mute in hand_over.muted
    ]
    ended = [
        _line(one, f"ended {_at(one.ended_at, hand_over, zone)}" if one.ended_at else "closed", "")
        for one in hand_over.ended
    ]
    held = [
        _line(one, f"not mailed: {reason.removeprefix('hold_').replace('_', ' ')}", "")
        for one, reason in hand_over.held
    ]
    waiting = f"{len(latched)} latched, " if latched else ""
    counted = (
        f"{len(standing)} standing, {waiting}{len(muted)} muted, {len(ended)} over, "
        f"{len(held)} not mailed"
    )
    span = (
        f"{wording.clock_time(hand_over.since, zone, day_of=until)} to "
        f"{wording.clock_time(until, zone, day_of=until)}"
    )
    told = "nothing stands, nothing was muted, over or held" if hand_over.is_quiet else counted
    return DigestView(
        headline="quiet" if hand_over.is_quiet else counted,
        site=", ".join(wording.clean_name(place) for place in places) or "all sites",
        sentence=f"The shift from {span}: {told}.",
        note="",
        checks=(),
        link="",
        parts=tuple(
            Part(heading, tuple(lines[:MOST_LINES]), max(len(lines) - MOST_LINES, 0))
            for heading, lines in (
                ("Standing", standing),
                ("Over and latched, to be reset", latched),
                ("Muted", muted),
                ("Over since the last digest", ended),
                ("Not mailed, and why", held),
            )
            if lines
        ),
        time_zone=time_zone,
    )


def _line(incident: Incident, when: str, by: str | None) -> Line:
    channel = wording.channel_label(incident.channel)
    seen = {None: ", not acknowledged", "": ""}.get(by, f", acknowledged by {by}")
    return Line(
        f"{wording.clean_name(incident.tank)} ({wording.clean_name(incident.site)})",
        f"{channel} {wording.SYMPTOM_WORDS[incident.symptom]}",
        f"{when}{seen}",
    )


def _at(moment: datetime, hand_over: HandOver, zone: ZoneInfo) -> str:
    return wording.clock_time(moment, zone, day_of=hand_over.until)
