"""Severity by consequence and time left, raised while an incident gets worse, and told again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from tankwatch.core.actor import Actor, Via
from tankwatch.core.incident import IncidentState, Nature, Severity, Symptom
from tankwatch.core.routing import Hours, parse_days, parse_span
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.train import train
from tankwatch.store.acts import acknowledge
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.outbox import load_messages
from tankwatch.store.routes import NewRoute, add_route
from tankwatch.store.transitions import load_transitions
from tests.integration.late_plant import LEARNED, STEPS, TANKS, Values, plant, send
from tests.integration.mailbox import Mailbox, posted, text_of
from tests.integration.plant import (
    START,
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    store,
)
from tests.integration.test_time_to_limit import FILL, ordinary_fills, watch
from tests.integration.test_told import lead, person

KIM = Actor("kim", Via.PAGE)
BEGIN, CROSSED = 1600, 1630
ALERT, ALARM = Severity.ALERT, Severity.ALARM
LIMITS_ALONE: dict[str, Any] = {"process": "alert", "sensor": "alert"}


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with posted() as mailbox:
        yield mailbox


@pytest.fixture
def values() -> Values:
    """Three tanks; the second is above what is expected, and from step 1630 above its limit."""
    values = quiet_values(TANKS, STEPS)
    values[1, BEGIN:, 0] += 3.0
    values[1, CROSSED:, 0] += 2.0
    return values


def watched(
    engine: Engine,
    home: Path,
    box: Mailbox,
    values: Values,
    *,
    more: dict[str, Any] | None = None,
    **severity: Any,
) -> Context:
    sections: dict[str, Any] = {
        "channels": {"pressure": {"high": 4.5}},
        "limit_ahead": {"response_s": 0},
        "mail": box.settings,
        "severity": severity,
        **(more or {}),
    }
    return plant(engine, home, values, **sections)


def go_on(context: Context, box: Mailbox, values: Values, first: int, last: int) -> StoredIncident:
    """Let readings come, make a pass, deliver, and return the one incident."""
    send(context, values, first, last)
    box.now = at(last)
    deliver(context, now=at(last))
    (found,) = incidents(context.engine)
    return found


def history(context: Context, incident_id: int) -> list[tuple[str, str]]:
    with reading(context.engine) as connection:
        found = load_transitions(connection, incident_id)
    return [(change["event"], change["reason"]) for change in found]


def messages(context: Context) -> list[tuple[str, str]]:
    """Return (state, reason) of the messages."""
    with reading(context.engine) as connection:
        return [(one.state.value, one.reason) for one in load_messages(connection)]


def ask(engine: Engine, to: str, severity: Severity, *, after_s: int = 0) -> None:
    hours = Hours(parse_days(""), *parse_span(""))
    with writing(engine) as connection:
        route = NewRoute(None, severity, hours, to, None, after_s, digest=False)
        add_route(connection, route, at=START)


def test_as_delivered_every_incident_is_an_alarm(
    engine: Engine, tmp_path: Path, box: Mailbox, values: Values
) -> None:
    context = watched(engine, tmp_path, box, values)
    assert go_on(context, box, values, LEARNED, 1620).incident.severity is ALARM
    found = go_on(context, box, values, 1620, 1700)
    assert [event for event, _ in history(context, found.incident_id)] == ["raise", "join"]
    assert len(box.taken) == 1


def test_alert_pages_nobody_until_a_limit_makes_it_an_alarm_which_pages_once(
    engine: Engine, tmp_path: Path, box: Mailbox, values: Values
) -> None:
    context = watched(engine, tmp_path, box, values, **LIMITS_ALONE)
    before = go_on(context, box, values, LEARNED, 1620)
    assert before.incident.severity is ALERT
    assert messages(context) == [("held", "hold_not_alarm_severity")]
    after = go_on(context, box, values, 1620, 1640)
    assert (after.incident_id, after.incident.severity) == (before.incident_id, ALARM)
    go_on(context, box, values, 1640, 1700)
    ((_, _, mail),) = box.taken
    assert mail["Subject"].startswith("ALARM TK-2 pressure ")
    assert "It got worse: from alert to alarm: above high limit (limit rule, score 1" in text_of(
        mail
    )
    events = history(context, after.incident_id)
    assert [event for event, _ in events] == ["raise", "join", "worsen"]
    assert events[-1][1].startswith("from alert to alarm: above high limit (limit rule, ")


def test_what_was_acknowledged_and_gets_worse_asks_for_a_new_answer(
    engine: Engine, tmp_path: Path, box: Mailbox, values: Values
) -> None:
    person(engine, "kim")
    ask(engine, "kim", ALERT)
    context = watched(engine, tmp_path, box, values, **LIMITS_ALONE)
    before = go_on(context, box, values, LEARNED, 1620)
    with writing(engine) as connection:
        acknowledge(connection, before.incident_id, by=KIM, at=at(1621))
    after = go_on(context, box, values, 1621, 1640)
    assert after.incident.state is IncidentState.UNACKNOWLEDGED
    first, second = (mail for *_, mail in box.taken)
    assert first["Subject"].startswith("ALERT TK-2")
    assert second["Subject"].startswith("ALARM TK-2")
    assert second["In-Reply-To"] == first["Message-ID"]
    with writing(engine) as connection:
        state = acknowledge(connection, after.incident_id, by=KIM, at=at(1641))
    assert state is IncidentState.ACKNOWLEDGED
    assert go_on(context, box, values, 1641, 1700).incident.state is IncidentState.ACKNOWLEDGED


def test_each_is_told_from_the_severity_on_that_their_route_asks_for(
    engine: Engine, tmp_path: Path, box: Mailbox, values: Values
) -> None:
    for name, severity in (("ada", ALERT), ("kim", ALARM)):
        person(engine, name)
        ask(engine, name, severity)
    context = watched(engine, tmp_path, box, values, **LIMITS_ALONE)
    go_on(context, box, values, LEARNED, 1620)
    go_on(context, box, values, 1620, 1640)
    told = [(to.partition("@")[0], str(mail["Subject"]).split()[0]) for _, to, mail in box.taken]
    assert told[0] == ("ada", "ALERT")
    assert sorted(told[1:]) == [("ada", "ALARM"), ("kim", "ALARM")]
    (kims,) = (mail for _, to, mail in box.taken if to.startswith("kim"))
    assert kims["In-Reply-To"] is None


def test_what_gets_worse_hours_later_is_told_all_the_same(
    engine: Engine, tmp_path: Path, box: Mailbox, values: Values
) -> None:
    values[1, CROSSED:, 0] -= 2.0
    values[1, 1900:, 0] += 2.0
    context = watched(engine, tmp_path, box, values, **LIMITS_ALONE)
    go_on(context, box, values, LEARNED, 1620)
    go_on(context, box, values, 1620, 1890)
    assert box.taken == []
    assert go_on(context, box, values, 1890, 1910).incident.severity is ALARM
    assert len(box.taken) == 1


def test_score_that_grows_makes_an_alarm_and_late_readings_do_not_take_it_back(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    values = quiet_values(TANKS, STEPS)
    values[1, BEGIN:, 0] += 1.2
    values[1, CROSSED:1660, 0] += 1.8
    context = watched(engine, tmp_path, box, values, **LIMITS_ALONE)
    low = go_on(context, box, values, LEARNED, 1620).incident
    line = 1.5 * low.peak_score
    settings = context.settings.model_copy(
        update={"severity": context.settings.severity.model_copy(update={"alarm_from_score": line})}
    )
    context = Context(engine, settings, context.stop)
    after = go_on(context, box, values, 1620, 1650)
    assert after.incident.severity is ALARM
    assert after.incident.peak_score >= line
    assert "from alert to alarm: its score reached " in history(context, after.incident_id)[-1][1]
    values[1, CROSSED:1650, 0] -= 1.8
    send(context, values, CROSSED, 1650, 1)
    (kept,) = incidents(engine)
    assert kept.incident.peak_score < line
    assert kept.incident.severity is ALARM


def test_silence_is_what_the_plant_says_and_tanks_of_little_consequence_never_page(
    engine: Engine, tmp_path: Path, box: Mailbox, values: Values
) -> None:
    values[0, BEGIN:] = float("nan")
    severity: dict[str, Any] = {"symptoms": {"stale": "journal"}, "alert_only": ["TK-2"]}
    context = watched(engine, tmp_path, box, values, **severity)
    send(context, values, LEARNED, 1700)
    deliver(context, now=at(1700))
    found = {one.incident.tank: one.incident for one in incidents(engine)}
    assert (found["TK-1"].symptom.value, found["TK-1"].severity) == ("stale", Severity.JOURNAL)
    assert found["TK-2"].severity is ALERT
    assert box.taken == []
    with reading(engine) as connection:
        query = text("SELECT tank, severity FROM dash_tank_status WHERE severity IS NOT NULL")
        assert dict(map(tuple, connection.execute(query))) == {"TK-1": "journal", "TK-2": "alert"}


def test_escalation_and_shift_go_on_after_it_got_worse(
    engine: Engine, tmp_path: Path, box: Mailbox, values: Values
) -> None:
    person(engine, "kim")
    person(engine, "boss")
    lead(engine, "kim")
    lead(engine, "boss", after_s=900)
    context = watched(engine, tmp_path, box, values, **LIMITS_ALONE)
    go_on(context, box, values, LEARNED, 1620)
    assert box.taken == []
    go_on(context, box, values, 1620, 1640)
    go_on(context, box, values, 1640, 1656)
    told = [
        (to.partition("@")[0], str(mail["Subject"]).split(" TK")[0]) for _, to, mail in box.taken
    ]
    assert told == [("kim", "ALARM"), ("boss", "ESCALATED ALARM")]


def test_warning_of_a_limit_becomes_an_alarm_when_little_time_is_left(
    engine: Engine, tmp_path: Path
) -> None:
    values = quiet_values(TANKS, FILL + 40)
    ordinary_fills(values, until=FILL - 60)
    rise = 1.2 + 0.02 * np.arange(40)
    values[1, FILL:, 0] = rise + np.random.default_rng(7).normal(0, 0.01, 40)
    severity = {"symptoms": {"to_high_limit": "alert"}, "alarm_within_s": 400}
    channels = {"pressure": {"high": 2.0}}
    settings = make_settings(tmp_path, channels=channels, severity=severity)
    context = make_context(engine, settings)
    store(engine, values, slice(0, LEARNED))
    train(context, "robust_z", now=at(LEARNED))
    watch(context, values, *range(LEARNED + 10, FILL + 40, 2))
    (one,) = (one for one in incidents(engine) if one.incident.detector == "time_to_limit")
    events = history(context, one.incident_id)
    assert [event for event, _ in events] == ["raise", "worsen"]
    assert events[1][1].startswith("from alert to alarm: its limit in ")
    assert one.incident.severity is ALARM
    assert one.incident.outlook is not None
    assert one.incident.outlook.earliest_s <= 400


@pytest.mark.parametrize("step", [5, STEPS - LEARNED])
def test_severity_does_not_depend_on_how_steps_were_cut_into_passes(
    engine: Engine, tmp_path: Path, box: Mailbox, step: int
) -> None:
    values = quiet_values(TANKS, STEPS)
    # It rises like a process, and turns out to be a spike of the sensor once it is over.
    values[1, BEGIN : BEGIN + 8, 0] += np.linspace(0.5, 3.0, 8)
    severity: dict[str, Any] = {"process": "alert", "sensor": "journal"}
    context = watched(engine, tmp_path, box, values, **severity)
    for last in range(LEARNED + step, STEPS + 1, step):
        send(context, values, last - step, last)
    (found,) = (one.incident for one in incidents(engine))
    assert (found.symptom, found.nature) == (Symptom.SPIKE, Nature.SENSOR)
    assert found.severity is ALERT
