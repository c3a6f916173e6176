"""Short messages for channels beside mail, and the way there: Apprise."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from tankwatch.core.incident import MessageKind, Notice
from tankwatch.core.siblings import SiteNotice
from tankwatch.errors import DeliveryError
from tankwatch.notify import wording
from tankwatch.notify.email import Refusal
from tankwatch.notify.sentences import headline
from tankwatch.notify.site import site_headline

MOST_LINES: Final = 10
_ENDS: Final = {
    MessageKind.ALL_CLEAR: "All clear",
    MessageKind.SITE_ALL_CLEAR: "All clear",
    MessageKind.WITHDRAWAL: "Alarm withdrawn:",
    MessageKind.SETTLED: "Settled",
}
_IS_END = "X-Tankwatch-End"


@dataclass(frozen=True, slots=True)
class Short:
    """One thing that is told: its subject, a sentence or nothing, a link or nothing."""

    subject: str
    sentence: str
    link: str
    is_end: bool


def short(notice: Notice | SiteNotice, *, sentence: str, link: str) -> Short:
    """Return what a channel is told of a notice; its subject is that of the mail."""
    if isinstance(notice, SiteNotice):
        urgency, about, site = "ALARM", site_headline(notice), notice.site
    else:
        incident = notice.incident
        urgency, about, site = (
            wording.URGENCY_WORDS[incident.severity],
            headline(notice),
            incident.site,
        )
    word = _ENDS.get(notice.kind, urgency)
    about = about.removesuffix(",")  # when it began is in the sentence
    subject = f"{word} {about} (site {wording.clean_name(site)})"
    return Short(subject, sentence, link, is_end=notice.kind in _ENDS)


def push_message(told: Sequence[Short]) -> EmailMessage:
    """Return what a channel is told at once, as a message that its transport takes.

    One thing is told with its sentence; several are listed, the first ones by name.
    """
    message = EmailMessage()
    if len(told) == 1:
        (one,) = told
        message["Subject"] = one.subject
        message.set_content("\n".join(line for line in (one.sentence, one.link) if line))
    else:
        message["Subject"] = f"{len(told)} messages of tankwatch"
        lines = [f"{one.subject}\n{one.link}".strip() for one in told[:MOST_LINES]]
        if len(told) > MOST_LINES:
            lines.append(f"and {len(told) - MOST_LINES} more")
        message.set_content("\n".join(lines))
    message[_IS_END] = "yes" if all(one.is_end for one in told) else "no"
    return message


@dataclass(frozen=True, slots=True)
class AppriseTransport:
    """A channel that Apprise knows.

    Whether the other side took a message is all that Apprise tells, so every failure is tried
    again; only an address that it cannot read is hopeless.

    Attributes:
        name: of the channel in the settings, for errors.
        url: its address, a secret.
    """

    name: str
    url: str = field(repr=False)

    def send(self, message: EmailMessage) -> tuple[Refusal, ...]:
        """Hand a short message over; nobody is ever refused by name."""
        apprise = _apprise()
        target = self._target(apprise)
        kinds = apprise.NotifyType
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
            is_taken = target.notify(
                title=str(message["Subject"]),
                body=message.get_content().strip(),
                body_format=apprise.NotifyFormat.TEXT,
                notify_type=kinds.SUCCESS if message[_IS_END] == "yes" else kinds.WARNING,
            )
            told = " ".join(said.getvalue().split())
        if not is_taken:
            problem = f"channel push.{self.name}: it was not taken ({told or 'no reason given'})"
            remedy = "check the address in push.url, the network and the service"
            raise DeliveryError(f"{problem}; {remedy}", retry=True)
        return ()

    def check(self) -> None:
        """Read the address, which is all that can be done without sending."""
        self._target(_apprise())

    def _target(self, apprise: ModuleType) -> Any:
        target = apprise.Apprise()
        with _quiet():
            is_known = target.add(self.url)
        if not is_known:
            message = (
                f"channel push.{self.name}: its url is none that Apprise knows; "
                "see docs/how-to/mail.md, Other channels"
            )
            raise DeliveryError(message, retry=False)
        return target


def _apprise() -> ModuleType:
    try:
        with _quiet():
            return import_module("apprise")
    except ModuleNotFoundError as error:
        message = "channels beside mail need Apprise: pip install 'tankwatch[channels]'"
        raise DeliveryError(message, retry=True) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the channels' own parts say of their age from where warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
