"""A panel reads the hours and days that it shows, whatever the history of a tank."""

import pytest
from sqlalchemy import text

from tankwatch.store.engine import Engine, reading
from tankwatch.store.rollup_due import due_readings_query

FROM_MS = 1_772_409_600_000
ROLLUPS = [
    ("dash_readings_hourly", "reading_hour", "hour"),
    ("dash_readings_daily", "reading_day", "day"),
]


def plan(engine: Engine, query: str) -> list[str]:
    """Return the lines of the plan; PostgreSQL reads a whole table only where it must."""
    with reading(engine) as connection:
        if engine.name == "sqlite":
            return [row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        return [row[0].strip() for row in connection.execute(text(f"EXPLAIN {query}"))]


@pytest.mark.parametrize(("view", "table", "time"), ROLLUPS)
@pytest.mark.parametrize("tank", ["tank = 'T1' AND ", ""])
def test_time_filter_on_roll_ups_uses_the_key(
    engine: Engine, view: str, table: str, time: str, tank: str
) -> None:
    query = f"SELECT * FROM {view} WHERE {tank}{time}_ms >= {FROM_MS}"  # noqa: S608
    lines = plan(engine, query)
    if engine.name == "sqlite":
        assert "SEARCH r USING PRIMARY KEY (tank_id=? AND starts_at>?)" in lines
    else:
        assert any(f"Index Scan using pk_{table}" in line for line in lines)


def test_time_as_postgresql_shows_it_uses_the_key_too(engine: Engine) -> None:
    query = "SELECT * FROM dash_readings_hourly WHERE tank = 'T1' AND hour >= '2026-03-02'"
    lines = plan(engine, query)
    if engine.name == "postgresql":
        (condition,) = [line for line in lines if "starts_at >=" in line]
        assert condition.startswith("Index Cond:")
    else:  # text is made from the integer, so the whole tank is read: say hour_ms
        assert "SEARCH r USING PRIMARY KEY (tank_id=?)" in lines


def test_quality_of_a_stretch_reads_its_days_alone(engine: Engine) -> None:
    for when in (f"day_ms >= {FROM_MS}", "tank = 'T1' AND day >= '2026-03-02'"):
        lines = plan(engine, f"SELECT * FROM dash_data_quality WHERE {when}")  # noqa: S608
        if engine.name == "sqlite":
            key = "SEARCH r USING PRIMARY KEY (tank_id=? AND starts_at=? AND channel_id=?)"
            assert any(line.startswith(key) for line in lines)
        else:
            assert not any("Seq Scan on reading_day" in line for line in lines)


def test_readings_of_hours_that_are_due_are_looked_up_hour_by_hour(engine: Engine) -> None:
    with reading(engine) as connection:
        query = due_readings_query(connection, ["pressure"])
    lines = plan(engine, query.replace(":tank", "1").replace(":hour", str(FROM_MS)))
    if engine.name == "sqlite":
        hours, *_, readings = [line for line in lines if line.startswith("SEARCH")]
        assert hours.startswith("SEARCH d ")
        assert readings == (
            "SEARCH r USING PRIMARY KEY (tank_id=? AND observed_at>? AND observed_at<?)"
        )
    else:
        assert any(line.startswith("Index Cond: ((tank_id = d.tank_id)") for line in lines)
