"""What operators know of the past of each tank."""

from datetime import datetime

from sqlalchemy import Connection, select

from tankwatch.core.incident import IncidentState
from tankwatch.core.stretches import Stretch, Why
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.maintenance import load_worked_on
from tankwatch.store.operators import NOT_A_FAULT, REAL_FAULT, LabelRow

_BY_VERDICT = {REAL_FAULT: Why.REAL_FAULT, NOT_A_FAULT: Why.NOT_A_FAULT}


def load_stretches(
    connection: Connection, *, recurring: tuple[datetime, datetime]
) -> list[Stretch]:
    """Return what operators know of the past of each tank.

    Incidents that are not closed and those that were confirmed; those that were no fault, whatever
    their state; and maintenance of a tank or of its whole site.  Of several labels the last counts.
    Maintenance that comes again has no end: it is told of from one time to another, `recurring`.
    """
    query = select(LabelRow.incident_id, LabelRow.verdict).order_by(LabelRow.label_id)
    labelled = {row.incident_id: row.verdict for row in connection.execute(query)}
    columns = (IncidentRow.incident_id, IncidentRow.tank_id, IncidentRow.state)
    found = []
    for row in connection.execute(select(*columns, IncidentRow.started_at, IncidentRow.ended_at)):
        why = _BY_VERDICT.get(labelled.get(row.incident_id, ""))
        if why is None and row.state != IncidentState.CLOSED.value:
            why = Why.OPEN_INCIDENT
        if why is not None:
            found.append(Stretch(row.tank_id, row.started_at, row.ended_at, why))
    return found + [
        Stretch(tank_id, start, end, Why.MAINTENANCE)
        for tank_id, start, end in load_worked_on(connection, recurring=recurring)
    ]
