from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

from tankwatch.core.incident import IncidentState, Severity, Symptom
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.core.stretches import Stretch, Why
from tankwatch.errors import StoreError, UsageError
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import (
    Opening,
    StoredIncident,
    apply_event,
    load_incidents,
    open_incident,
)
from tankwatch.store.maintenance import MaintenanceRow, is_planned
from tankwatch.store.operators import (
    store_label,
)
from tankwatch.store.stretches import load_stretches
from tankwatch.store.transitions import load_transitions

STARTED_AT = datetime(2026, 3, 2, 6, 30, 0, 250_000, tzinfo=UTC)
DAY = (STARTED_AT, STARTED_AT + timedelta(days=1))
MINUTE = timedelta(minutes=1)
OPENING = Opening(
    tank_id=1,
    tank="T1",
    detector="autoencoder",
    model_version_id=None,
    channel_id=1,
    share=0.75,
    symptom=Symptom.ABOVE_EXPECTED,
    severity=Severity.ALARM,
    started_at=STARTED_AT,
    raised_at=STARTED_AT + 3 * MINUTE,
    peak_score=1.5,
    historical=False,
)


def opened(engine: Engine, tank_id: int = 1, *, minutes: int = 0) -> int:
    moved = replace(OPENING, tank_id=tank_id, started_at=STARTED_AT + minutes * MINUTE)
    with writing(engine) as connection:
        return open_incident(connection, moved, reason="score 1.5")


def happen(
    engine: Engine,
    key: int,
    event: IncidentEvent,
    *,
    minutes: int = 10,
    ended_at: datetime | None = None,
) -> IncidentState:
    at = STARTED_AT + minutes * MINUTE
    with writing(engine) as connection:
        return apply_event(
            connection, key, event, at=at, actor="kim", reason="seen", ended_at=ended_at
        )


def only(engine: Engine) -> StoredIncident:
    with reading(engine) as connection:
        (incident,) = load_incidents(connection)
    return incident


@pytest.mark.usefixtures("tanks")
def test_raised_incident_is_unacknowledged_with_its_first_transition(engine: Engine) -> None:
    key = opened(engine)
    stored = only(engine)
    assert (stored.incident_id, stored.tank_id, stored.model_version_id) == (key, 1, None)
    incident = stored.incident
    assert (incident.site, incident.tank, incident.channel) == ("north", "T1", "pressure")
    assert incident.state is IncidentState.UNACKNOWLEDGED
    assert (incident.started_at, incident.ended_at) == (STARTED_AT, None)
    assert (incident.share, incident.peak_score, incident.historical) == (0.75, 1.5, False)
    with reading(engine) as connection:
        assert OPENING.uid == incident.uid
        (first,) = load_transitions(connection, key)
    assert first == {
        "at": OPENING.raised_at,
        "event": "raise",
        "from_state": None,
        "to_state": "unacknowledged",
        "actor": "tankwatch",
        "reason": "score 1.5",
    }


@pytest.mark.usefixtures("tanks")
def test_acknowledged_incident_closes_when_the_tank_returns(engine: Engine) -> None:
    key, ended_at = opened(engine), STARTED_AT + 9 * MINUTE
    acknowledged = happen(engine, key, IncidentEvent.ACKNOWLEDGE, minutes=5)
    assert acknowledged is IncidentState.ACKNOWLEDGED
    closed = happen(engine, key, IncidentEvent.RETURN, minutes=20, ended_at=ended_at)
    assert closed is IncidentState.CLOSED
    stored = only(engine)
    assert (stored.acknowledged_at, stored.acknowledged_by) == (STARTED_AT + 5 * MINUTE, "kim")
    assert (stored.closed_at, stored.incident.ended_at) == (STARTED_AT + 20 * MINUTE, ended_at)
    with reading(engine) as connection:
        history = load_transitions(connection, key)
    assert [(row["event"], row["from_state"], row["to_state"]) for row in history] == [
        ("raise", None, "unacknowledged"),
        ("acknowledge", "unacknowledged", "acknowledged"),
        ("return", "acknowledged", "closed"),
    ]


@pytest.mark.usefixtures("tanks")
def test_unacknowledged_incident_waits_for_an_operator_after_its_return(engine: Engine) -> None:
    key = opened(engine)
    happen(engine, key, IncidentEvent.RETURN, ended_at=STARTED_AT)
    assert only(engine).incident.state is IncidentState.RETURNED_UNACKNOWLEDGED
    assert only(engine).closed_at is None
    happen(engine, key, IncidentEvent.ACKNOWLEDGE, minutes=30)
    assert only(engine).closed_at == only(engine).acknowledged_at == STARTED_AT + 30 * MINUTE


@pytest.mark.usefixtures("tanks")
def test_return_after_an_operator_closed_keeps_the_time_of_closing(engine: Engine) -> None:
    key = opened(engine)
    happen(engine, key, IncidentEvent.CLOSE, minutes=10)
    happen(engine, key, IncidentEvent.RETURN, minutes=60, ended_at=STARTED_AT)
    assert only(engine).closed_at == STARTED_AT + 10 * MINUTE
    assert only(engine).incident.ended_at == STARTED_AT


@pytest.mark.usefixtures("tanks")
def test_event_that_cannot_happen_changes_nothing(engine: Engine) -> None:
    key = opened(engine)
    happen(engine, key, IncidentEvent.CLOSE)
    before = only(engine)
    with pytest.raises(UsageError, match="closed cannot acknowledge"):
        happen(engine, key, IncidentEvent.ACKNOWLEDGE)
    with pytest.raises(UsageError, match="no incident 99"):
        happen(engine, 99, IncidentEvent.ACKNOWLEDGE)
    assert only(engine) == before
    with reading(engine) as connection:
        assert len(load_transitions(connection, key)) == 2


@pytest.mark.usefixtures("tanks")
def test_same_readings_never_open_a_second_incident(engine: Engine) -> None:
    opened(engine)
    with pytest.raises(StoreError, match="refused"):
        opened(engine)
    assert only(engine).incident.uid == OPENING.uid
    assert replace(OPENING, historical=True).uid != OPENING.uid


@pytest.mark.usefixtures("tanks")
def test_incidents_are_found_by_tank_state_and_number(
    engine: Engine, tanks: dict[str, int]
) -> None:
    first, second = opened(engine, tanks["T1"]), opened(engine, tanks["T1"], minutes=60)
    third = opened(engine, tanks["T2"], minutes=30)
    happen(engine, second, IncidentEvent.CLOSE)
    with reading(engine) as connection:

        def keys(**which: object) -> list[int]:
            found = load_incidents(connection, **which)  # type: ignore[arg-type]
            return [incident.incident_id for incident in found]

        assert keys() == [second, third, first]
        assert keys(tank="T1") == [second, first]
        assert keys(only_open=True) == [third, first]
        assert keys(ids=[first, second]) == [second, first]
        assert keys(ids=[]) == []
        assert keys(limit=1) == [second]


def test_open_and_confirmed_incidents_are_kept_from_training(
    engine: Engine, tanks: dict[str, int]
) -> None:
    ended_at = STARTED_AT + 9 * MINUTE
    still, real, wrong, unlabelled = (opened(engine, 1, minutes=m * 60) for m in range(4))
    for key in (real, wrong, unlabelled):
        happen(engine, key, IncidentEvent.RETURN, ended_at=ended_at)
        happen(engine, key, IncidentEvent.ACKNOWLEDGE)
    with writing(engine) as connection:
        for key, verdicts in {
            still: [],
            real: ["not_a_fault", "real_fault"],
            wrong: ["real_fault", "not_a_fault"],
        }.items():
            for verdict in verdicts:
                store_label(connection, key, verdict=verdict, cause="", by="kim", at=STARTED_AT)
    with reading(engine) as connection:
        assert sorted(
            load_stretches(connection, recurring=DAY), key=lambda stretch: stretch.start
        ) == [
            Stretch(tanks["T1"], STARTED_AT, None, Why.OPEN_INCIDENT),
            Stretch(tanks["T1"], STARTED_AT + 60 * MINUTE, ended_at, Why.REAL_FAULT),
            Stretch(tanks["T1"], STARTED_AT + 120 * MINUTE, ended_at, Why.NOT_A_FAULT),
        ]


@pytest.mark.usefixtures("tanks")
def test_open_incident_that_was_no_fault_is_told_apart(engine: Engine) -> None:
    key = opened(engine)
    with writing(engine) as connection:
        store_label(connection, key, verdict="not_a_fault", cause="", by="kim", at=STARTED_AT)
        assert load_stretches(connection, recurring=DAY) == [
            Stretch(1, STARTED_AT, None, Why.NOT_A_FAULT)
        ]


def test_maintenance_of_a_tank_or_its_site_is_kept_from_training(
    engine: Engine, tanks: dict[str, int]
) -> None:
    until_at = STARTED_AT + MINUTE
    shared = {"from_at": STARTED_AT, "until_at": until_at, "reason": "inspection"}
    with writing(engine) as connection:
        rows = [{"tank_id": tanks["T2"], **shared}]
        connection.execute(insert(MaintenanceRow), rows)
        assert load_stretches(connection, recurring=DAY) == [
            Stretch(tanks["T2"], STARTED_AT, until_at, Why.MAINTENANCE)
        ]
        connection.execute(insert(MaintenanceRow), [{"site_id": 1, **shared}])
        excluded = [stretch.tank_id for stretch in load_stretches(connection, recurring=DAY)]
    assert sorted(excluded) == sorted([*tanks.values(), tanks["T2"]])


def test_work_is_planned_for_its_tank_and_its_time_only(
    engine: Engine, tanks: dict[str, int]
) -> None:
    until_at = STARTED_AT + 9 * MINUTE
    work = {"tank_id": tanks["T2"], "from_at": STARTED_AT, "until_at": until_at, "reason": "fill"}
    with writing(engine) as connection:
        connection.execute(insert(MaintenanceRow), [work])
        for tank, first, last, planned in (
            ("T2", -5, -1, False),
            ("T2", -5, 3, True),
            ("T2", 5, 20, True),
            ("T2", 10, 20, False),
            ("T1", 0, 9, False),
        ):
            span = (STARTED_AT + first * MINUTE, STARTED_AT + last * MINUTE)
            assert is_planned(connection, tanks[tank], *span) is planned
        site = {"site_id": 1, "from_at": STARTED_AT, "until_at": until_at, "reason": "purge"}
        connection.execute(insert(MaintenanceRow), [site])
        assert is_planned(connection, tanks["T1"], STARTED_AT, until_at)


@pytest.mark.usefixtures("tanks")
def test_label_keeps_the_stretch_and_the_words_of_the_operator(engine: Engine) -> None:
    key = opened(engine)
    with writing(engine) as connection:
        store_label(connection, key, verdict="real_fault", cause="valve", by="kim", at=STARTED_AT)
        query = text("SELECT tank_id, verdict, cause, labelled_by FROM label")
        assert connection.execute(query).one() == (1, "real_fault", "valve", "kim")
        with pytest.raises(UsageError, match="no incident 99"):
            store_label(connection, 99, verdict="real_fault", cause="", by="kim", at=STARTED_AT)
