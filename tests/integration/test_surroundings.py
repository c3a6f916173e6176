"""What siblings do at a time, and the last incident like one, from the database."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tankwatch.core.actor import Actor, Via
from tankwatch.core.incident import Symptom
from tankwatch.core.surroundings import Surroundings
from tankwatch.store.acts import label
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import IncidentRow, Opening, load_incidents, open_incident
from tankwatch.store.plant import ensure_tanks
from tankwatch.store.surroundings import load_surroundings
from tests.integration.test_store_incidents import OPENING, STARTED_AT

HOUR = timedelta(hours=1)
KIM = Actor("kim", Via.COMMAND)


class Farm:
    """Five tanks of a site and one of another."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with writing(engine) as connection:
            names = ["A", "B", "C", "D", "E"]
            self.tanks = ensure_tanks(connection, names, site="far", at=STARTED_AT)
            self.tanks |= ensure_tanks(connection, ["X"], site="other", at=STARTED_AT)

    def happened(
        self, tank: str, hours: float = 0.0, *, lasted: float | None = None, **changes: Any
    ) -> int:
        start: datetime = STARTED_AT + hours * HOUR
        values: dict[str, Any] = {
            name: getattr(OPENING, name) for name in OPENING.__dataclass_fields__
        }
        values |= {
            "tank_id": self.tanks[tank],
            "tank": tank,
            "started_at": start,
            "raised_at": start + timedelta(minutes=3),
        }
        with writing(self.engine) as connection:
            key = open_incident(connection, Opening(**(values | changes)), reason="x")
            if lasted is not None:
                over = {"ended_at": start + lasted * HOUR, "state": "closed"}
                where = IncidentRow.incident_id == key
                connection.execute(update(IncidentRow).where(where).values(**over))
        return key

    def around(self, key: int, hours: float = 0.5) -> Surroundings:
        with reading(self.engine) as connection:
            (stored,) = load_incidents(connection, ids=[key])
            return load_surroundings(connection, stored, at=STARTED_AT + hours * HOUR)


@pytest.fixture
def farm(engine: Engine) -> Farm:
    return Farm(engine)


def test_siblings_are_of_the_site_and_alike_in_channel_and_kind(farm: Farm) -> None:
    mine = farm.happened("A")
    farm.happened("B", symptom=Symptom.DRIFT_UP)  # of the same kind
    farm.happened("C", symptom=Symptom.FLAT_LINE)
    farm.happened("D", channel_id=2)
    farm.happened("X")
    siblings = farm.around(mine).siblings
    assert (siblings.tanks, siblings.same, siblings.other) == (4, ("B",), ("C", "D"))
    assert siblings.normal == 1


def test_siblings_are_told_as_of_a_time(farm: Farm) -> None:
    mine = farm.happened("A")
    farm.happened("B", hours=-5, lasted=1)
    farm.happened("C", hours=-1, lasted=10)
    farm.happened("D", hours=2)
    assert farm.around(mine).siblings.same == ("C",)
    assert farm.around(mine, hours=3).siblings.same == ("C", "D")


def test_tank_with_both_is_named_once(farm: Farm) -> None:
    mine = farm.happened("A")
    farm.happened("B")
    farm.happened("B", hours=0.1, symptom=Symptom.STALE)
    siblings = farm.around(mine).siblings
    assert (siblings.same, siblings.other, siblings.normal) == (("B",), (), 3)


def test_last_one_like_it_is_the_tanks_own_with_what_was_said_last(farm: Farm) -> None:
    farm.happened("A", hours=-90, lasted=1)
    last = farm.happened("A", hours=-50, lasted=2, symptom=Symptom.DRIFT_UP)
    farm.happened("A", hours=-40, lasted=2, channel_id=2)
    farm.happened("A", hours=-30, lasted=2, symptom=Symptom.STALE)
    farm.happened("B", hours=-20, lasted=2)
    mine = farm.happened("A")
    with writing(farm.engine) as connection:
        for verdict, cause in (("not_a_fault", ""), ("real_fault", "vent stuck")):
            label(connection, last, verdict=verdict, by=KIM, at=STARTED_AT, cause=cause)
    earlier = farm.around(mine).earlier
    assert earlier is not None
    assert (earlier.tank, earlier.symptom) == ("A", Symptom.DRIFT_UP)
    assert (earlier.verdict, earlier.cause, earlier.said_by) == ("real_fault", "vent stuck", "kim")


def test_where_the_tank_had_none_the_last_of_the_site_is_taken(farm: Farm) -> None:
    farm.happened("B", hours=-20, lasted=2)
    farm.happened("X", hours=-10, lasted=2)
    mine = farm.happened("A")
    earlier = farm.around(mine).earlier
    assert earlier is not None
    assert (earlier.tank, earlier.verdict, earlier.acknowledged_by) == ("B", "", "")


def test_what_stands_or_was_withdrawn_is_nothing_to_learn_from(farm: Farm) -> None:
    withdrawn = farm.happened("A", hours=-20, lasted=2)
    farm.happened("B", hours=-10)
    mine = farm.happened("A")
    with writing(farm.engine) as connection:
        where = IncidentRow.incident_id == withdrawn
        connection.execute(update(IncidentRow).where(where).values(withdrawn_at=STARTED_AT))
    assert farm.around(mine).earlier is None
