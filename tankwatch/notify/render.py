"""A mail from a notice and its evidence; the same input gives the same bytes."""

import hashlib
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address, HeaderRegistry, MessageIDHeader
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses
from functools import cache
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from tankwatch.core.incident import Evidence, MessageKind, Notice
from tankwatch.errors import UsageError
from tankwatch.notify import wording
from tankwatch.notify.advice import check_first
from tankwatch.notify.around import around_facts
from tankwatch.notify.buttons import Buttons, buttons_of
from tankwatch.notify.facts import Fact, ReadingLine, incident_facts, reading_lines
from tankwatch.notify.links import ActionLink
from tankwatch.notify.plot import plot_incident
from tankwatch.notify.sentences import headline, what_and_why

# What is told again is the same mail, under another headline.
_FOLDERS: Final = {MessageKind.REALARM: "alarm", MessageKind.CHATTERING: "alarm"}
_TEXT_COLUMNS = 76
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+@[!-;=?-~]+>")


@dataclass(frozen=True, slots=True)
class Heading:
    """What the headers of a mail say; `about` is the tank or the site."""

    kind: str
    uid: str
    about: str
    message_id: str
    thread_id: str
    queued_at: datetime


@dataclass(frozen=True, slots=True)
class MailView:
    """What the templates show; every text is one line."""

    urgency: str
    headline: str
    site: str
    sentence: str
    nature: str
    around: tuple[Fact, ...]
    note: str
    checks: tuple[str, ...]
    facts: tuple[Fact, ...]
    readings: tuple[ReadingLine, ...]
    picture_cid: str
    picture_width: int
    link: str
    buttons: Buttons
    uid: str
    time_zone: str


def render_mail(
    notice: Notice,
    evidence: Evidence,
    *,
    sender: str,
    recipients: Sequence[str],
    time_zone: str,
    base_url: str | None = None,
    actions: Sequence[ActionLink] = (),
    note: str = "",
) -> EmailMessage:
    """Return the mail of `notice`: plain text, and HTML with the picture inside.

    The same input gives the same bytes, so a mail that is sent again is the same mail.

    Args:
        notice: what is to be told.
        evidence: readings, expectations and scores behind it.
        sender: address of the From header, with or without a name.
        recipients: addresses of the To header.
        time_zone: IANA zone in which times are shown.
        base_url: address of the web page; the mail links to its incident if there is one.
        actions: buttons of the one operator whom it goes to.
        note: why it is told to others, or again; see `jobs.letters`.

    Raises:
        UsageError: an address, the Message-ID or the zone is not usable.
    """
    view = _view(notice, evidence, time_zone, base_url, actions, note)
    folder = _FOLDERS.get(notice.kind, notice.kind.value)
    text = fill(f"{folder}/body.txt.j2", view)
    html = css_inline.inline(
        fill(f"{folder}/body.html.j2", view), keep_at_rules=True, load_remote_stylesheets=False
    )
    picture = plot_incident(notice.incident, evidence, time_zone)
    is_escalated = bool(note) and notice.kind is MessageKind.ALARM
    subject = subject_of(folder, view, is_escalated=is_escalated)
    heading = Heading(
        kind=notice.kind.value,
        uid=notice.incident.uid,
        about=notice.incident.tank,
        message_id=notice.message_id,
        thread_id=notice.thread_id,
        queued_at=notice.queued_at,
    )
    message = headed(heading, sender=sender, recipients=recipients, subject=subject)
    put_body(message, notice.message_id, text=text, html=html, picture=picture)
    return message


def _view(
    notice: Notice,
    evidence: Evidence,
    time_zone: str,
    base_url: str | None,
    actions: Sequence[ActionLink],
    note: str,
) -> MailView:
    incident = notice.incident
    zone = wording.zone_of(time_zone)
    units = dict(zip(evidence.channels, evidence.units, strict=True))
    is_alarm = notice.kind.is_trouble
    uid = wording.clean_name(incident.uid)
    return MailView(
        urgency=wording.URGENCY_WORDS[incident.severity],
        headline=f"{headline(notice)}{since(notice, zone)}",
        site=wording.clean_name(incident.site),
        sentence=what_and_why(notice, evidence, time_zone=time_zone),
        nature=wording.NATURE_WORDS[incident.nature] if is_alarm else "",
        around=tuple(around_facts(notice, evidence, zone)),
        note=f"It got worse: {notice.worse}. {note}".rstrip() if notice.worse else note,
        checks=check_first(incident.symptom, units.get(incident.channel, "")) if is_alarm else (),
        facts=tuple(incident_facts(notice, evidence, zone)),
        readings=tuple(reading_lines(notice, evidence, zone)),
        picture_cid=_picture_cid(notice.message_id),
        picture_width=600,
        link=f"{base_url.rstrip('/')}/incidents/{quote(uid, safe='')}" if base_url else "",
        buttons=buttons_of(actions, zone),
        uid=uid,
        time_zone=time_zone,
    )


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("tankwatch.notify"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["wrapped"] = _wrapped
    environment.filters["tied"] = wording.tied
    return environment


def fill(template: str, view: object) -> str:
    """Return a template filled with what it shows."""
    return _templates().get_template(template).render(mail=view)


def since(notice: Notice, zone: ZoneInfo) -> str:
    """Return since when it is, of what is not new; of what is told first, nothing."""
    at = notice.incident.started_at if notice.chatter is None else notice.chatter.since
    if notice.kind not in {MessageKind.REALARM, MessageKind.CHATTERING, MessageKind.SETTLED}:
        return ""
    return f" since {wording.clock_time(at, zone, day_of=notice.queued_at)}"


def subject_of(folder: str, view: MailView | object, *, is_escalated: bool) -> str:
    """Return the subject in one line; one that is told to the next ones says so first."""
    line = " ".join(fill(f"{folder}/subject.txt.j2", view).split())
    return f"ESCALATED {line}" if is_escalated else line


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(
        text,
        width=_TEXT_COLUMNS,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    )


def headed(
    heading: Heading, *, sender: str, recipients: Sequence[str], subject: str
) -> EmailMessage:
    """Return a mail without a body.

    Raises:
        UsageError: an address or the Message-ID is not usable.
    """
    # In-Reply-To and References as plain text would be folded, and a long id would be broken.
    registry = HeaderRegistry()
    registry.map_to_type("in-reply-to", MessageIDHeader)  # type: ignore[arg-type]
    registry.map_to_type("references", MessageIDHeader)  # type: ignore[arg-type]
    message = EmailMessage(policy=SMTP.clone(header_factory=registry, max_line_length=76))
    message["Subject"] = subject
    message["From"] = _addresses("mail.sender", [sender])
    message["To"] = _addresses("mail.recipients", recipients)
    message["Date"] = heading.queued_at
    message["Message-ID"] = _checked_id(heading.message_id)
    if heading.thread_id != heading.message_id:
        message["In-Reply-To"] = _checked_id(heading.thread_id)
        message["References"] = _checked_id(heading.thread_id)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Tankwatch-Kind"] = heading.kind
    message["X-Tankwatch-Incident"] = wording.clean_name(heading.uid)
    message["X-Tankwatch-Tank"] = wording.clean_name(heading.about)
    return message


def put_body(
    message: EmailMessage, message_id: str, *, text: str, html: str, picture: bytes | None
) -> None:
    """Add text, HTML and the picture if any, with boundaries that follow from the Message-ID."""
    message.set_content(text, cte="quoted-printable")
    rich = EmailMessage(policy=message.policy)
    rich.set_content(html, subtype="html", cte="quoted-printable")
    if picture is not None:
        rich.add_related(
            picture,
            "image",
            "png",
            cid=f"<{_picture_cid(message_id)}>",
            disposition="inline",
            filename="incident.png",
        )
        rich.set_boundary(_boundary(message_id, "related"))
    del rich["MIME-Version"]  # belongs to the whole message only
    message.make_alternative(_boundary(message_id, "alternative"))
    message.attach(rich)


def _addresses(setting: str, given: Sequence[str]) -> tuple[Address, ...]:
    """Return the addresses, refusing what is none."""
    found = []
    for text in given:
        pairs = getaddresses([text])
        try:
            if len(pairs) != 1 or "@" not in pairs[0][1] or wording.clean_name(text) != text:
                raise ValueError(text)
            found.append(Address(display_name=pairs[0][0], addr_spec=pairs[0][1]))
        except (ValueError, IndexError) as error:
            message = f"{setting}: {text!r} is not a mail address: write name@example.com"
            raise UsageError(message) from error
    return tuple(found)


def _checked_id(message_id: str) -> str:
    if not _MESSAGE_ID.fullmatch(message_id):
        message = f"{message_id!r} is not a Message-ID: it needs the form <name@domain>"
        raise UsageError(message)
    return message_id


def _picture_cid(message_id: str) -> str:
    return f"{_digest(message_id)}@tankwatch"


def _boundary(message_id: str, name: str) -> str:
    return f"=_tankwatch_{name}_{_digest(message_id)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
