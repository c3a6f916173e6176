"""What the status commands show, read from the dashboard views."""

from typing import Any

from sqlalchemy import Connection, text


def load_tank_status(connection: Connection) -> list[dict[str, Any]]:
    """Return the rows of `dash_tank_status`, by tank."""
    return _rows(connection, "SELECT * FROM dash_tank_status ORDER BY site, tank")


def load_job_health(connection: Connection) -> list[dict[str, Any]]:
    """Return the rows of `dash_job_health`, by job."""
    return _rows(connection, "SELECT * FROM dash_job_health ORDER BY job")


def count_rows(connection: Connection, table: str) -> int:
    """Return the number of rows of one of our tables."""
    if table not in {"quarantine", "dirty_window", "incident"}:
        raise ValueError(table)
    return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608


def _rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(text(query))]
