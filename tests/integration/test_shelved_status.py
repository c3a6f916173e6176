"""What a tank's state says while something of it is shelved."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tankwatch import clock
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import apply_event
from tankwatch.store.scope import scope_of_tank
from tankwatch.store.shelves import shelve, shelve_until_clear, take_out_of_service
from tests.integration.muting import DAY, HOUR, KIM
from tests.integration.plant_of_incidents import raise_incident


def state(engine: Engine, tank: str = "T1") -> str:
    with reading(engine) as connection:
        query = text("SELECT state FROM dash_tank_status WHERE tank = :tank")
        return str(connection.execute(query, {"tank": tank}).scalar_one())


def shelve_one(engine: Engine, incident: int) -> None:
    with writing(engine) as connection:
        at = clock.now() - HOUR
        shelve_until_clear(connection, incident, longest=DAY, by=KIM, at=at, reason="known")


def test_incident_that_is_shelved_until_it_clears_hides_no_later_one(
    engine: Engine, tanks: dict[str, int]
) -> None:
    first = raise_incident(engine, tanks["T1"], clock.now() - 3 * HOUR)
    shelve_one(engine, first)
    assert state(engine) == "shelved"
    raise_incident(engine, tanks["T1"], clock.now() - timedelta(minutes=5))
    assert state(engine) == "alarm"
    assert state(engine, "T2") == "learning"


def test_incident_that_has_cleared_is_shelved_no_more(
    engine: Engine, tanks: dict[str, int]
) -> None:
    first = raise_incident(engine, tanks["T1"], clock.now() - 3 * HOUR)
    shelve_one(engine, first)
    with writing(engine) as connection:
        now = clock.now()
        event = IncidentEvent.RETURN
        apply_event(connection, first, event, at=now, actor="tankwatch", ended_at=now)
    assert state(engine) == "alarm"


@pytest.mark.usefixtures("tanks")
def test_tank_that_is_shelved_and_out_of_service_is_out_of_service(engine: Engine) -> None:
    with writing(engine) as connection:
        at, tank = clock.now() - HOUR, scope_of_tank(connection, "T1")
        shelve(connection, tank, span=DAY, longest=DAY, by=KIM, at=at, reason="noisy")
    assert state(engine) == "shelved"
    with writing(engine) as connection:
        take_out_of_service(connection, tank, by=KIM, at=at, reason="inspection")
    assert state(engine) == "out_of_service"
