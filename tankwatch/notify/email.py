"""Hand a mail over: to an SMTP server, or into a folder of .eml files."""

import hashlib
import os
import re
import smtplib
import ssl
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Literal, Protocol

from tankwatch.errors import DeliveryError
from tankwatch.notify.diagnosis import diagnose, readable

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A recipient whom the server refused while it took the mail for others."""

    recipient: str
    code: int
    answer: str

    def __str__(self) -> str:
        return f"{self.recipient} was refused: {self.code} {self.answer}"


class Transport(Protocol):
    """A way out of the house."""

    def send(self, message: EmailMessage) -> tuple[Refusal, ...]:
        """Hand `message` over, and return who was refused; empty if nobody was.

        Raises:
            DeliveryError: nobody got the message; ``retry`` says whether to try again.
        """
        ...

    def check(self) -> None:
        """Do everything that sending needs, except sending.

        Raises:
            DeliveryError: it does not work; the message names the remedy.
        """
        ...


@dataclass(frozen=True, slots=True)
class SmtpTransport:
    """An SMTP server.

    Encryption is never dropped: where it was asked for and cannot be had, nothing is sent.  If the
    server takes the message for some recipients only, it is sent to those, and the others are
    returned: a second try would reach the first ones twice.

    Attributes:
        security: ``starttls`` on a plain port, ``tls`` from the first byte, or ``none``.
        username: login name; empty for no login.
        timeout_s: how long to wait for each answer.
        ca_file: certificates to trust in place of the system's, for a server of your own.
    """

    host: str
    port: int
    security: Security = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    timeout_s: float = 20.0
    ca_file: Path | None = None

    def send(self, message: EmailMessage) -> tuple[Refusal, ...]:
        """Hand `message` over, and return who was refused; empty if nobody was."""
        with self._explained(), self._session() as smtp:
            refused = smtp.send_message(message)
        return tuple(
            Refusal(recipient, code, readable(answer))
            for recipient, (code, answer) in refused.items()
        )

    def check(self) -> None:
        """Connect, encrypt and log in."""
        with self._explained(), self._session() as smtp:
            smtp.noop()

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        context = self._tls_context() if self.security != "none" else None
        smtp = self._connect(context)
        try:
            if self.security == "starttls":
                smtp.starttls(context=context)
            if self.username:
                smtp.login(self.username, self.password)
            yield smtp
            # The server has the message by now: a farewell that goes wrong changes nothing.
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
        finally:
            smtp.close()

    def _connect(self, context: ssl.SSLContext | None) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_s, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)

    def _tls_context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            message = (
                f"the certificate file {self.ca_file} cannot be used: {error}; "
                f"it must be a readable PEM file"
            )
            raise DeliveryError(message, retry=False) from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            found = diagnose(error)
            message = f"mail server {self.host}:{self.port}: {found.problem}; {found.remedy}"
            raise DeliveryError(message, retry=found.retry) from error


@dataclass(frozen=True, slots=True)
class FolderTransport:
    """A folder of .eml files; the same message always has the same name, so none is doubled."""

    folder: Path

    def send(self, message: EmailMessage) -> tuple[Refusal, ...]:
        """Write `message` into the folder, whole or not at all; nobody is ever refused."""
        name = file_name(message)
        part = self.folder / f".{name}.{os.getpid()}.part"
        with self._explained():
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    file.write(message.as_bytes())
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(self.folder / name)
            finally:
                part.unlink(missing_ok=True)
            _sync_folder(self.folder)
        return ()

    def check(self) -> None:
        """Make the folder, and write and remove a file in it."""
        probe = self.folder / f".check.{os.getpid()}.part"
        with self._explained():
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                probe.write_bytes(b"tankwatch")
            finally:
                probe.unlink(missing_ok=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = (
                f"the mail folder {self.folder} cannot be written: {error.strerror or error}; "
                f"check that it is a folder, its permissions and the space on its disk"
            )
            raise DeliveryError(message, retry=True) from error


def file_name(message: EmailMessage) -> str:
    """Return ``<date>_<tank>_<kind>_<uid8>.eml``, safe on every file system.

    An operator's own copy has the number of the operator behind it.
    """
    date = message["Date"]
    moment: datetime | None = getattr(date, "datetime", None)
    stamp = f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}" if moment else "undated"
    tank = _safe(str(message["X-Tankwatch-Tank"] or ""), 40) or "mail"
    kind = _safe(str(message["X-Tankwatch-Kind"] or ""), 16) or "message"
    digest = hashlib.sha256(str(message["Message-ID"]).encode()).hexdigest()
    uid = _safe(str(message["X-Tankwatch-Incident"] or ""), 8) or digest[:8]
    copy = _COPY.search(str(message["Message-ID"]))
    return f"{stamp}_{tank}_{kind}_{uid}{copy[1].replace('.', '_') if copy else ''}.eml"


_COPY = re.compile(r"(\.o\d+)@")


def retry_at(
    message_id: str, attempts: int, *, now: datetime, base_s: float, cap_s: float
) -> datetime:
    """Return when to try again after `attempts` failed tries (at least 1).

    The pause doubles from `base_s` up to `cap_s`.  Between half of it and the whole is taken, as
    the Message-ID decides, so that messages queued together do not come back together.
    """
    pause_s = min(cap_s, base_s * 2.0 ** min(max(attempts, 1) - 1, 60))
    digest = hashlib.sha256(f"{message_id} {attempts}".encode()).digest()
    jitter = int.from_bytes(digest[:4], "big") / 2**32
    return now + timedelta(seconds=pause_s * (0.5 + 0.5 * jitter))


def longest_try(attempts: int, *, base_s: float, cap_s: float) -> timedelta:
    """Return for how long a message is tried at most: the pauses between that many tries."""
    pauses = (min(cap_s, base_s * 2.0 ** min(tried, 60)) for tried in range(attempts - 1))
    return timedelta(seconds=sum(pauses))


def _safe(text: str, longest: int) -> str:
    """Return `text` with letters, digits, dots and hyphens only, in ASCII."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9.-]+", "-", plain).strip(".-")[:longest]


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where the system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
