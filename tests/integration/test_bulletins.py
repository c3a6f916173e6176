"""Mails of the calendar: who asked for them gets each once, by what is stored."""

from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tankwatch.core.actor import Actor, Role, Via
from tankwatch.core.incident import Severity
from tankwatch.core.routing import Hours, parse_days, parse_span
from tankwatch.core.shift import last_changes
from tankwatch.jobs.alarm_report import Month, report_on
from tankwatch.jobs.bulletins import send_bulletins
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.store.acts import acknowledge, label
from tankwatch.store.alarm_records import SETTINGS
from tankwatch.store.engine import Engine, writing
from tankwatch.store.people import add_operator
from tankwatch.store.routes import NewRoute, add_route
from tankwatch.store.scope import scope_of_tank
from tankwatch.store.shelves import shelve
from tests.integration.plant import START, at, make_context, make_settings, quiet_values, store

HOUR = timedelta(hours=1)
KIM = Actor("kim", Via.COMMAND)
# Shifts change at 06:00, 14:00 and 22:00; readings begin at midnight.
CHANGE = START + 6 * HOUR


@pytest.fixture
def context(engine: Engine, tmp_path: Path) -> Context:
    """One tank ends above its limit, another was there for ten minutes, a third is shelved."""
    settings = make_settings(tmp_path, channels={"pressure": {"high": 2.0}})
    context = make_context(engine, settings)
    values = quiet_values(3, 300)
    values[0, 250:, 0] = 2.5
    values[1, 100:110, 0] = 2.5
    values[2, 200:210, 0] = 2.5
    store(engine, values, slice(0, 100))
    with writing(engine) as connection:
        for name, role in (("kim", Role.OPERATOR), ("boss", Role.ADMIN)):
            mail = f"{name}@x.example"
            add_operator(connection, name, full_name=name, email=mail, role=role, at=START)
        always = Hours(parse_days(""), *parse_span(""))
        new = NewRoute("north", Severity.ALARM, always, "kim", None, 0, digest=True)
        add_route(connection, new, at=START)
        tank = scope_of_tank(connection, "TK-3")
        long = 12 * HOUR
        shelve(connection, tank, span=long, longest=long, by=KIM, at=START, reason="known leak")
    for until in range(120, 301, 20):
        store(engine, values, slice(until - 20, until))
        detect(context, now=at(until))
        deliver(context, now=at(until))
    return context


def mails(context: Context, kind: str) -> list[EmailMessage]:
    found = []
    for path in sorted(context.settings.path("outbox").glob(f"*_{kind}_*.eml")):
        message = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
        assert isinstance(message, EmailMessage)
        found.append(message)
    return found


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return " ".join(str(body.get_content()).split())


def test_digest_tells_who_asked_what_stands_is_muted_ended_and_was_held(context: Context) -> None:
    now = CHANGE + timedelta(minutes=1)
    # The report of February is due to the admin in these days, too.
    assert send_bulletins(context, now=now) == 2
    assert send_bulletins(context, now=now + timedelta(minutes=2)) == 0
    (digest,) = mails(context, "digest")
    assert digest["To"] == "kim@x.example"
    told = "1 standing, 1 muted, 2 over, 1 not mailed (north)"
    assert " ".join(str(digest["Subject"]).split()) == f"Shift digest: {told}"
    text = text_of(digest)
    assert "STANDING TK-1 (north): pressure above high limit since 04:10 UTC, not ackn" in text
    assert "MUTED TK-3: shelved until 12:00 UTC; kim: known leak" in text
    assert "TK-2 (north): pressure above high limit ended 01:50 UTC" in text
    assert "NOT MAILED, AND WHY TK-3 (north): pressure above high limit not mailed: shelved" in text


def test_quiet_shift_is_told_so_or_not_at_all_as_set(engine: Engine, tmp_path: Path) -> None:
    context = make_context(engine, make_settings(tmp_path))
    silent = make_context(engine, make_settings(tmp_path, notify={"quiet_digest": False}))
    with writing(engine) as connection:
        mail = "kim@x.example"
        add_operator(connection, "kim", full_name="k", email=mail, role=Role.OPERATOR, at=START)
        always = Hours(parse_days(""), *parse_span(""))
        new = NewRoute(None, Severity.ALARM, always, "kim", None, 0, digest=True)
        add_route(connection, new, at=START)
    assert send_bulletins(silent, now=CHANGE) == 0
    assert send_bulletins(context, now=CHANGE + 3 * HOUR) == 0
    assert send_bulletins(context, now=CHANGE) == 1
    (digest,) = mails(context, "digest")
    assert str(digest["Subject"]) == "Shift digest: quiet (all sites)"


def test_report_of_the_month_goes_to_admins_once(context: Context) -> None:
    april = datetime(2026, 4, 1, 7, tzinfo=UTC)
    # The digest of six o'clock, and no report yet.
    assert send_bulletins(context, now=april - timedelta(seconds=1)) == 1
    assert send_bulletins(context, now=april) == 1
    assert send_bulletins(context, now=april + HOUR) == 0
    (report,) = mails(context, "report")
    assert report["To"] == "boss@x.example"
    assert "Report: Alarms of 2026-03" in str(report["Subject"])
    assert "Most alarms in ten minutes" in text_of(report)


def test_figures_are_those_of_what_was_told(context: Context) -> None:
    with writing(context.engine) as connection:
        acknowledge(connection, 1, by=KIM, at=at(130))
        label(connection, 1, verdict="not_a_fault", by=KIM, at=at(131))
    found = report_on(context, Month(2026, 3), now=at(300))
    assert (found.alarms, found.held, found.shelved) == (2, {"hold_shelved": 1}, 1)
    (kim,) = found.positions
    assert (kim.name, kim.alarms, kim.peak_rate) == ("kim", 2, 1)
    assert found.acknowledged_share == 0.5
    assert (found.labelled, found.not_a_fault_share) == (1, 1.0)
    assert dict(found.top) == {"TK-1: pressure above limit": 1, "TK-2: pressure above limit": 1}
    assert SETTINGS not in {one.name for one in found.positions}


def test_shifts_change_at_local_times() -> None:
    oslo = ZoneInfo("Europe/Oslo")
    shifts = ("06:00", "14:00", "22:00")
    now = datetime(2026, 3, 29, 4, 1, tzinfo=UTC)  # summer time began that night
    assert last_changes(shifts, now, oslo) == (
        datetime(2026, 3, 28, 21, tzinfo=UTC),
        datetime(2026, 3, 29, 4, tzinfo=UTC),
    )
    assert last_changes((), now, oslo) is None
    once = last_changes(("06:00",), now, oslo)
    assert once is not None
    assert once[1] - once[0] == 23 * HOUR
