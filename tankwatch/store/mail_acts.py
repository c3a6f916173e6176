"""What a confirmed link of a mail does: what anybody else does, once, by the operator it is for."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, ForeignKey, String, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.actor import Actor, Role, Via
from tankwatch.core.incident import IncidentState
from tankwatch.core.mail_action import LinkClaim, MailAction
from tankwatch.store import acts
from tankwatch.store.base import Base, UtcTime
from tankwatch.store.incidents import IncidentRow, StoredIncident, load_incidents
from tankwatch.store.operators import NOT_A_FAULT, REAL_FAULT, LabelRow
from tankwatch.store.people import Operator, find_operator
from tankwatch.store.scope import scope_of_incident
from tankwatch.store.shelves import Shelf, load_shelves, shelve, shelve_until_clear
from tankwatch.store.sql import is_sqlite

VERDICTS = {MailAction.NOT_A_FAULT: NOT_A_FAULT, MailAction.REAL_FAULT: REAL_FAULT}


class UsedLinkRow(Base):
    """A link of a mail that has acted; kept until its end, as nobody asks for it afterwards."""

    __tablename__ = "used_link"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incident.incident_id"), index=True)
    used_at: Mapped[datetime] = mapped_column(UtcTime)
    address: Mapped[str] = mapped_column(String(60))
    until_at: Mapped[datetime] = mapped_column(UtcTime)


class LinkState(StrEnum):
    """What a link can do now, or why nothing."""

    READY = "ready"
    USED = "used"
    ACKNOWLEDGED = "acknowledged"
    LABELLED = "labelled"
    CLOSED = "closed"
    OVER = "over"
    WITHDRAWN = "withdrawn"
    NO_INCIDENT = "no_incident"
    NO_OPERATOR = "no_operator"
    DISABLED = "disabled"
    RENEWED = "renewed"
    ROLE_TOO_LOW = "role_too_low"

    @property
    def is_refusal(self) -> bool:
        """Return whether whoever has the link is not shown what it is about."""
        return self in _REFUSALS


_REFUSALS = {
    LinkState.NO_OPERATOR,
    LinkState.DISABLED,
    LinkState.RENEWED,
    LinkState.ROLE_TOO_LOW,
    LinkState.NO_INCIDENT,
}


@dataclass(frozen=True, slots=True)
class Label:
    """What somebody said an incident was."""

    verdict: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LinkLook:
    """What there is to know of a link now.

    Attributes:
        by: who did already what the link would do; empty if nobody.
        at: when that was.
        address: from where this link was used, if it was.
        label: what was said last of the incident.
        shelf: what keeps the tank's alarms away now, None if nothing does.
    """

    state: LinkState
    operator: Operator | None = None
    stored: StoredIncident | None = None
    by: str = ""
    at: datetime | None = None
    address: str = ""
    label: Label | None = None
    shelf: Shelf | None = None


def look_at(connection: Connection, claim: LinkClaim, *, at: datetime) -> LinkLook:
    """Return what a link can do at `at`; nothing changes."""
    operator = find_operator(connection, claim.operator)
    against = _against(operator, claim)
    if against is not None:
        return LinkLook(against)
    columns = (IncidentRow.incident_id, IncidentRow.withdrawn_at)
    query = select(*columns).where(IncidentRow.uid == claim.incident_uid)
    found = connection.execute(query).one_or_none()
    if found is None:
        return LinkLook(LinkState.NO_INCIDENT)
    stored = load_incidents(connection, ids=[found.incident_id])[0]
    label = _last_label(connection, found.incident_id)
    shelf = next(iter(load_shelves(connection, at, tank_id=stored.tank_id)), None)
    look = LinkLook(LinkState.READY, operator, stored, label=label, shelf=shelf)
    used = connection.execute(
        select(UsedLinkRow.used_at, UsedLinkRow.address).where(UsedLinkRow.digest == claim.digest)
    ).one_or_none()
    if used is not None:
        by, at = claim.operator, used.used_at
        return replace(look, state=LinkState.USED, by=by, at=at, address=used.address)
    if found.withdrawn_at is not None:
        return replace(look, state=LinkState.WITHDRAWN, at=found.withdrawn_at)
    return _done_already(look, stored, claim.action)


def follow(
    connection: Connection,
    claim: LinkClaim,
    *,
    at: datetime,
    address: str,
    longest: timedelta,
    why: str = "",
) -> LinkLook:
    """Do what a link says if it can be done now, and return what was to know of it before.

    Args:
        connection: of a transaction that may write.
        claim: what the link says, its signature checked.
        at: now.
        address: network address that the request came from.
        longest: the longest time that a tank may be shelved for.
        why: what the operator added: the cause of a label, the reason for shelving.

    Raises:
        UsageError: somebody else was quicker, or shelving has no reason or is for too long.
    """
    look = look_at(connection, claim, at=at)
    if look.state is not LinkState.READY or look.stored is None:
        return look
    key = look.stored.incident_id
    if not _use(connection, claim, key, at=at, address=address):
        return replace(look, state=LinkState.USED, by=claim.operator)
    by = Actor(claim.operator, Via.MAIL, address)
    if claim.action in VERDICTS:
        verdict = VERDICTS[claim.action]
        acts.label(connection, key, verdict=verdict, by=by, at=at, cause=why)
    elif claim.action.is_shelving:
        _shelve(connection, key, claim.action, by=by, at=at, longest=longest, reason=why)
    else:
        acts.acknowledge(connection, key, by=by, at=at, reason=why)
    return look


def _shelve(
    connection: Connection,
    incident_id: int,
    action: MailAction,
    *,
    by: Actor,
    at: datetime,
    longest: timedelta,
    reason: str,
) -> None:
    span = action.shelved_for
    if span is None:
        shelve_until_clear(connection, incident_id, longest=longest, by=by, at=at, reason=reason)
    else:
        scope = scope_of_incident(connection, incident_id)
        shelve(connection, scope, span=span, longest=longest, by=by, at=at, reason=reason)


def _against(operator: Operator | None, claim: LinkClaim) -> LinkState | None:
    """Return why an operator may not follow a link that was theirs; None if they may."""
    if operator is None:
        return LinkState.NO_OPERATOR
    if not operator.is_active:
        return LinkState.DISABLED
    if operator.session_epoch != claim.session_epoch:
        return LinkState.RENEWED
    return None if operator.role.covers(Role.OPERATOR) else LinkState.ROLE_TOO_LOW


def _done_already(look: LinkLook, stored: StoredIncident, action: MailAction) -> LinkLook:
    """Return what somebody did already, or why there is nothing left to do."""
    incident, label = stored.incident, look.label
    if action in VERDICTS:
        if label is not None and label.verdict == VERDICTS[action]:
            return replace(look, state=LinkState.LABELLED, by=label.by, at=label.at)
    elif action.is_shelving and incident.ended_at is not None:
        return replace(look, state=LinkState.OVER, at=incident.ended_at)
    elif action is MailAction.ACKNOWLEDGE and _is_seen(stored):
        by, at = stored.acknowledged_by or "", stored.acknowledged_at
        return replace(look, state=LinkState.ACKNOWLEDGED, by=by, at=at)
    elif incident.state is IncidentState.CLOSED:
        return replace(look, state=LinkState.CLOSED, at=stored.closed_at)
    return look


def _is_seen(stored: StoredIncident) -> bool:
    """Return whether somebody has acknowledged it since it was opened last."""
    return stored.acknowledged_by is not None and not stored.incident.state.is_unseen


def _last_label(connection: Connection, incident_id: int) -> Label | None:
    query = (
        select(LabelRow.verdict, LabelRow.labelled_by, LabelRow.labelled_at)
        .where(LabelRow.incident_id == incident_id)
        .order_by(LabelRow.label_id.desc())
    )
    row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else Label(row.verdict, row.labelled_by, row.labelled_at)


def _use(
    connection: Connection, claim: LinkClaim, incident_id: int, *, at: datetime, address: str
) -> bool:
    """Note that a link acts now; return whether it is the first time."""
    connection.execute(delete(UsedLinkRow).where(UsedLinkRow.until_at <= at))
    insert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    row = {
        "digest": claim.digest,
        "incident_id": incident_id,
        "used_at": at,
        "address": address,
        "until_at": claim.until,
    }
    first = insert(UsedLinkRow).values(row).on_conflict_do_nothing().returning(UsedLinkRow.digest)
    return connection.execute(first).first() is not None
