"""A mail about several incidents: each is in it, the worst first, and no mail program cuts it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest

from tankwatch.core.gathering import Told
from tankwatch.core.incident import Incident, IncidentState, MessageKind, Notice, Severity, Symptom
from tankwatch.core.siblings import Kind, SiteNotice
from tankwatch.notify.group import MOST_ROWS, group_view, render_group_mail

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
INCIDENT = Incident(
    uid="3f9a1c2b77d04e51",
    site="north",
    tank="TK-104",
    state=IncidentState.UNACKNOWLEDGED,
    severity=Severity.ALARM,
    detector="fused",
    channel="pressure",
    share=0.87,
    symptom=Symptom.BELOW_EXPECTED,
    started_at=NOW - 30 * MINUTE,
    raised_at=NOW - 27 * MINUTE,
    ended_at=None,
    peak_score=4.1,
)
# Some mail programs cut what is longer.
CLIPPED_AT = 102_000


def told(number: int, **changes: object) -> Told:
    plain = {"uid": f"u{number}", "tank": f"TK-{number}"}
    incident = replace(INCIDENT, **{**plain, **changes})  # type: ignore[arg-type]
    return Told(Notice(incident, MessageKind.ALARM, "<a@x>", "<a@x>", NOW), number, False)  # noqa: FBT003


def mail(of: Sequence[Told], base_url: str = "") -> EmailMessage:
    return render_group_mail(
        of,
        message_id="<group.a.o7@x.example>",
        thread_id="<group.a.o7@x.example>",
        composed_at=NOW,
        sender="tankwatch@x.example",
        recipients=["kim@x.example"],
        time_zone="Europe/Oslo",
        base_url=base_url,
    )


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def order(of: Sequence[Told]) -> list[str]:
    view = group_view(of, NOW, time_zone="UTC", base_url="")
    return [row.name for row in (*view.standing, *view.over)]


def test_the_worst_and_newest_stand_first_and_what_is_over_last() -> None:
    escalated = replace(told(1, started_at=NOW - 90 * MINUTE), is_escalated=True)
    newest = told(2, started_at=NOW - MINUTE)
    alert = told(3, severity=Severity.ALERT, started_at=NOW)
    over = told(4, ended_at=NOW)
    assert order([over, alert, told(5), newest, escalated]) == [
        *("TK-1", "TK-2", "TK-5", "TK-3", "TK-4"),
    ]


def test_a_site_is_one_line_with_its_tanks_counted() -> None:
    members = tuple(replace(INCIDENT, uid=f"m{n}", tank=f"T{n}") for n in range(24))
    site = SiteNotice(
        MessageKind.SITE_ALARM,
        *("s", "north", "temperature", Kind.BELOW, NOW, NOW, None, 75, members),
        *("<s@x>", "<s@x>", NOW),
    )
    view = group_view([told(1), Told(site, 3, False)], NOW, time_zone="UTC", base_url="")  # noqa: FBT003
    assert view.standing[0].name == "24 of 75 tanks of north"
    assert view.standing[0].what == "temperature below expected"


def test_three_hundred_are_all_named_in_a_mail_that_is_not_cut() -> None:
    message = mail([told(number) for number in range(300)], base_url="https://tanks.example")
    for kind in ("plain", "html"):
        assert all(f"TK-{number}" in part(message, kind) for number in range(300))
    assert len(part(message, "html").encode()) < CLIPPED_AT
    subject = " ".join(str(message["Subject"]).split())
    assert subject == "ALARM 300 alarms: TK-0, TK-1, TK-10 and 297 more (site north)"
    view = group_view([told(n) for n in range(300)], NOW, time_zone="UTC", base_url="")
    assert (len(view.standing), len(view.also)) == (MOST_ROWS, 300 - MOST_ROWS)


def test_escalated_lines_name_who_was_told_before() -> None:
    one = replace(told(1), is_escalated=True, before=(("Kim Lee", NOW - 20 * MINUTE),))
    text = " ".join(part(mail([one, told(2)]), "plain").split())
    assert "not acknowledged, sent before to Kim Lee (07:10 CET)" in text
    assert str(mail([one])["Subject"]).startswith("ESCALATED ALARM")


@pytest.mark.parametrize("base_url", ["", "https://tanks.example/"])
def test_lines_link_to_the_page_where_there_is_one(base_url: str) -> None:
    html = part(mail([told(1), told(2)], base_url=base_url), "html")
    assert ('href="https://tanks.example/incidents/u1"' in html) is bool(base_url)


def test_names_cannot_break_out_of_the_mail() -> None:
    html = part(mail([told(1, tank="<b>x</b>\r\nBcc: y@x"), told(2)]), "html")
    assert "<b>x" not in html


def test_the_same_input_gives_the_same_bytes() -> None:
    assert mail([told(1), told(2)]).as_bytes() == mail([told(1), told(2)]).as_bytes()
