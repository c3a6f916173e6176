"""A real SMTP server that notes what it took, to whom, and when by a simulated clock."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.integration.plant import START


@dataclass
class Mailbox:
    """What was taken: by the simulated clock, to whom, the mail; `port` is where it listens."""

    now: datetime = START
    port: int = 0
    taken: list[tuple[datetime, str, EmailMessage]] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        message = BytesParser(policy=policy.default).parsebytes(content)
        assert isinstance(message, EmailMessage)
        self.taken += [(self.now, to, message) for to in envelope.rcpt_tos]
        return "250 taken"

    @property
    def settings(self) -> dict[str, object]:
        """Return the section `mail` of settings that send here."""
        return {"host": "127.0.0.1", "port": self.port, "security": "none"}

    def subjects(self) -> list[str]:
        """Return the subjects in the order in which mails came."""
        return [str(mail["Subject"]) for *_, mail in self.taken]


@contextmanager
def posted() -> Iterator[Mailbox]:
    """Serve a mailbox."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        box = Mailbox(port=int(probe.getsockname()[1]))
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


def text_of(mail: EmailMessage) -> str:
    """Return the plain text of a mail with its lines joined."""
    body = mail.get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())
