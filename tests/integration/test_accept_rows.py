"""Rows of live sources go the way of all readings: units, limits of acceptance, quarantine."""

from datetime import UTC, datetime

import numpy as np
from sqlalchemy import text

from tankwatch.core.readings import Accepted, RejectReason
from tankwatch.core.times import to_ms
from tankwatch.ingest.accept import Intake, accept_rows
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.rows import Rows, excerpt
from tankwatch.store.engine import Engine, reading
from tankwatch.store.intake import load_quarantine
from tankwatch.store.plant import load_tanks, tank_ids
from tankwatch.store.readings import load_readings

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
T0 = "2026-03-02T06:30:00Z"
T0_MS = to_ms(datetime(2026, 3, 2, 6, 30, tzinfo=UTC))
OPTIONS = FileOptions(
    channels=("pressure", "temperature"), units={"pressure": "bar"}, latest_ms=to_ms(NOW)
)


def take(engine: Engine, rows: Rows, options: FileOptions = OPTIONS) -> Accepted:
    return accept_rows(Intake(engine, "main"), rows, options, now=NOW)


def stored(engine: Engine) -> list[tuple[str, int, float, float]]:
    with reading(engine) as connection:
        names = {tank.tank_id: tank.name for tank in load_tanks(connection)}
        found = load_readings(
            connection, list(names), ("pressure", "temperature"), from_ms=0, until_ms=T0_MS * 2
        )
    keys = zip(found.tank_id.tolist(), found.observed_ms.tolist(), strict=True)
    values = np.nan_to_num(found.values, nan=-1.0).tolist()
    return [(names[tank], ms, *row) for (tank, ms), row in zip(keys, values, strict=True)]


def test_values_of_one_tank_and_time_become_one_reading_in_canonical_units(engine: Engine) -> None:
    rows = Rows()
    rows.add("a", "T1", T0, "pressure", 0.125)
    rows.add("b", "T1", T0, "temperature", "68", unit="degF")
    rows.add("a", "T2", T0_MS, "Pressure", 2)
    assert take(engine, rows) == Accepted(stored=2)
    assert stored(engine) == [("T1", T0_MS, 12.5, 20.0), ("T2", T0_MS, 200.0, -1.0)]


def test_taking_the_same_rows_again_changes_nothing(engine: Engine) -> None:
    rows = Rows()
    rows.add("a", "T1", T0, "pressure", 0.125)
    take(engine, rows)
    assert take(engine, rows) == Accepted(duplicate=1)


def test_what_is_refused_is_kept_with_its_own_origin_and_payload(engine: Engine) -> None:
    rows = Rows()
    rows.add("t/1", "T1", T0, "pressure", "x", payload=b'{"v": "x"}')
    rows.add("t/2", "T1", "soon", "pressure", 1.0, payload="soon 1.0")
    rows.add("t/3", "T1", T0, "colour", 1.0)
    rows.add("t/4", "T1", T0, "temperature", 1.0, unit="bar")
    rows.add("t/5", "", T0, "pressure", 1.0)
    rows.add("t/6", "T1", to_ms(NOW) + 1, "pressure", 1.0)
    rows.add("t/7", "T1", T0, "pressure", value=True)
    rows.refuse("t/8", RejectReason.BROKEN_ROW, "no JSON", b"\xff{")
    assert take(engine, rows) == Accepted(rejected=8)
    with reading(engine) as connection:
        kept = {row.source: row for row in load_quarantine(connection, limit=20)}
    assert {source: row.reason.value for source, row in kept.items()} == {
        "t/1": "bad_number",
        "t/2": "bad_time",
        "t/3": "unknown_channel",
        "t/4": "bad_unit",
        "t/5": "no_tank",
        "t/6": "future_time",
        "t/7": "bad_number",
        "t/8": "broken_row",
    }
    assert kept["t/1"].raw == '{"v": "x"}'
    assert kept["t/8"].raw == "\\xff{"
    assert stored(engine) == []


def test_a_tank_is_created_at_the_site_that_its_source_tells(engine: Engine) -> None:
    rows = Rows(sites={"T1": "north"})
    rows.add("a", "T1", T0, "pressure", 1.0)
    rows.add("a", "T2", T0, "pressure", 1.0)
    take(engine, rows)
    with reading(engine) as connection:
        assert {tank.name: tank.site for tank in load_tanks(connection)} == {
            "T1": "north",
            "T2": "main",
        }


def test_no_rows_are_no_work(engine: Engine) -> None:
    assert take(engine, Rows()) == Accepted()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM tank")).scalar_one() == 0


def test_tanks_are_found_by_name_however_many_are_asked_for(
    engine: Engine, tanks: dict[str, int]
) -> None:
    many = [f"X{number}" for number in range(500)]
    with reading(engine) as connection:
        assert tank_ids(connection, ["T2", "X1"]) == {"T2": tanks["T2"]}
        assert tank_ids(connection, [*many, "T3"]) == {"T3": tanks["T3"]}
        assert tank_ids(connection, []) == {}


def test_an_excerpt_is_short_text_whatever_came() -> None:
    assert excerpt("x" * 900) == "x" * 500
    assert len(excerpt(b"\xff" * 900)) == 500
