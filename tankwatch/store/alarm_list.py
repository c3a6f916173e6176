"""The alarm list: incidents by what they ask of an operator, and a marker of what is new."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, case, func, select

from tankwatch.core.incident import UNSEEN, IncidentState, Severity
from tankwatch.store.incidents import IncidentRow, StoredIncident, load_incidents
from tankwatch.store.operators import LabelRow
from tankwatch.store.plant import SiteRow, TankRow
from tankwatch.store.runs import AuditRow
from tankwatch.store.transitions import TransitionRow

_UNSEEN = tuple(state.value for state in UNSEEN)
_BY_STATE = {
    state.value: rank
    for rank, state in enumerate(
        (
            IncidentState.UNACKNOWLEDGED,
            IncidentState.LATCHED_UNACKNOWLEDGED,
            IncidentState.RETURNED_UNACKNOWLEDGED,
            IncidentState.ACKNOWLEDGED,
            IncidentState.LATCHED_ACKNOWLEDGED,
            IncidentState.CLOSED,
        )
    )
}
_BY_SEVERITY = {Severity.ALARM.value: 0, Severity.ALERT.value: 1, Severity.JOURNAL.value: 2}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which incidents are listed: of a site, in states, of a severity; None for any."""

    states: tuple[IncidentState, ...]
    site: str | None = None
    severity: Severity | None = None


def load_alarms(connection: Connection, wanted: Wanted, *, limit: int) -> list[StoredIncident]:
    """Return incidents: those nobody has seen first, then the gravest, then the newest."""
    chosen = _chosen(select(IncidentRow.incident_id), wanted)
    return _in_order(connection, chosen.limit(limit))


def sorted_alarms(connection: Connection, incident_ids: Sequence[int]) -> list[StoredIncident]:
    """Return incidents in the order of the alarm list."""
    query = select(IncidentRow.incident_id)
    return _in_order(connection, query.where(IncidentRow.incident_id.in_(incident_ids)))


def count_alarms(connection: Connection, wanted: Wanted) -> int:
    """Return how many incidents there are of those wanted."""
    counted = _chosen(select(func.count()).select_from(IncidentRow), wanted)
    return int(connection.execute(counted).scalar_one())


def count_unseen(connection: Connection) -> int:
    """Return how many incidents nobody has acknowledged, but for those of the past."""
    query = select(func.count()).where(
        IncidentRow.state.in_(_UNSEEN), IncidentRow.historical.is_(False)
    )
    return int(connection.execute(query).scalar_one())


def find_incident(connection: Connection, uid: str) -> StoredIncident | None:
    """Return the incident of a stable name, None if there is none."""
    if not uid.isprintable():  # PostgreSQL takes no NUL
        return None
    query = select(IncidentRow.incident_id).where(IncidentRow.uid == uid)
    key = connection.execute(query).scalar_one_or_none()
    return load_incidents(connection, ids=[key])[0] if key is not None else None


def load_sites(connection: Connection) -> list[str]:
    """Return the name of every site."""
    return list(connection.execute(select(SiteRow.name).order_by(SiteRow.name)).scalars())


def load_verdicts(connection: Connection, incident_ids: Sequence[int]) -> dict[int, str]:
    """Return what operators said that incidents were; of several labels the last."""
    query = (
        select(LabelRow.incident_id, LabelRow.verdict)
        .where(LabelRow.incident_id.in_(incident_ids))
        .order_by(LabelRow.label_id)
    )
    return {row.incident_id: row.verdict for row in connection.execute(query)}


def load_audit(connection: Connection, incident_id: int, tank: str) -> list[dict[str, Any]]:
    """Return what was done to an incident, and to its tank since it was raised, in order."""
    mine = f"incident {incident_id}"
    since = select(IncidentRow.raised_at).where(IncidentRow.incident_id == incident_id)
    of_tank = (AuditRow.subject == f"tank {tank}") & (AuditRow.at >= since.scalar_subquery())
    query = select(*AuditRow.__table__.columns).where(
        AuditRow.subject.in_([mine, f"{mine} of tank {tank}"]) | of_tank
    )
    return [dict(row._mapping) for row in connection.execute(query.order_by(AuditRow.audit_id))]


def load_marker(connection: Connection) -> tuple[int, ...]:
    """Return numbers that change whenever the alarm list does; each is the end of an index."""
    # Whatever an operator does is audited, so the trail tells of labels and shelves too.
    newest = (func.max(TransitionRow.transition_id), func.max(AuditRow.audit_id))
    queries = [select(func.coalesce(number, 0)).scalar_subquery() for number in newest]
    return tuple(connection.execute(select(*queries)).one())


def _in_order(connection: Connection, query: Select[Any]) -> list[StoredIncident]:
    ordered = query.order_by(
        case(_BY_STATE, value=IncidentRow.state),
        case(_BY_SEVERITY, value=IncidentRow.severity),
        IncidentRow.raised_at.desc(),
        IncidentRow.incident_id.desc(),
    )
    ids = list(connection.execute(ordered).scalars())
    found = {stored.incident_id: stored for stored in load_incidents(connection, ids=ids)}
    return [found[key] for key in ids]


def _chosen(query: Select[Any], wanted: Wanted) -> Select[Any]:
    states = [state.value for state in wanted.states]
    query = query.where(IncidentRow.state.in_(states))
    if wanted.severity is not None:
        query = query.where(IncidentRow.severity == wanted.severity.value)
    if wanted.site is not None:
        of_site = (
            select(TankRow.tank_id)
            .join(SiteRow, SiteRow.site_id == TankRow.site_id)
            .where(SiteRow.name == wanted.site)
        )
        query = query.where(IncidentRow.tank_id.in_(of_site))
    return query
