"""Readings over HTTP: forms, verdicts, repetition, quarantine."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.intake import load_quarantine
from tankwatch.store.plant import ensure_tanks, load_tanks
from tests.integration.web_server import NOW, Served, served

TIMES = [f"2026-03-02T06:3{minute}:00Z" for minute in range(10)]
CSV = f"tank,timestamp,pressure,temperature\nT1,{TIMES[0]},1,20\nT2,{TIMES[0]},2,\n"


@pytest.fixture
def web(engine: Engine) -> Iterator[Served]:
    with served(engine) as found:
        yield found


def stored(engine: Engine) -> list[tuple[Any, ...]]:
    """Return (tank, pressure, temperature) of each reading."""
    query = (
        "SELECT t.name, r.pressure, r.temperature FROM reading r JOIN tank t USING (tank_id) "
        "ORDER BY t.name, r.observed_at"
    )
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


WIDE = [
    {"tank": "T1", "timestamp": TIMES[0], "pressure": 1, "temperature": 20},
    {"tank": "T2", "timestamp": TIMES[0], "pressure": 2},
]
LONG = [
    {"tank": "T1", "timestamp": TIMES[0], "channel": "pressure", "value": 1},
    {"tank": "T2", "timestamp": TIMES[0], "channel": "pressure", "value": 2},
    {"tank": "T1", "timestamp": TIMES[0], "channel": "temperature", "value": 20},
]
LONG_CSV = "tank,timestamp,channel,value\n" + "".join(
    ",".join(str(value) for value in row.values()) + "\n" for row in LONG
)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/csv", CSV),
        ("text/csv; charset=utf-8", LONG_CSV),
        ("application/json", json.dumps(WIDE)),
        ("application/json", json.dumps(LONG, indent=2)),
        ("application/x-ndjson", "\n".join(json.dumps(row) for row in WIDE)),
        ("application/jsonl", "\n".join(json.dumps(row) for row in LONG)),
    ],
)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_every_form_stores_the_same(
    engine: Engine, web: Served, kind: str, body: str, encoding: str
) -> None:
    content = gzip.compress(body.encode()) if encoding == "gzip" else body.encode()
    answer = web.post(content, kind, headers={"content-encoding": encoding})
    assert answer.status_code == 200
    found = answer.json()
    rows = 3 if "channel" in body else 2
    assert found["verdicts"] == ["stored"] * rows
    assert (found["stored"], found["rejected"], found["rejects"]) == (2, 0, [])
    assert stored(engine) == [("T1", 1.0, 20.0), ("T2", 2.0, None)]


def test_one_reading_as_an_object(engine: Engine, web: Served) -> None:
    answer = web.post(json.dumps(WIDE[0], indent=1), "application/json")
    assert answer.json()["verdicts"] == ["stored"]
    assert stored(engine) == [("T1", 1.0, 20.0)]


def test_repeated_body_is_all_duplicates_and_changes_nothing(engine: Engine, web: Served) -> None:
    body = f"{CSV}T3,never,1,2\n"
    first, again = web.post(body).json(), web.post(body).json()
    assert first["verdicts"] == ["stored", "stored", "rejected"]
    assert again["verdicts"] == ["duplicate", "duplicate", "rejected"]
    assert (again["stored"], again["updated"], again["duplicate"]) == (0, 0, 2)
    assert stored(engine) == [("T1", 1.0, 20.0), ("T2", 2.0, None)]
    with reading(engine) as connection:
        assert len(load_quarantine(connection, limit=9)) == 1


def test_each_row_has_its_verdict_and_each_reject_its_reason(engine: Engine, web: Served) -> None:
    web.post(CSV)
    rows = [
        f"T1,{TIMES[0]},1,20",  # known
        f"T1,{TIMES[1]},bad,21",  # one value of it
        "",
        "T1,soon,1,20",
        f"T2,{TIMES[0]},2,22",  # completes a known one
        "T1",
        f"T9,{TIMES[0]},9,29",
        f"T9,{TIMES[0]},9,29",  # the same twice
    ]
    body = "tank,timestamp,pressure,temperature,note\n" + "".join(
        f"{row},x\n" if row.count(",") > 2 else f"{row}\n" for row in rows
    )
    found = web.post(body).json()
    assert found["verdicts"] == [
        *("duplicate", "stored", "rejected", "updated", "rejected", "stored", "duplicate"),
    ]
    places = [(reject["row"], reject["line"], reject["reason"]) for reject in found["rejects"]]
    assert places == [(2, 3, "bad_number"), (3, 5, "bad_time"), (5, 7, "broken_row")]
    assert found["rejects"][0]["detail"] == "pressure: 'bad' is not a number"
    assert (found["stored"], found["updated"], found["duplicate"], found["rejected"]) == (
        2,
        1,
        2,
        3,
    )
    assert found["notes"] == ["columns that are not read: 'note'"]
    with reading(engine) as connection:
        kept = load_quarantine(connection, limit=9)
    assert [(r.line, r.reason.value) for r in reversed(kept)] == [
        (line, reason) for _, line, reason in places
    ]
    assert all(record.source.startswith("http:gateway/") for record in kept)


def test_list_element_that_is_no_object_is_rejected_alone(web: Served) -> None:
    found = web.post(json.dumps([5, *WIDE, None]), "application/json").json()
    assert found["verdicts"] == ["rejected", "stored", "stored", "rejected"]
    assert [(r["row"], r["line"]) for r in found["rejects"]] == [(1, 1), (4, 4)]


def test_parameters_say_how_a_body_is_understood(engine: Engine, web: Served) -> None:
    body = "Zeit;P;temperature\n02.03.2026 07:30;0,125;68\n"
    parameters = {
        "tank": "T7",
        "column": ["timestamp=Zeit", "pressure=P"],
        "unit": ["pressure=bar", "temperature=degF"],
        "time_zone": "Europe/Oslo",
    }
    assert web.post(body, params=parameters).json()["verdicts"] == ["stored"]
    ((tank, pressure, temperature),) = stored(engine)
    assert (tank, pressure, temperature) == ("T7", 12.5, pytest.approx(20))
    again = {"tank": "T7", "timestamp": TIMES[0], "pressure": 113.825, "temperature": None}
    found = web.post(json.dumps(again), "application/json", params={"absolute": "pressure"})
    assert found.json()["verdicts"] == ["duplicate"]


def test_new_tanks_belong_to_the_site_of_the_token(engine: Engine, web: Served) -> None:
    web.post(CSV)
    with reading(engine) as connection:
        assert {tank.site for tank in load_tanks(connection)} == {"north"}


def test_tank_of_another_site_is_rejected_row_by_row(engine: Engine, web: Served) -> None:
    with writing(engine) as connection:
        ensure_tanks(connection, ["T2"], site="south", at=NOW)
    found = web.post(CSV).json()
    assert found["verdicts"] == ["stored", "rejected"]
    assert [(r["row"], r["reason"]) for r in found["rejects"]] == [(2, "wrong_site")]
    assert stored(engine) == [("T1", 1.0, 20.0)]


def test_tank_made_elsewhere_a_moment_ago_is_rejected_too(engine: Engine, web: Served) -> None:
    web.post(CSV.replace("T2", "T1"))  # so that the server has just looked at the plant
    with writing(engine) as connection:
        ensure_tanks(connection, ["T2"], site="south", at=NOW)
    assert web.post(CSV).json()["verdicts"] == ["updated", "rejected"]


def test_readings_far_ahead_of_the_clock_are_rejected(web: Served) -> None:
    found = web.post(CSV.replace("2026", "2126", 1)).json()
    assert [reject["reason"] for reject in found["rejects"]] == ["future_time"]


def test_last_use_of_the_token_is_noted(engine: Engine, web: Served) -> None:
    web.post(CSV)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT last_used_at FROM token")).scalar_one() is not None
