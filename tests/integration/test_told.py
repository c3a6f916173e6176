"""Operators are told by routes: each a copy of their own, later ones only for want of an answer."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest

from tankwatch.core.actor import Actor, Role, Via
from tankwatch.core.incident import Severity
from tankwatch.core.routing import Hours, parse_days, parse_span
from tankwatch.jobs.addressing import address
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.store.acts import acknowledge
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.notifications import load_notifications
from tankwatch.store.outbox import load_messages
from tankwatch.store.people import add_operator, set_active, set_groups
from tankwatch.store.routes import NewRoute, add_route, load_routes, remove_route
from tankwatch.store.scope import scope_of_tank
from tankwatch.store.shelves import shelve
from tests.integration.plant import (
    START,
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    store,
)

RAISED, OVER = at(126), at(150)
MINUTE = timedelta(minutes=1)


def person(engine: Engine, name: str, *groups: str) -> int:
    with writing(engine) as connection:
        key = add_operator(
            connection,
            name,
            full_name=name.title(),
            email=f"{name}@x.example",
            role=Role.OPERATOR,
            at=START,
        )
        set_groups(connection, key, groups)
    return key


def lead(
    engine: Engine,
    to: str,
    *,
    after_s: int = 0,
    span: str = "",
    group: str = "",
    digest: bool = False,
) -> int:
    hours = Hours(parse_days(""), *parse_span(span))
    to_one = None if group else to
    new = NewRoute(None, Severity.ALARM, hours, to_one, group or None, after_s, digest=digest)
    with writing(engine) as connection:
        return add_route(connection, new, at=START)


@pytest.fixture
def context(engine: Engine, tmp_path: Path) -> Context:
    """A tank that is above its limit from step 120 to 130."""
    settings = make_settings(tmp_path, channels={"pressure": {"high": 2.0}})
    values = quiet_values(1, 200)
    values[0, 120:130, 0] = 2.5
    store(engine, values, slice(0, 126))
    context = make_context(engine, settings)
    assert detect(context, now=RAISED).raised == 1
    store(engine, values, slice(126, 200))
    return context


def mails(context: Context) -> Iterator[EmailMessage]:
    parser = BytesParser(policy=policy.default)
    for path in sorted(context.settings.path("outbox").glob("*.eml")):
        message = parser.parsebytes(path.read_bytes())
        assert isinstance(message, EmailMessage)
        yield message


def sent_to(context: Context) -> list[str]:
    return sorted(str(mail["To"]) for mail in mails(context))


def reasons(context: Context) -> list[tuple[int | None, str, str]]:
    with reading(context.engine) as connection:
        found = load_notifications(connection)
    return [(one.operator_id, one.chosen_by.value, one.reason) for one in found]


def pass_at(context: Context, now: datetime) -> None:
    detect(context, now=now)
    deliver(context, now=now)


def test_each_operator_has_a_copy_and_a_thread_of_their_own(context: Context) -> None:
    person(context.engine, "kim", "shift")
    person(context.engine, "ada", "shift")
    lead(context.engine, "", group="shift")
    assert deliver(context, now=RAISED).sent == 2
    assert sent_to(context) == ["ada@x.example", "kim@x.example"]
    pass_at(context, at(200))
    found = list(mails(context))
    assert len(found) == 4
    assert len({str(mail["Message-ID"]) for mail in found}) == 4
    for mail in found:
        first = next(one for one in found if one["To"] == mail["To"] and not one["In-Reply-To"])
        if mail is not first:
            assert mail["In-Reply-To"] == mail["References"] == first["Message-ID"]
    told = sorted(reasons(context), key=lambda one: (one[1], one[0] or 0))
    assert told[:2] == [(1, "route", "send_alarm"), (2, "route", "send_alarm")]
    assert told[2:] == [(1, "was_told", "send_all_clear"), (2, "was_told", "send_all_clear")]


def test_the_next_ones_are_told_whom_it_was_sent_to_before(context: Context) -> None:
    person(context.engine, "kim")
    boss = person(context.engine, "boss")
    lead(context.engine, "kim")
    lead(context.engine, "boss", after_s=600)
    deliver(context, now=RAISED)
    assert deliver(context, now=RAISED + 10 * MINUTE - timedelta(seconds=1)).sent == 0
    assert sent_to(context) == ["kim@x.example"]
    assert deliver(context, now=RAISED + 10 * MINUTE).sent == 1
    (escalated,) = [mail for mail in mails(context) if mail["To"] == "boss@x.example"]
    assert str(escalated["Subject"]).startswith("ESCALATED ALARM TK-1")
    body = escalated.get_body(("plain",))
    assert body is not None
    told = " ".join(body.get_content().split())
    assert (
        "Nobody has acknowledged this within 10 min. It was sent before to Kim (02:06 UTC)" in told
    )
    assert reasons(context)[1] == (boss, "escalation", "send_escalated")


@pytest.mark.parametrize(
    ("acknowledged", "why"), [(True, "hold_acknowledged"), (False, "hold_over")]
)
def test_an_answer_or_the_end_keeps_it_from_the_next_ones(
    context: Context,
    acknowledged: bool,  # noqa: FBT001
    why: str,
) -> None:
    person(context.engine, "kim")
    person(context.engine, "boss")
    lead(context.engine, "kim")
    lead(context.engine, "boss", after_s=600)
    deliver(context, now=RAISED)
    (one,) = incidents(context.engine)
    if acknowledged:
        with writing(context.engine) as connection:
            kim = Actor("kim", Via.COMMAND)
            acknowledge(connection, one.incident_id, by=kim, at=RAISED + MINUTE)
        deliver(context, now=RAISED + 10 * MINUTE)
    else:
        pass_at(context, at(200))
    assert [to for to in sent_to(context) if to.startswith("boss")] == []
    assert reasons(context)[1][1:] == ("escalation", why)
    with reading(context.engine) as connection:
        assert load_messages(connection)[0].state == "sent"


def test_routes_that_fit_nobody_leave_it_to_the_settings_with_the_reason(context: Context) -> None:
    person(context.engine, "kim")
    lead(context.engine, "kim", span="06:00-14:00")
    deliver(context, now=RAISED)
    assert sent_to(context) == ["operator@localhost"]
    assert reasons(context) == [(None, "no_route_fits", "send_alarm")]


def test_what_is_shelved_is_told_nobody_and_what_was_told_before_not_to_the_next_ones(
    context: Context,
) -> None:
    person(context.engine, "kim")
    boss = person(context.engine, "boss")
    lead(context.engine, "kim")
    lead(context.engine, "boss", after_s=600)
    deliver(context, now=RAISED)
    shelve_tank(context, RAISED + MINUTE)
    deliver(context, now=RAISED + 10 * MINUTE)
    assert reasons(context)[1] == (boss, "escalation", "hold_shelved")


def test_alarm_of_a_shelved_tank_is_held_with_the_reason(context: Context) -> None:
    shelve_tank(context, RAISED - MINUTE)
    assert deliver(context, now=RAISED).held == 1
    with reading(context.engine) as connection:
        assert load_messages(connection)[0].reason == "hold_shelved"
        assert load_notifications(connection) == []


@pytest.mark.parametrize("hours", [1, 30])
def test_alarm_that_stands_when_its_shelf_ends_is_told_then(context: Context, hours: int) -> None:
    shelve_tank(context, RAISED - MINUTE, hours=hours)
    assert deliver(context, now=RAISED).held == 1
    over = RAISED + timedelta(hours=hours)
    assert deliver(context, now=over - 2 * MINUTE).sent == 0
    assert deliver(context, now=over).sent == 1
    assert deliver(context, now=over + timedelta(hours=1)).sent == 0
    with reading(context.engine) as connection:
        (message,) = load_messages(connection)
    assert (message.state, message.queued_at) == ("sent", over)


def test_alarm_that_was_acknowledged_on_the_shelf_is_not_told_when_the_shelf_ends(
    context: Context,
) -> None:
    shelve_tank(context, RAISED - MINUTE)
    deliver(context, now=RAISED)
    (one,) = incidents(context.engine)
    with writing(context.engine) as connection:
        kim = Actor("kim", Via.PAGE)
        acknowledge(connection, one.incident_id, by=kim, at=RAISED + MINUTE)
    assert deliver(context, now=RAISED + timedelta(hours=2)).sent == 0


def test_alarm_that_is_shelved_while_its_mail_is_gathered_is_told_when_the_shelf_ends(
    context: Context,
) -> None:
    person(context.engine, "kim")
    lead(context.engine, "kim")
    address(context, now=RAISED)
    shelve_tank(context, RAISED)
    assert deliver(context, now=RAISED).sent == 0
    assert reasons(context)[0][2] == "hold_shelved"
    assert deliver(context, now=RAISED + timedelta(hours=1)).sent == 1
    assert [to for to in sent_to(context) if to.startswith("kim")]


def shelve_tank(context: Context, now: datetime, *, hours: int = 1) -> None:
    span, kim = timedelta(hours=hours), Actor("kim", Via.COMMAND)
    with writing(context.engine) as connection:
        tank = scope_of_tank(connection, "TK-1")
        shelve(connection, tank, span=span, longest=span, by=kim, at=now, reason="known")


def test_operator_who_was_disabled_meanwhile_is_not_told(context: Context) -> None:
    person(context.engine, "kim")
    boss = person(context.engine, "boss")
    lead(context.engine, "kim")
    lead(context.engine, "boss", after_s=600)
    deliver(context, now=RAISED)
    with writing(context.engine) as connection:
        set_active(connection, boss, is_active=False)
    deliver(context, now=RAISED + 10 * MINUTE)
    assert reasons(context)[1] == (boss, "escalation", "hold_operator_disabled")


def test_removed_route_leads_nowhere(context: Context) -> None:
    person(context.engine, "kim")
    key = lead(context.engine, "kim")
    with writing(context.engine) as connection:
        remove_route(connection, key, at=START)
        assert load_routes(connection) == []
    deliver(context, now=RAISED)
    assert reasons(context) == [(None, "no_routes", "send_alarm")]


def test_crash_after_sending_repeats_the_same_copy(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kim", "ada"):
        person(context.engine, name)
        lead(context.engine, name)
    with monkeypatch.context() as patch:
        patch.setattr("tankwatch.jobs.deliver.mark_sent", _crash)
        with pytest.raises(KeyboardInterrupt):
            deliver(context, now=RAISED)
    (before,) = [path.read_bytes() for path in context.settings.path("outbox").glob("*.eml")]
    assert deliver(context, now=RAISED + 6 * MINUTE).sent == 2
    files = [path.read_bytes() for path in context.settings.path("outbox").glob("*.eml")]
    assert len(files) == 2
    assert before in files


def _crash(*_arguments: object, **_more: object) -> None:
    raise KeyboardInterrupt
