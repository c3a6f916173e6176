"""What gets worse at an awkward time: closed, told before, repeated, escalated, seen in pieces."""

from pathlib import Path

from tankwatch.core.incident import IncidentState
from tankwatch.store.acts import close
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.notifications import load_notifications
from tests.integration.late_plant import LEARNED, Values
from tests.integration.mailbox import Mailbox, text_of
from tests.integration.plant import at
from tests.integration.test_severity import (
    ALERT,
    CROSSED,
    KIM,
    LIMITS_ALONE,
    ask,
    box,
    go_on,
    history,
    values,
    watched,
)
from tests.integration.test_told import person

__all__ = ["box", "values"]


def test_what_an_operator_closed_stays_closed_when_it_gets_worse(
    engine: Engine, tmp_path: Path, box: Mailbox, values: Values
) -> None:
    context = watched(engine, tmp_path, box, values, **LIMITS_ALONE)
    before = go_on(context, box, values, LEARNED, 1620)
    with writing(engine) as connection:
        close(connection, before.incident_id, by=KIM, at=at(1621), reason="known")
    after = go_on(context, box, values, 1620, 1640)
    assert (after.incident.state, after.incident.severity) == (IncidentState.CLOSED, ALERT)
    assert [event for event, _ in history(context, after.incident_id)][-1] == "join"
    assert box.taken == []


def test_first_mail_of_what_got_worse_answers_none_that_never_left(
    engine: Engine, tmp_path: Path, box: Mailbox, values: Values
) -> None:
    context = watched(engine, tmp_path, box, values, **LIMITS_ALONE)
    go_on(context, box, values, LEARNED, 1620)
    go_on(context, box, values, 1620, 1640)
    ((_, _, mail),) = box.taken
    assert mail["In-Reply-To"] is None


def test_repeats_begin_anew_when_it_gets_worse(
    engine: Engine, tmp_path: Path, box: Mailbox, values: Values
) -> None:
    person(engine, "kim")
    ask(engine, "kim", ALERT)
    values[1, CROSSED:, 0] -= 2.0
    values[1, 1700:, 0] += 2.0
    sections = {"alarms": {"realarm_s": 900, "realarm_times": 2}}
    context = watched(engine, tmp_path, box, values, more=sections, **LIMITS_ALONE)
    go_on(context, box, values, LEARNED, 1610)
    for step in range(1610, 1800, 10):
        go_on(context, box, values, step, step + 10)
    told = [(mail["X-Tankwatch-Kind"], str(mail["Subject"]).split()[0]) for *_, mail in box.taken]
    assert told == [
        ("alarm", "ALERT"),
        *[("realarm", "ALERT")] * 2,
        ("alarm", "ALARM"),
        *[("realarm", "ALARM")] * 2,
    ]
    assert "This is repeat 1 of at most 2." in text_of(box.taken[4][2])


def test_one_who_escalation_reached_since_it_got_worse_is_not_told_twice(
    engine: Engine, tmp_path: Path, box: Mailbox, values: Values
) -> None:
    for name in ("kim", "boss"):
        person(engine, name)
    ask(engine, "kim", ALERT)
    ask(engine, "boss", ALERT, after_s=1800)
    context = watched(engine, tmp_path, box, values, **LIMITS_ALONE)
    go_on(context, box, values, LEARNED, 1610)
    for step in range(1610, 1700, 10):
        go_on(context, box, values, step, step + 10)
    told = [
        (to.partition("@")[0], str(mail["Subject"]).split(" TK")[0]) for _, to, mail in box.taken
    ]
    assert told[0] == ("kim", "ALERT")
    assert sorted(told[1:]) == [("boss", "ESCALATED ALARM"), ("kim", "ALARM")]
    with reading(engine) as connection:
        reasons = [one.reason for one in load_notifications(connection)]
    assert sorted(reasons) == ["hold_told", "send_alarm", "send_alarm", "send_escalated"]
