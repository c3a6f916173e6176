"""What the page of the fleet shows of its tanks."""

from typing import Any

from sqlalchemy import Connection, text


def load_fleet_status(connection: Connection) -> list[dict[str, Any]]:
    """Return the rows of `dash_tank_status`, each with its `tank_id`."""
    query = "SELECT s.*, t.tank_id FROM dash_tank_status s JOIN tank t ON t.name = s.tank"
    return [dict(row._mapping) for row in connection.execute(text(query))]
