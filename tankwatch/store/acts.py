"""What operators do to incidents, whichever way they come: done and audited in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from tankwatch.core.actor import Actor
from tankwatch.core.incident import IncidentState
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.errors import UsageError
from tankwatch.store.incidents import IncidentRow, apply_event
from tankwatch.store.operators import NOT_A_FAULT, REAL_FAULT, store_label
from tankwatch.store.runs import write_audit
from tankwatch.store.siblings import SiteIncident


def acknowledge(
    connection: Connection, incident_id: int, *, by: Actor, at: datetime, reason: str = ""
) -> IncidentState:
    """Note that somebody has seen an incident, and return its new state."""
    return _move(
        connection,
        incident_id,
        IncidentEvent.ACKNOWLEDGE,
        by=by,
        at=at,
        reason=reason or "acknowledged",
    )


def acknowledge_together(
    connection: Connection, one: SiteIncident, *, by: Actor, at: datetime, reason: str = ""
) -> list[int]:
    """Note that somebody has seen what many tanks of a site do together.

    Returns:
        numbers of the incidents that nobody had seen before, each acknowledged now.
    """
    unseen = _hold_unseen(connection, one.incident_ids)
    if not unseen:
        return []
    why = reason or f"acknowledged with site incident {one.site_incident_id}"
    for key in unseen:
        acknowledge(connection, key, by=by, at=at, reason=why)
    subject, detail = f"site incident {one.site_incident_id}", f"{len(unseen)} incidents"
    detail = f"{detail}: {reason}" if reason else detail
    audit(connection, by, action="acknowledge", subject=subject, at=at, detail=detail)
    return unseen


def close(
    connection: Connection, incident_id: int, *, by: Actor, at: datetime, reason: str
) -> IncidentState:
    """Close an incident by hand, and return its new state.

    Raises:
        UsageError: no reason is given, or it is closed already.
    """
    if not reason.strip():
        message = "closing an incident by hand needs a reason"
        raise UsageError(message)
    return _move(connection, incident_id, IncidentEvent.CLOSE, by=by, at=at, reason=reason)


def reset(
    connection: Connection, incident_id: int, *, by: Actor, at: datetime, reason: str = ""
) -> IncidentState:
    """Let go of an incident that is over and latched, and return its new state.

    Raises:
        UsageError: it is not latched.
    """
    event, why = IncidentEvent.RESET, reason or "reset"
    return _move(connection, incident_id, event, by=by, at=at, reason=why)


def label(
    connection: Connection,
    incident_id: int,
    *,
    verdict: str,
    by: Actor,
    at: datetime,
    cause: str = "",
) -> None:
    """Store what an operator says an incident was.

    Raises:
        UsageError: there is no such verdict or incident.
    """
    if verdict not in {NOT_A_FAULT, REAL_FAULT}:
        message = f"{verdict!r} is no verdict: say {NOT_A_FAULT} or {REAL_FAULT}"
        raise UsageError(message)
    store_label(connection, incident_id, verdict=verdict, cause=cause, by=by.name, at=at)
    detail = f"{verdict} {cause}".strip()
    audit(connection, by, action="label", subject=f"incident {incident_id}", at=at, detail=detail)


def audit(
    connection: Connection,
    by: Actor,
    *,
    action: str,
    subject: str,
    at: datetime,
    detail: str = "",
) -> None:
    """Put down who did what, from where and why."""
    write_audit(
        connection,
        at=at,
        actor=by.name,
        action=action,
        subject=subject,
        detail=detail,
        via=by.via.value,
        address=by.address,
    )


def _move(
    connection: Connection,
    incident_id: int,
    event: IncidentEvent,
    *,
    by: Actor,
    at: datetime,
    reason: str,
) -> IncidentState:
    state = apply_event(connection, incident_id, event, at=at, actor=by.name, reason=reason)
    subject = f"incident {incident_id}"
    audit(connection, by, action=event.value, subject=subject, at=at, detail=reason)
    return state


def _hold_unseen(connection: Connection, incident_ids: Sequence[int]) -> list[int]:
    """Hold incidents until the commit, always in one order, and return those nobody has seen."""
    query = (
        select(IncidentRow.incident_id, IncidentRow.state)
        .where(IncidentRow.incident_id.in_(incident_ids))
        .order_by(IncidentRow.incident_id)
    )
    held = connection.execute(query.with_for_update(key_share=True))
    return [key for key, state in held if IncidentState(state).is_unseen]
