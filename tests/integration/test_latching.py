"""Incidents that latch: over, and in sight until somebody resets them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tankwatch import clock
from tankwatch.core.actor import Actor, Via
from tankwatch.core.incident import IncidentState, Symptom
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.errors import UsageError
from tankwatch.jobs.bulletins import send_bulletins
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.store.acts import acknowledge, reset
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import StoredIncident, apply_event
from tankwatch.store.scope import scope_of_tank
from tankwatch.store.shelves import shelve
from tankwatch.store.transitions import load_transitions
from tests.integration.late_plant import LEARNED, STEPS, TANKS, send
from tests.integration.late_plant import plant as late_plant
from tests.integration.mailbox import Mailbox, posted, text_of
from tests.integration.plant import at, incidents, make_context, make_settings, quiet_values, store
from tests.integration.plant_of_incidents import raise_incident
from tests.integration.test_told import lead, person

KIM = Actor("kim", Via.PAGE)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LATE: dict[str, dict[str, Any]] = {
    "channels": {"pressure": {"high": 4.5}},
    "alarms": {"latching": ["limit"]},
    "limit_ahead": {"response_s": 0},
}
LATCHED, SEEN = IncidentState.LATCHED_UNACKNOWLEDGED, IncidentState.LATCHED_ACKNOWLEDGED


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with posted() as mailbox:
        yield mailbox


class Plant:
    """A tank that is above its limit from step 120 to 140, and from 300 on."""

    def __init__(self, engine: Engine, home: Path, box: Mailbox, *latching: str) -> None:
        settings = make_settings(
            home,
            channels={"pressure": {"high": 2.0}},
            alarms={"latching": latching},
            mail=dict(box.settings),
        )
        self.context: Context = make_context(engine, settings)
        self.engine, self.box, self.step = engine, box, 0
        self.values = quiet_values(1, 400)
        self.values[0, 120:140, 0] = 2.5
        self.values[0, 300:, 0] = 2.5

    def go_on(self, step: int) -> list[StoredIncident]:
        """Let readings come until `step`, make a pass, deliver, and return the incidents."""
        store(self.engine, self.values, slice(self.step, step))
        self.step, self.box.now = step, at(step)
        detect(self.context, now=at(step))
        deliver(self.context, now=at(step))
        return incidents(self.engine)


def states(found: list[StoredIncident]) -> list[IncidentState]:
    return [one.incident.state for one in found]


def history(engine: Engine, incident_id: int) -> list[str]:
    with reading(engine) as connection:
        return [change["event"] for change in load_transitions(connection, incident_id)]


def tank_state(engine: Engine, tank: str) -> str:
    with reading(engine) as connection:
        query = text("SELECT state FROM dash_tank_status WHERE tank = :tank")
        return str(connection.execute(query, {"tank": tank}).scalar_one())


def happen(engine: Engine, key: int, event: IncidentEvent) -> None:
    now = clock.now()
    ended = now if event is IncidentEvent.RETURN else None
    with writing(engine) as connection:
        apply_event(connection, key, event, at=now, actor="kim", ended_at=ended)


def test_limit_that_is_over_stays_until_it_is_acknowledged_and_reset(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box, "limit")
    assert states(plant.go_on(126)) == [IncidentState.UNACKNOWLEDGED]
    (one,) = plant.go_on(200)
    assert (one.incident.state, one.incident.ended_at) == (LATCHED, at(140))
    alarm, end = (text_of(mail) for *_, mail in box.taken)
    assert "latched" not in alarm
    assert "It is latched: it stays in the list until somebody resets it." in end
    key = one.incident_id
    with writing(engine) as connection:
        assert acknowledge(connection, key, by=KIM, at=at(210)) is SEEN
        state = reset(connection, key, by=KIM, at=at(220), reason="vent looked at")
    assert state is IncidentState.CLOSED
    assert history(engine, key) == ["raise", "latch", "acknowledge", "reset"]
    (stored,) = incidents(engine)
    assert (stored.closed_at, stored.acknowledged_by) == (at(220), "kim")
    with reading(engine) as connection:
        query = text("SELECT actor, subject, detail, via FROM audit WHERE action = 'reset'")
        audited = tuple(connection.execute(query).one())
    assert audited == ("kim", f"incident {key}", "vent looked at", "page")


def test_rule_that_does_not_latch_returns_as_ever(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    (one,) = Plant(engine, tmp_path, box, "stale", "learned").go_on(200)
    assert one.incident.detector == "limit"
    assert one.incident.state is IncidentState.RETURNED_UNACKNOWLEDGED


def test_what_comes_while_one_is_latched_is_an_incident_of_its_own_and_is_told(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box, "limit")
    plant.go_on(126)
    plant.go_on(200)
    found = plant.go_on(306)
    assert states(found) == [LATCHED, IncidentState.UNACKNOWLEDGED]
    assert [subject.split(":")[0].split()[0] for subject in box.subjects()] == [
        "ALARM",
        "All",
        "ALARM",
    ]


def test_reset_before_it_was_acknowledged_leaves_that_to_be_done(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box, "limit")
    plant.go_on(126)
    (one,) = plant.go_on(200)
    with writing(engine) as connection:
        state = reset(connection, one.incident_id, by=KIM, at=at(201))
        assert state is IncidentState.RETURNED_UNACKNOWLEDGED
        state = acknowledge(connection, one.incident_id, by=KIM, at=at(202))
    assert state is IncidentState.CLOSED


def test_what_stands_cannot_be_reset_and_nothing_is_audited(
    engine: Engine, tanks: dict[str, int]
) -> None:
    key = raise_incident(engine, tanks["T1"], clock.now(), latching=True)
    with (
        pytest.raises(UsageError, match="that is unacknowledged cannot reset; possible: "),
        writing(engine) as connection,
    ):
        reset(connection, key, by=KIM, at=clock.now())
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM audit")).scalar_one() == 0


def test_what_an_operator_closed_does_not_latch_when_it_is_over(
    engine: Engine, tanks: dict[str, int]
) -> None:
    key = raise_incident(engine, tanks["T1"], clock.now(), latching=True)
    happen(engine, key, IncidentEvent.CLOSE)
    happen(engine, key, IncidentEvent.RETURN)
    assert states(incidents(engine)) == [IncidentState.CLOSED]
    assert history(engine, key) == ["raise", "close", "latch"]


def test_limit_that_joins_what_a_detector_found_makes_it_latch(
    engine: Engine, tmp_path: Path
) -> None:
    values = quiet_values(TANKS, STEPS)
    context = late_plant(engine, tmp_path, values, **LATE)
    values[1, 1600:1660, 0] += 3.0
    values[1, 1620:1640, 0] += 2.0
    values[2, 1600:1660, 0] += 3.0
    send(context, values, LEARNED, 1610)
    send(context, values, 1610, 1900)
    found = {one.incident.tank: one.incident for one in incidents(engine)}
    assert {one.detector for one in found.values()} == {"robust_z"}
    assert found["TK-2"].state is LATCHED
    assert found["TK-3"].state is IncidentState.RETURNED_UNACKNOWLEDGED


def test_late_readings_make_what_is_over_latch_after_all_and_let_it_go_again(
    engine: Engine, tmp_path: Path
) -> None:
    values = quiet_values(TANKS, STEPS)
    context = late_plant(engine, tmp_path, values, **LATE)
    values[1, 1600:1660, 0] += 3.0
    send(context, values, LEARNED, 1900)
    (one,) = incidents(engine)
    assert one.incident.state is IncidentState.RETURNED_UNACKNOWLEDGED
    higher = values.copy()
    higher[1, 1620:1640, 0] += 2.0
    send(context, higher, 1620, 1640, 1)
    (after,) = incidents(engine)
    assert (after.incident_id, after.incident.state) == (one.incident_id, LATCHED)
    send(context, values, 1620, 1640, 1)
    assert states(incidents(engine)) == [IncidentState.RETURNED_UNACKNOWLEDGED]
    assert history(engine, one.incident_id)[:2] == ["raise", "return"]
    assert [e for e in history(engine, one.incident_id)[2:] if e in {"latch", "return"}] == [
        "latch",
        "return",
    ]


def test_tank_is_an_alarm_while_latched_then_acknowledged_then_normal(
    engine: Engine, tanks: dict[str, int]
) -> None:
    key = raise_incident(engine, tanks["T1"], clock.now(), latching=True, symptom=Symptom.STALE)
    assert tank_state(engine, "T1") == "stale"
    happen(engine, key, IncidentEvent.RETURN)
    assert tank_state(engine, "T1") == "alarm"
    happen(engine, key, IncidentEvent.ACKNOWLEDGE)
    assert tank_state(engine, "T1") == "acknowledged"
    happen(engine, key, IncidentEvent.RESET)
    assert tank_state(engine, "T1") == "learning"


def test_what_is_latched_does_not_hide_what_stands(engine: Engine, tanks: dict[str, int]) -> None:
    stands = raise_incident(engine, tanks["T1"], clock.now() - HOUR)
    happen(engine, stands, IncidentEvent.ACKNOWLEDGE)
    later = raise_incident(engine, tanks["T1"], clock.now(), latching=True)
    happen(engine, later, IncidentEvent.RETURN)
    with reading(engine) as connection:
        query = text("SELECT open_incident_id FROM dash_tank_status WHERE tank = 'T1'")
        assert connection.execute(query).scalar_one() == stands
    assert tank_state(engine, "T1") == "acknowledged"


def test_what_latched_while_muted_is_told_when_the_mute_ends(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box, "limit")
    plant.go_on(60)
    with writing(engine) as connection:
        tank = scope_of_tank(connection, "TK-1")
        span = timedelta(minutes=150)
        shelve(connection, tank, span=span, longest=span, by=KIM, at=at(60), reason="noisy")
    plant.go_on(126)
    plant.go_on(200)
    assert box.taken == []
    plant.go_on(211)
    ((now, _, mail),) = box.taken
    assert now == at(211)
    assert mail["Subject"].startswith("ALARM")
    assert "It is latched" in text_of(mail)


def test_digest_tells_what_waits_for_a_reset(engine: Engine, tmp_path: Path, box: Mailbox) -> None:
    plant = Plant(engine, tmp_path, box, "limit")
    plant.go_on(126)
    plant.go_on(200)
    person(engine, "kim")
    lead(engine, "kim", digest=True)
    box.now = at(361)
    assert send_bulletins(plant.context, now=box.now) == 1
    digest = text_of(box.taken[-1][2])
    assert "0 standing, 1 latched, 0 muted, 1 over" in digest
    assert "OVER AND LATCHED, TO BE RESET" in digest.upper()
