"""What the status commands show, read from the dashboard views."""

from typing import Any

from sqlalchemy import Connection, text

from tankwatch.store.plant import Tank
from tankwatch.store.sql import ms_column

QUALITY = ("completeness", "timeliness", "validity", "consistency")


def load_tank_status(connection: Connection) -> list[dict[str, Any]]:
    """Return the rows of `dash_tank_status`, by tank."""
    return _rows(connection, "SELECT * FROM dash_tank_status ORDER BY site, tank")


def load_one_status(connection: Connection, tank: Tank) -> dict[str, Any]:
    """Return the row of `dash_tank_status` of a tank."""
    query = text("SELECT * FROM dash_tank_status WHERE site = :site AND tank = :tank")
    row = connection.execute(query, {"site": tank.site, "tank": tank.name}).one()
    return dict(row._mapping)


def load_job_health(connection: Connection) -> list[dict[str, Any]]:
    """Return the rows of `dash_job_health`, by job."""
    return _rows(connection, "SELECT * FROM dash_job_health ORDER BY job")


def count_tank_states(connection: Connection) -> dict[str, int]:
    """Return how many tanks are in each state of `dash_tank_status`."""
    rows = connection.execute(text("SELECT state, count(*) FROM dash_tank_status GROUP BY state"))
    return {state: int(count) for state, count in rows}


def count_rows(connection: Connection, table: str) -> int:
    """Return the number of rows of one of our tables."""
    if table not in {"quarantine", "dirty_window", "incident"}:
        raise ValueError(table)
    return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608


def load_newest_days(connection: Connection, *, limit: int) -> list[int]:
    """Return when the plant's newest days begin, in epoch milliseconds, the newest first."""
    start = ms_column(connection, "starts_at")
    query = text(f"SELECT {start} FROM plant_day ORDER BY starts_at DESC LIMIT :limit")  # noqa: S608
    return [int(day) for day in connection.execute(query, {"limit": limit}).scalars()]


def load_quality(connection: Connection, *, from_day_ms: int) -> list[dict[str, Any]]:
    """Return the data quality of each tank over the days from one on, the worst first.

    Each figure is the mean of the tank's days; None where no day has one.
    """
    means = ", ".join(f"avg({name}) AS {name}" for name in QUALITY)
    query = text(
        f"SELECT site, tank, count(*) AS days, {means} FROM dash_data_quality "  # noqa: S608
        "WHERE day_ms >= :from_ms GROUP BY site, tank ORDER BY avg(completeness), site, tank"
    )
    found = connection.execute(query, {"from_ms": from_day_ms})
    return [dict(row._mapping) for row in found]


def _rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(text(query))]
