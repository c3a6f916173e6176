"""The folder of mails, pauses between tries, and what a server's answers mean."""

import smtplib
import ssl
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from tankwatch.errors import DeliveryError
from tankwatch.notify.diagnosis import diagnose
from tankwatch.notify.email import FolderTransport, SmtpTransport, file_name, retry_at

NOW = datetime(2026, 3, 2, 5, 12, tzinfo=UTC)


def mail(tank: str = "TK-104", kind: str = "alarm", uid: str = "3f9a1c2b77d04e51") -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "ALARM"
    message["Date"] = NOW
    message["Message-ID"] = f"<incident.{uid}.{kind}@farm.example>"
    message["X-Tankwatch-Tank"] = tank
    message["X-Tankwatch-Kind"] = kind
    message["X-Tankwatch-Incident"] = uid
    message.set_content("text\n")
    return message


def test_mail_is_one_file_named_by_date_tank_kind_and_incident(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "box"
    assert FolderTransport(folder).send(mail()) == ()
    (path,) = folder.iterdir()
    assert path.name == "20260302T051200Z_TK-104_alarm_3f9a1c2b.eml"
    assert path.read_bytes() == mail().as_bytes()


def test_mail_sent_again_is_still_one_file(tmp_path: Path) -> None:
    transport = FolderTransport(tmp_path)
    transport.send(mail())
    transport.send(mail())
    transport.send(mail(kind="all_clear"))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("tank", "part"),
    [
        ("../../etc/passwd", "_etc-passwd_"),
        ("T:K*1?", "_T-K-1_"),
        ("Tänk №7", "_Tank-No7_"),
        ("東京", "_mail_"),
        ("..", "_mail_"),
        ("x" * 300, f"_{'x' * 40}_"),
    ],
)
def test_any_tank_name_makes_a_safe_file_name(tank: str, part: str) -> None:
    name = file_name(mail(tank))
    assert part in name
    assert "/" not in name
    assert name.isascii()


def test_mail_without_an_incident_is_named_by_its_message_id() -> None:
    one, other = EmailMessage(), EmailMessage()
    one["Message-ID"], other["Message-ID"] = "<1@x>", "<2@x>"
    assert file_name(one).startswith("undated_mail_message_")
    assert file_name(one) != file_name(other)


def test_folder_that_cannot_be_written_is_named_and_tried_again(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    for act in (lambda: FolderTransport(blocked).send(mail()), FolderTransport(blocked).check):
        with pytest.raises(DeliveryError, match=r"mail folder .*file cannot be written") as caught:
            act()
        assert caught.value.retry


def test_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / file_name(mail())).mkdir()
    with pytest.raises(DeliveryError):
        FolderTransport(tmp_path).send(mail())
    assert [path.name for path in tmp_path.iterdir()] == [file_name(mail())]


def test_check_of_a_folder_leaves_it_empty(tmp_path: Path) -> None:
    FolderTransport(tmp_path / "new").check()
    assert list((tmp_path / "new").iterdir()) == []


def pause_s(attempts: int, message_id: str = "<a@x>") -> float:
    moment = retry_at(message_id, attempts, now=NOW, base_s=30, cap_s=3600)
    return (moment - NOW) / timedelta(seconds=1)


@pytest.mark.parametrize(
    ("attempts", "whole"), [(1, 30), (2, 60), (3, 120), (7, 1920), (8, 3600), (1000, 3600)]
)
def test_pause_doubles_up_to_the_cap_and_is_at_least_half(attempts: int, whole: float) -> None:
    assert whole / 2 <= pause_s(attempts) <= whole


def test_pause_follows_from_the_message_id() -> None:
    assert pause_s(3) == pause_s(3)
    assert len({pause_s(3, f"<{number}@x>") for number in range(20)}) == 20


def test_missing_certificate_file_is_named(tmp_path: Path) -> None:
    transport = SmtpTransport("127.0.0.1", 1, ca_file=tmp_path / "none.pem")
    with pytest.raises(DeliveryError, match=r"none\.pem") as caught:
        transport.send(mail())
    assert not caught.value.retry


@pytest.mark.parametrize(
    ("error", "problem", "retry"),
    [
        (smtplib.SMTPResponseException(454, b"TLS not available"), "454 TLS not available", True),
        (smtplib.SMTPConnectError(554, b"no"), "554 no", False),
        (smtplib.SMTPSenderRefused(550, b"no", "a@b"), "refused the sender a@b: 550 no", False),
        (smtplib.SMTPAuthenticationError(454, b"busy"), "refused the login: 454 busy", True),
        (smtplib.SMTPServerDisconnected("closed"), "closed", True),
        (smtplib.SMTPNotSupportedError("no SMTPUTF8"), "no SMTPUTF8", False),
        (ssl.SSLEOFError(8, "eof"), "hung up", True),
        (ssl.SSLError(1, "odd"), "no encrypted connection", False),
        (TimeoutError("timed out"), "no connection (timed out)", True),
        (
            smtplib.SMTPRecipientsRefused({"a@b": (550, b"gone"), "c@d": (451, b"later")}),
            "every recipient, a@b with 550 gone",
            True,
        ),
    ],
)
def test_answer_decides_on_another_try(error: Exception, problem: str, *, retry: bool) -> None:
    found = diagnose(error)
    assert problem in found.problem
    assert found.retry is retry
    assert found.remedy
