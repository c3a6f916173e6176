"""Incidents put straight into a database, for tests of what becomes of them."""

from datetime import datetime
from typing import Any

from tankwatch.core.incident import Severity, Symptom
from tankwatch.store.engine import Engine, writing
from tankwatch.store.incidents import Opening, open_incident


def raise_incident(engine: Engine, tank_id: int, at: datetime, **values: Any) -> int:
    """Open an incident of a tank that began and was raised at `at`, and return its id."""
    facts: dict[str, Any] = {
        "tank_id": tank_id,
        "tank": f"tank {tank_id}",
        "detector": "robust_z",
        "model_version_id": None,
        "channel_id": 1,
        "share": 1.0,
        "symptom": Symptom.ABOVE_EXPECTED,
        "severity": Severity.ALARM,
        "started_at": at,
        "raised_at": at,
        "peak_score": 2.0,
        "historical": False,
    }
    with writing(engine) as connection:
        return open_incident(connection, Opening(**facts | values), reason="test")
