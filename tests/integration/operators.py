"""What operators say, for tests of jobs."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert, text

from tankwatch.store.engine import Engine, writing
from tankwatch.store.operators import REAL_FAULT, LabelRow, store_label
from tests.integration.plant import at


def label(engine: Engine, incident: int, verdict: str, when: datetime) -> None:
    with writing(engine) as connection:
        store_label(connection, incident, verdict=verdict, cause="", by="kim", at=when)


def say_fault(engine: Engine, tank_id: int, first: int, last: int) -> None:
    """Open an incident by hand, as the label needs one."""
    millis = engine.name == "sqlite"
    with writing(engine) as connection:
        moments: dict[str, Any] = {
            name: int(at(step).timestamp() * 1000) if millis else at(step)
            for name, step in (("first", first), ("last", last))
        }
        made = connection.execute(
            text(
                "INSERT INTO incident (uid, tank_id, state, severity, detector, channel_id, share,"
                " symptom, started_at, raised_at, ended_at, peak_score, historical) VALUES "
                "(:uid, :tank, 'closed', 'alarm', 'robust_z', 1, 1, 'below_expected', :first, "
                ":first, :last, 3, :no) RETURNING incident_id"
            ),
            {"uid": f"u{first}", "tank": tank_id, "no": False, **moments},
        ).scalar_one()
        connection.execute(
            insert(LabelRow).values(
                tank_id=tank_id,
                incident_id=made,
                started_at=at(first),
                ended_at=at(last),
                verdict=REAL_FAULT,
                cause="valve",
                labelled_by="kim",
                labelled_at=at(last),
            )
        )
