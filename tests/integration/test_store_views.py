"""The dashboard views: columns as promised, and the same rows on both backends."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, text, update

from tankwatch.core.incident import MessageKind, Severity, Symptom
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.store.champions import promote
from tankwatch.store.channels import add_channel
from tankwatch.store.engine import Connection, Engine, reading, writing
from tankwatch.store.incidents import Opening, apply_event, open_incident
from tankwatch.store.intake import store_readings
from tankwatch.store.operators import store_label
from tankwatch.store.outbox import MessageState, OutboxRow, queue_message
from tankwatch.store.plant import ensure_tanks
from tankwatch.store.readings import ReadingRows
from tankwatch.store.registry import Artefact, TrainingFacts, store_model
from tankwatch.store.runs import JobRun, Outcome, finish_run, start_run
from tankwatch.store.scores import ScoreRows, store_scores
from tankwatch.store.shelves import ShelfRow
from tankwatch.store.views import VIEWS
from tests.integration.view_columns import COLUMNS

T0 = datetime(2026, 3, 2, 6, 30, 0, 125_000, tzinfo=UTC)
T0_MS = 1_772_433_000_125
DAY_MS, DAY = 1_772_409_600_000, "2026-03-02T00:00:00.000Z"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TANKS = ("alarm", "known", "learning", "normal", "out", "quiet", "shelved")
OPENING = Opening(
    tank_id=0,
    tank="",
    detector="autoencoder",
    model_version_id=None,
    channel_id=2,
    share=1.0,
    symptom=Symptom.ABOVE_EXPECTED,
    severity=Severity.ALARM,
    started_at=T0,
    raised_at=T0 + 3 * MINUTE,
    peak_score=2.5,
    historical=False,
)


def at(minutes: int) -> str:
    """Return the time so many minutes after T0 as the views show it."""
    return (T0 + minutes * MINUTE).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ms(minutes: int) -> int:
    """Return the same in epoch milliseconds."""
    return T0_MS + minutes * 60_000


def shown(value: Any) -> Any:
    """Return a value as both backends show it; neither may show what JSON has no number for."""
    assert not isinstance(value, Decimal)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def rows(engine: Engine, view: str, order: str) -> list[dict[str, Any]]:
    query = text(f"SELECT * FROM {view} ORDER BY {order}")  # noqa: S608 - names from this file
    with reading(engine) as connection:
        found = [dict(row._mapping) for row in connection.execute(query)]
    return [{name: shown(value) for name, value in row.items()} for row in found]


def tell(connection: Connection, key: int, event: IncidentEvent, minutes: int) -> None:
    moment = T0 + minutes * MINUTE
    ended = moment if event is IncidentEvent.RETURN else None
    apply_event(connection, key, event, at=moment, actor="kim", ended_at=ended)


@pytest.fixture
def plant(engine: Engine) -> Engine:
    """Fill a database with one tank in each state, and what led there."""
    with writing(engine) as connection:
        ids = ensure_tanks(connection, TANKS, site="north", at=T0)
        ensure_tanks(connection, ["alone"], site="south", at=T0)
        add_readings(connection, ids)
        add_models_and_scores(connection, ids)
        add_incidents(connection, ids)
        add_shelves(connection, ids)
        add_runs(connection)
    return engine


def add_readings(connection: Connection, ids: Mapping[str, int]) -> None:
    add_channel(connection, "density", "kg/m3")
    tank = np.array([ids["normal"], ids["alarm"], ids["known"]], dtype=np.int64)
    values = np.array([[1.5, np.nan, 0.8], [2.5, 20.0, np.nan], [3.5, np.nan, np.nan]])
    rows = ReadingRows(tank, np.full(3, T0_MS), values)
    store_readings(connection, rows, ("pressure", "temperature", "density"))


def add_models_and_scores(connection: Connection, ids: Mapping[str, int]) -> None:
    facts = TrainingFacts(T0, 7, 900, 12, 0.25, 0.5)
    old = store_model(connection, Artefact("autoencoder", {}), facts, reason="")
    promote(connection, old, at=T0 + MINUTE, reason="first")
    empty = replace(facts, validation_error=None, false_alarms_per_tank_month=None)
    new = store_model(connection, Artefact("autoencoder", {}), empty, reason="")
    promote(connection, new, at=T0 + 2 * MINUTE, reason="better")
    for version, tank, minutes, score, channel in (
        (old, "alarm", 0, 0.5, 1),
        (new, "alarm", 1, 2.5, 2),
        (new, "known", 1, 1.0, 1),
        (old, "normal", 9, 9.0, 2),
        (new, "normal", 0, 3.0, 2),
        (new, "normal", 1, 0.25, 1),
    ):
        parts = (np.array(p) for p in ([ids[tank]], [T0_MS + minutes * 60_000], [score], [channel]))
        store_scores(connection, version, ScoreRows(*parts))


def add_incidents(connection: Connection, ids: Mapping[str, int]) -> None:
    def opened(tank: str, minutes: int, **changes: Any) -> int:
        start = T0 + minutes * MINUTE
        own = {"tank": tank, "tank_id": ids[tank], "started_at": start, **changes}
        return open_incident(connection, replace(OPENING, **own), reason="")

    first = opened("alarm", 0)
    queue_message(connection, first, "u", kind=MessageKind.ALARM, domain="d", at=T0)
    connection.execute(update(OutboxRow).values(state=MessageState.SENT.value))
    queue_message(connection, first, "u", kind=MessageKind.ALL_CLEAR, domain="d", at=T0)
    tell(connection, first, IncidentEvent.ACKNOWLEDGE, 5)
    tell(connection, first, IncidentEvent.RETURN, 9)
    for verdict in ("real_fault", "not_a_fault"):
        store_label(connection, first, verdict=verdict, cause="", by="kim", at=T0)
    second = opened("alarm", 10)
    store_label(connection, second, verdict="real_fault", cause="", by="kim", at=T0)
    opened("alarm", 20)
    tell(connection, opened("known", 0), IncidentEvent.ACKNOWLEDGE, 7)
    journal = {"severity": Severity.JOURNAL, "detector": "stale", "symptom": Symptom.STALE}
    opened("quiet", 0, **journal, channel_id=1)
    opened("normal", -60, historical=True)


def add_shelves(connection: Connection, ids: Mapping[str, int]) -> None:
    shared = {"shelved_by": "kim", "reason": ""}
    for tank, kind, start, end in (
        ("shelved", "shelved", T0, None),
        ("out", "out_of_service", T0 + MINUTE, LONG_AGO.replace(year=2999)),
        ("normal", "shelved", LONG_AGO, T0),
        ("known", "shelved", LONG_AGO.replace(year=2998), None),
    ):
        row = {"tank_id": ids[tank], "kind": kind, "from_at": start, "until_at": end}
        connection.execute(insert(ShelfRow), [row | shared])


def add_runs(connection: Connection) -> None:
    for job, minutes, outcome in (
        ("detect", 0, Outcome.FAILED),
        ("detect", 1, Outcome.DONE),
        ("detect", 2, Outcome.FAILED),
        ("detect", 3, Outcome.FAILED),
        ("watch", 0, Outcome.FAILED),
        ("watch", 1, Outcome.DONE),
    ):
        began = T0 + minutes * MINUTE
        key = start_run(connection, job, at=began)
        ended = began + timedelta(seconds=1.5)
        finish_run(connection, key, JobRun(job, began, ended, outcome, 42, 0.5, ""))
    start_run(connection, "train", at=T0)


def test_views_are_those_of_the_contract() -> None:
    assert set(VIEWS) == set(COLUMNS)


def test_each_view_has_exactly_the_columns_of_the_contract(engine: Engine) -> None:
    with reading(engine) as connection:
        for view, columns in COLUMNS.items():
            found = connection.execute(text(f"SELECT * FROM {view}"))  # noqa: S608
            assert list(found.keys()) == columns.split()


def test_tank_status_shows_each_state(plant: Engine) -> None:
    found = {
        row["tank"]: tuple(row.values())[2:] for row in rows(plant, "dash_tank_status", "tank")
    }
    assert found == {
        "alarm": ("alarm", "alarm", at(20), at(0), 2.5, "temperature", 3),
        "alone": ("learning", None, None, None, None, None, None),
        "known": ("acknowledged", "alarm", at(0), at(0), 1.0, "pressure", 4),
        "learning": ("learning", None, None, None, None, None, None),
        "normal": ("normal", None, None, at(0), 0.25, "pressure", None),
        "out": ("out_of_service", None, at(1), None, None, None, None),
        "quiet": ("stale", "journal", at(0), None, None, None, 5),
        "shelved": ("shelved", None, at(0), None, None, None, None),
    }


def test_readings_show_added_channels(plant: Engine) -> None:
    where = {"site": "north", "observed_at": at(0), "observed_ms": T0_MS}
    assert rows(plant, "dash_readings", "tank") == [
        where | {"tank": "alarm", "pressure": 2.5, "temperature": 20.0, "density": None},
        where | {"tank": "known", "pressure": 3.5, "temperature": None, "density": None},
        where | {"tank": "normal", "pressure": 1.5, "temperature": None, "density": 0.8},
    ]


def test_scores_show_every_version_with_flag_and_channel(plant: Engine) -> None:
    found = rows(plant, "dash_scores", "tank, observed_at")
    assert [tuple(row.values()) for row in found] == [
        ("north", tank, "autoencoder", at(minutes), ms(minutes), score, 1.0, flag, channel)
        for tank, minutes, score, flag, channel in (
            ("alarm", 0, 0.5, False, "pressure"),
            ("alarm", 1, 2.5, True, "temperature"),
            ("known", 1, 1.0, True, "pressure"),
            ("normal", 0, 3.0, True, "temperature"),
            ("normal", 1, 0.25, False, "pressure"),
            ("normal", 9, 9.0, True, "temperature"),
        )
    ]


def test_incidents_show_times_mails_and_the_last_label(plant: Engine) -> None:
    first, second, *_, stale, _historical = rows(plant, "dash_incidents", "incident_id")
    assert first == {
        "incident_id": 1,
        "site": "north",
        "tank": "alarm",
        "state": "closed",
        "severity": "alarm",
        "detector": "autoencoder",
        "channel": "temperature",
        "symptom": "above_expected",
        "nature": "process",
        "started_at": at(0),
        "started_ms": T0_MS,
        "ended_at": at(9),
        "acknowledged_at": at(5),
        "acknowledged_by": "kim",
        "closed_at": at(9),
        "withdrawn_at": None,
        "peak_score": 2.5,
        "mails_sent": 1,
        "label": "not_a_fault",
    }
    assert (second["ended_at"], second["mails_sent"]) == (None, 0)
    assert (second["label"], stale["label"]) == ("real_fault", None)


def test_alarm_kpis_count_alarms_only(plant: Engine) -> None:
    (day,) = rows(plant, "dash_alarm_kpis", "site, day")
    # Acknowledged two and four minutes after they were raised.
    assert list(day.values()) == ["north", "2026-03-02", DAY_MS, DAY, 4, 180.0, 3, 1, 2, 0.5]


def test_job_health_counts_failures_since_the_last_success(plant: Engine) -> None:
    found = rows(plant, "dash_job_health", "job")
    ended = {minute: f"2026-03-02T06:3{minute}:01.625Z" for minute in (1, 3)}
    assert [tuple(row.values()) for row in found] == [
        ("detect", at(3), ended[3], "failed", 42, 1.5, 0.5, 2, ended[1]),
        ("train", at(0), None, "running", 0, None, None, 0, None),
        ("watch", at(1), ended[1], "done", 42, 1.5, 0.5, 0, ended[1]),
    ]


def test_model_health_shows_every_version(plant: Engine) -> None:
    found = rows(plant, "dash_model_health", "model_version")
    assert [tuple(row.values()) for row in found] == [
        (1, "autoencoder", at(0), at(1), 7, 900, 12, 0.25, 0.5, None),
        (2, "autoencoder", at(0), at(2), 7, 900, 12, None, None, None),
    ]


def test_times_are_shown_to_the_millisecond(engine: Engine) -> None:
    with writing(engine) as connection:
        for milliseconds in (0, 1, 9, 499, 999):
            moment = datetime(2026, 12, 31, 23, 59, 59, milliseconds * 1000, tzinfo=UTC)
            start_run(connection, f"{milliseconds:03}", at=moment)
    for row in rows(engine, "dash_job_health", "job"):
        assert row["last_started_at"] == f"2026-12-31T23:59:59.{row['job']}Z"
