"""What the page shows of a tank's data quality, read from the dashboard views."""

from typing import Any

from sqlalchemy import Connection, text

from tankwatch.store.plant import Tank


def load_quality_days(
    connection: Connection, tank: Tank, *, from_day_ms: int
) -> list[dict[str, Any]]:
    """Return the rows of `dash_data_quality` of a tank from a day on, the newest first."""
    return _days(connection, "dash_data_quality", "day_ms DESC", tank, from_day_ms)


def load_channel_days(
    connection: Connection, tank: Tank, *, from_day_ms: int
) -> list[dict[str, Any]]:
    """Return the rows of `dash_readings_daily` of a tank from a day on, the newest first."""
    return _days(connection, "dash_readings_daily", "day_ms DESC, channel", tank, from_day_ms)


def _days(
    connection: Connection, view: str, order: str, tank: Tank, from_day_ms: int
) -> list[dict[str, Any]]:
    query = text(
        f"SELECT * FROM {view} "  # noqa: S608
        f"WHERE site = :site AND tank = :tank AND day_ms >= :from_ms ORDER BY {order}"
    )
    asked = {"site": tank.site, "tank": tank.name, "from_ms": from_day_ms}
    return [dict(row._mapping) for row in connection.execute(query, asked)]
