"""Mail against a real SMTP server on loopback, with STARTTLS and a login."""

import asyncio
import hashlib
import socket
import ssl
import textwrap
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tankwatch.errors import DeliveryError
from tankwatch.notify.email import SmtpTransport

LOGIN = LoginPassword(b"plant", b"right")


class Mailbox:
    """Takes mail; `refuse` holds the answers that a recipient or a command gets first."""

    def __init__(self, **refuse: str) -> None:
        self.refuse = refuse
        self.received: list[bytes] = []
        self.recipients: list[str] = []

    async def handle_RCPT(self, *details: Any) -> str:  # noqa: N802
        _server, _session, envelope, address, _options = details
        if refusal := self.refuse.pop(address, None):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if refusal := self.refuse.pop("DATA", None):
            return refusal
        assert isinstance(envelope.content, bytes)
        self.received.append(envelope.content)
        self.recipients += envelope.rcpt_tos
        return "250 taken"

    async def handle_QUIT(self, *_details: Any) -> str:  # noqa: N802
        return self.refuse.pop("QUIT", "221 Bye")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_text(make_certificate())
    return path


@contextmanager
def smtp_server(
    mailbox: Mailbox, *, starttls: Path | None = None, tls: Path | None = None
) -> Iterator[int]:
    """Run a server on loopback and give its port; `starttls` insists on it and a login."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if given := starttls or tls:
        context.load_cert_chain(given)

    def conversation() -> SMTP:
        if starttls is None:
            return SMTP(mailbox, loop=loop)
        return SMTP(
            mailbox,
            loop=loop,
            tls_context=context,
            require_starttls=True,
            authenticator=lambda *details: AuthResult(success=details[-1] == LOGIN, handled=False),
            auth_required=True,
        )

    async def stop() -> None:
        server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    starting = loop.create_server(conversation, "127.0.0.1", 0, ssl=context if tls else None)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def secure_transport(
    port: int, certificate: Path, password: str = LOGIN.password.decode()
) -> SmtpTransport:
    return SmtpTransport(
        "localhost", port, username="plant", password=password, timeout_s=10, ca_file=certificate
    )


def plain_transport(port: int, timeout_s: float = 10) -> SmtpTransport:
    return SmtpTransport("127.0.0.1", port, security="none", timeout_s=timeout_s)


@pytest.fixture
def message() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "ALARM TK-104 pressure below expected (site north)"
    message["From"] = "tankwatch <tankwatch@farm.example>"
    message["To"] = "day@farm.example, night@farm.example"
    message["Message-ID"] = "<incident.3f9a1c2b.alarm@farm.example>"
    message.set_content("TK-104 pressure has been below what its model expects.\n.\nEnd\n")
    return message


def test_mail_is_handed_over_encrypted_and_logged_in(
    certificate: Path, message: EmailMessage
) -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox, starttls=certificate) as port:
        assert secure_transport(port, certificate).send(message) == ()
    assert mailbox.received == [message.as_bytes().replace(b"\n", b"\r\n")]
    assert mailbox.recipients == ["day@farm.example", "night@farm.example"]


def test_check_logs_in_and_sends_nothing(certificate: Path) -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox, starttls=certificate) as port:
        secure_transport(port, certificate).check()
        with pytest.raises(DeliveryError, match="refused the login"):
            secure_transport(port, certificate, "wrong").check()
    assert mailbox.received == []


@pytest.mark.parametrize("password", ["wrong", "pässword"])
def test_wrong_password_is_for_good_and_never_shown(
    certificate: Path, message: EmailMessage, password: str
) -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox, starttls=certificate) as port:
        transport = secure_transport(port, certificate, password)
        with pytest.raises(DeliveryError, match=r"mail\.username") as caught:
            transport.send(message)
    assert not caught.value.retry
    assert password not in str(caught.value) + repr(transport)
    assert mailbox.received == []


def test_server_without_starttls_gets_nothing(message: EmailMessage) -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox) as port:
        transport = SmtpTransport("127.0.0.1", port, security="starttls", timeout_s=10)
        with pytest.raises(DeliveryError, match="does not offer STARTTLS") as caught:
            transport.send(message)
    assert not caught.value.retry
    assert mailbox.received == []


def test_untrusted_certificate_gets_nothing(certificate: Path, message: EmailMessage) -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox, starttls=certificate) as port:
        transport = SmtpTransport("localhost", port, timeout_s=10)
        with pytest.raises(DeliveryError, match="certificate is not trusted") as caught:
            transport.send(message)
    assert not caught.value.retry
    assert mailbox.received == []


def test_encrypted_port_takes_mail_from_the_first_byte(
    certificate: Path, message: EmailMessage
) -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox, tls=certificate) as port:
        SmtpTransport("localhost", port, security="tls", ca_file=certificate).send(message)
    assert len(mailbox.received) == 1


def test_encryption_on_a_plain_port_is_for_good(message: EmailMessage) -> None:
    with smtp_server(Mailbox()) as port:
        transport = SmtpTransport("127.0.0.1", port, security="tls", timeout_s=10)
        with pytest.raises(DeliveryError, match=r"mail\.port fits mail\.security") as caught:
            transport.send(message)
    assert not caught.value.retry


def test_greylisted_mail_goes_out_on_the_second_try(message: EmailMessage) -> None:
    later = "451 4.7.1 greylisted, come back"
    mailbox = Mailbox(**{"day@farm.example": later, "night@farm.example": later})
    with smtp_server(mailbox) as port:
        with pytest.raises(DeliveryError, match="greylisted, come back") as caught:
            plain_transport(port).send(message)
        assert caught.value.retry
        assert plain_transport(port).send(message) == ()
    assert len(mailbox.received) == 1


def test_refused_recipient_is_reported_and_the_other_gets_the_mail(message: EmailMessage) -> None:
    mailbox = Mailbox(**{"day@farm.example": "550 5.1.1 no such mailbox"})
    with smtp_server(mailbox) as port:
        (refusal,) = plain_transport(port).send(message)
    assert str(refusal) == "day@farm.example was refused: 550 5.1.1 no such mailbox"
    assert mailbox.recipients == ["night@farm.example"]


def test_all_recipients_refused_is_for_good(message: EmailMessage) -> None:
    no = "550 5.1.1 no such mailbox"
    mailbox = Mailbox(**{"day@farm.example": no, "night@farm.example": no})
    with smtp_server(mailbox) as port, pytest.raises(DeliveryError, match=no) as caught:
        plain_transport(port).send(message)
    assert not caught.value.retry


@pytest.mark.parametrize(("answer", "retry"), [("452 disk full", True), ("554 spam", False)])
def test_answer_to_the_mail_decides_on_another_try(
    message: EmailMessage,
    answer: str,
    retry: bool,  # noqa: FBT001
) -> None:
    mailbox = Mailbox(DATA=answer)
    with smtp_server(mailbox) as port, pytest.raises(DeliveryError, match=answer) as caught:
        plain_transport(port).send(message)
    assert caught.value.retry is retry


def test_bad_farewell_does_not_undo_a_mail_that_was_taken(message: EmailMessage) -> None:
    mailbox = Mailbox(QUIT="421 4.3.2 shutting down")
    with smtp_server(mailbox) as port:
        assert plain_transport(port).send(message) == ()
    assert len(mailbox.received) == 1


def test_closed_port_is_tried_again_and_named(message: EmailMessage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(DeliveryError, match=rf"127\.0\.0\.1:{port}.*mail\.host") as caught:
        plain_transport(port).send(message)
    assert caught.value.retry


def test_silent_server_is_tried_again(message: EmailMessage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        transport = plain_transport(silent.getsockname()[1], timeout_s=0.2)
        with pytest.raises(DeliveryError) as caught:
            transport.send(message)
    assert caught.value.retry


# P-256, its generator and its order (FIPS 186-4).
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
GENERATOR_X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
GENERATOR_Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
P256 = bytes.fromhex("06082a8648ce3d030107")


def make_certificate() -> str:
    """Return a key and a certificate in PEM (RFC 5280) without any tool.

    The private key is 1, no secret at all: its public key is the curve's generator, and with 1 as
    nonce too a signature is a sum.
    """
    point = GENERATOR_X.to_bytes(32, "big") + GENERATOR_Y.to_bytes(32, "big")
    curve = der(0x30, bytes.fromhex("06072a8648ce3d0201") + P256)
    public = der(0x30, curve + der(0x03, b"\0\4" + point))
    ecdsa_sha256 = der(0x30, bytes.fromhex("06082a8648ce3d040302"))
    name = der(0x30, der(0x31, der(0x30, bytes.fromhex("0603550403") + der(0x0C, b"localhost"))))
    years = der(0x30, der(0x17, b"200101000000Z") + der(0x18, b"21200101000000Z"))
    names = der(0x30, der(0x82, b"localhost") + der(0x87, bytes([127, 0, 0, 1])))
    extensions = der(0x30, der(0x30, bytes.fromhex("0603551d11") + der(0x04, names)))
    rest = ecdsa_sha256 + name + years + name + public + der(0xA3, extensions)
    body = der(0x30, der(0xA0, der_int(2)) + der_int(1) + rest)
    digest = int.from_bytes(hashlib.sha256(body).digest(), "big")
    signature = der(0x30, der_int(GENERATOR_X) + der_int((digest + GENERATOR_X) % ORDER))
    certificate = der(0x30, body + ecdsa_sha256 + der(0x03, b"\0" + signature))
    private = der(0x04, (1).to_bytes(32, "big"))
    key = der(0x30, der_int(1) + private + der(0xA0, P256))
    return pem("EC PRIVATE KEY", key) + pem("CERTIFICATE", certificate)


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    long = [0x81, size] if size < 256 else [0x82, size >> 8, size & 255]
    return bytes([tag, *([size] if size < 128 else long)]) + content


def der_int(value: int) -> bytes:
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def pem(label: str, content: bytes) -> str:
    lines = "\n".join(textwrap.wrap(b64encode(content).decode(), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
