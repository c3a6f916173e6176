"""Whole mails, read back with the email package."""

import email
import email.policy
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html import unescape
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tankwatch.core.actor import Role
from tankwatch.core.incident import (
    Evidence,
    Incident,
    IncidentState,
    MessageKind,
    Notice,
    Severity,
    Symptom,
)
from tankwatch.core.mail_action import MailAction
from tankwatch.core.times import to_ms
from tankwatch.errors import UsageError
from tankwatch.notify.links import LinkHolder, action_links
from tankwatch.notify.render import render_mail

BEGIN = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
VALUES = np.array([1.6] * 30 + [1.24] * 30)
EVIDENCE = Evidence(
    channels=("pressure",),
    units=("kPa",),
    times_ms=to_ms(BEGIN) + np.arange(60, dtype=np.int64) * 60_000,
    step_s=60,
    values=VALUES[:, None],
    expected_low=np.full((60, 1), 1.5),
    expected_high=np.full((60, 1), 1.75),
    score=np.where(VALUES < 1.5, 4.13, 0.4),
    limit_low=(0.2,),
    limit_high=(None,),
)
INCIDENT = Incident(
    uid="3f9a1c2b77d04e51",
    site="north",
    tank="TK-104",
    state=IncidentState.UNACKNOWLEDGED,
    severity=Severity.ALARM,
    detector="autoencoder",
    channel="pressure",
    share=0.87,
    symptom=Symptom.BELOW_EXPECTED,
    started_at=BEGIN + timedelta(minutes=30),
    raised_at=BEGIN + timedelta(minutes=33),
    ended_at=None,
    peak_score=4.13,
)
ALARM_ID = "<incident.3f9a1c2b77d04e51.alarm@farm.example>"
CLEAR_ID = "<incident.3f9a1c2b77d04e51.all_clear@farm.example>"
QUEUED = BEGIN + timedelta(minutes=60, seconds=7)
ALARM = Notice(INCIDENT, MessageKind.ALARM, ALARM_ID, ALARM_ID, QUEUED)
ALL_CLEAR = Notice(
    replace(INCIDENT, ended_at=BEGIN + timedelta(minutes=59)),
    MessageKind.ALL_CLEAR,
    CLEAR_ID,
    ALARM_ID,
    QUEUED,
)


def rendered(notice: Notice = ALARM, evidence: Evidence = EVIDENCE, **changes: Any) -> bytes:
    settings: dict[str, Any] = {
        "sender": "tankwatch <tankwatch@farm.example>",
        "recipients": ["control.room@farm.example", "Bjørn Ås <shift@farm.example>"],
        "time_zone": "Europe/Oslo",
    }
    return render_mail(notice, evidence, **(settings | changes)).as_bytes()


def read(mail: bytes) -> EmailMessage:
    return email.message_from_bytes(mail, policy=email.policy.default)


def content(mail: EmailMessage, kind: str) -> Any:
    (part,) = [part for part in mail.walk() if part.get_content_type() == kind]
    return part.get_content()


def test_headers_of_an_alarm() -> None:
    mail = read(rendered())
    assert mail["Subject"] == "ALARM TK-104 pressure below expected (site north)"
    assert mail["From"] == "tankwatch <tankwatch@farm.example>"
    assert [address.addr_spec for address in mail["To"].addresses] == [
        "control.room@farm.example",
        "shift@farm.example",
    ]
    assert mail["To"].addresses[1].display_name == "Bjørn Ås"
    assert mail["Date"].datetime == QUEUED
    assert mail["Message-ID"] == ALARM_ID
    assert mail["In-Reply-To"] is None
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Tankwatch-Incident"] == INCIDENT.uid
    assert mail["X-Tankwatch-Kind"] == "alarm"


def test_all_clear_answers_the_alarm() -> None:
    mail = read(rendered(ALL_CLEAR))
    assert mail["Subject"] == "All clear TK-104 pressure back to expected (site north)"
    assert mail["Message-ID"] == CLEAR_ID
    assert mail["In-Reply-To"] == mail["References"] == ALARM_ID
    assert mail["X-Tankwatch-Kind"] == "all_clear"
    assert "Check first" not in content(mail, "text/html")


def test_parts_are_text_then_html_with_its_picture() -> None:
    mail = read(rendered())
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
    ]
    picture = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    assert f'src="cid:{picture["Content-ID"].strip("<>")}"' in content(mail, "text/html")
    assert picture.get_content_disposition() == "inline"
    assert Image.open(io.BytesIO(picture.get_content())).size == (1200, 600)


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_text_and_html_tell_the_same_facts(kind: str) -> None:
    told = " ".join(unescape(content(read(rendered()), kind)).split())
    for fact in (
        "TK-104 pressure has been below what its model expects since 06:30 CET (30 min):",
        "1.24 kPa at 06:59 CET where 1.50 to 1.75 kPa is expected;",
        "peak score 4.1 where 1.0 is the threshold; pressure contributes 87 %.",
        "Are the gauge hatch, manways and sample points closed?",
        "expected 1.50 to 1.75 kPa",
        "limits at least 0.2 kPa",
        "2026-03-02 06:30 CET",
        "still standing at 2026-03-02 07:00 CET",
        "pressure (87 % of the evidence)",
        "Looks like",
        "process: something at the tank",
        "4.1 (threshold 1.0)",
        "autoencoder detector",
        "north",
        INCIDENT.uid,
        "tankwatch is a monitoring aid, not a safety system.",
    ):
        assert fact in told


@pytest.mark.parametrize("notice", [ALARM, ALL_CLEAR])
def test_plain_text_has_short_lines(notice: Notice) -> None:
    named = replace(notice, incident=replace(notice.incident, tank="T" * 200, site="S" * 200))
    assert max(map(len, content(read(rendered(named)), "text/plain").splitlines())) <= 78


def test_wire_is_ascii_with_short_lines() -> None:
    mail = rendered()
    assert mail.isascii()
    assert max(map(len, mail.split(b"\r\n"))) <= 78
    assert b"\n" not in mail.replace(b"\r\n", b"")


def test_same_notice_gives_the_same_bytes() -> None:
    assert rendered() == rendered()
    assert rendered() != rendered(replace(ALARM, message_id=CLEAR_ID))


def test_styles_are_inline_and_dark_mode_is_kept() -> None:
    html = content(read(rendered()), "text/html")
    assert 'class="sentence" style="' in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert "http" not in html


def test_link_leads_to_the_incident_on_the_web_page() -> None:
    mail = read(rendered(base_url="https://watch.farm.example/"))
    link = "https://watch.farm.example/incidents/3f9a1c2b77d04e51"
    assert f'href="{link}"' in content(mail, "text/html")
    assert link in content(mail, "text/plain").splitlines()


def test_name_cannot_add_a_header_or_markup() -> None:
    evil = "TK\r\nBcc: thief@evil.example\r\n\r\n<script>alert(1)</script>{{ 7 * 7 }}"
    incident = replace(INCIDENT, tank=evil, site=evil, uid=f"u\r\n{evil}")
    mail = read(rendered(replace(ALARM, incident=incident)))
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("ALARM TK Bcc: thief@evil.example")
    html = content(mail, "text/html")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "{{ 7" in html


def test_unicode_name_survives() -> None:
    mail = read(rendered(replace(ALARM, incident=replace(INCIDENT, tank="Tank Nº 7 東京"))))
    assert mail["Subject"] == "ALARM Tank Nº 7 東京 pressure below expected (site north)"
    assert mail["X-Tankwatch-Tank"] == "Tank Nº 7 東京"
    assert "Tank Nº 7 東京" in content(mail, "text/plain")


def test_long_message_id_is_not_broken() -> None:
    long_id = f"<incident.{'a' * 120}.alarm@mail.farm.example>"
    mail = rendered(replace(ALL_CLEAR, thread_id=long_id))
    assert f"References: {long_id}\r\n".encode() in mail


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sender": "nobody"}, r"mail\.sender: 'nobody'"),
        ({"sender": ""}, r"mail\.sender"),
        ({"recipients": ["a@b.example\r\nBcc: c@d.example"]}, r"mail\.recipients"),
        ({"recipients": ["a@b.example, c@d.example"]}, r"mail\.recipients"),
        ({"time_zone": "Mars/Base"}, r"plant\.time_zone"),
    ],
)
def test_unusable_setting_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        rendered(**changes)


def test_message_id_with_a_line_end_is_refused() -> None:
    with pytest.raises(UsageError, match="not a Message-ID"):
        rendered(replace(ALARM, message_id="<a@b>\r\nBcc: c@d"))


BUTTONS = action_links(
    LinkHolder("kim", 1, Role.OPERATOR),
    INCIDENT.uid,
    tuple(MailAction),
    key="k" * 48,
    base_url="https://watch.farm.example",
    until=QUEUED + timedelta(hours=72),
)


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_every_button_is_in_both_parts_and_is_said_to_ask(kind: str) -> None:
    told = content(read(rendered(actions=BUTTONS)), kind)
    for link in BUTTONS:
        assert told.count(link.url) == 1
        assert link.label in unescape(told).replace("\N{NO-BREAK SPACE}", " ")
    flat = " ".join(told.split())
    assert "asks you to confirm; nothing happens before" in flat
    assert "until 2026-03-05 07:00 CET: do not pass this mail on" in flat


def test_link_of_the_text_stands_alone_on_its_line() -> None:
    lines = content(read(rendered(actions=BUTTONS)), "text/plain").splitlines()
    assert {link.url for link in BUTTONS} <= set(lines)


def test_mail_to_a_plain_address_has_no_button() -> None:
    mail = read(rendered(base_url="https://watch.farm.example"))
    assert "/act/" not in content(mail, "text/html") + content(mail, "text/plain")
    assert "confirm" not in content(mail, "text/html")


def test_unit_of_the_html_never_stands_alone_on_a_line() -> None:
    told = unescape(content(read(rendered()), "text/html"))
    for number, unit in (("87", "%"), ("1.24", "kPa"), ("30", "min")):
        assert f"{number}\N{NO-BREAK SPACE}{unit}" in told
        assert f"{number} {unit}" not in told
    assert "87 %" in content(read(rendered()), "text/plain")


def test_what_it_looks_like_stands_before_the_picture() -> None:
    html = content(read(rendered()), "text/html")
    assert html.index("Looks like") < html.index("cid:")
    text = content(read(rendered()), "text/plain")
    assert text.index("Looks like") < text.index("CHECK FIRST")


def test_subject_says_how_urgent_it_is() -> None:
    alert = replace(ALARM, incident=replace(INCIDENT, severity=Severity.ALERT))
    assert read(rendered(alert))["Subject"].startswith("ALERT TK-104")
