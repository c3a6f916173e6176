"""What operators were told of, for the report on alarms."""

from datetime import datetime

from sqlalchemy import Connection, func, or_, select

from tankwatch.core.alarm_health import AlarmRecord
from tankwatch.core.incident import MessageKind
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.notifications import NotificationRow
from tankwatch.store.operators import LabelRow
from tankwatch.store.outbox import MessageState, OutboxRow
from tankwatch.store.people import OperatorRow
from tankwatch.store.plant import ChannelRow, SiteRow, TankRow
from tankwatch.store.shelves import ShelfRow

_ALARMS = (
    MessageKind.ALARM.value,
    MessageKind.SITE_ALARM.value,
    MessageKind.CHATTERING.value,
)
SETTINGS = "mail.recipients"


def load_alarms(connection: Connection, *, start: datetime, end: datetime) -> list[AlarmRecord]:
    """Return alarms that were told from `start` to `end`, or before and lasted into it."""
    query = (
        select(
            OutboxRow.outbox_id,
            OutboxRow.kind,
            OutboxRow.queued_at,
            IncidentRow.incident_id,
            IncidentRow.raised_at,
            IncidentRow.ended_at,
            IncidentRow.acknowledged_at,
            IncidentRow.symptom,
            TankRow.name.label("tank"),
            SiteRow.name.label("site"),
            ChannelRow.name.label("channel"),
        )
        .join(IncidentRow, IncidentRow.incident_id == OutboxRow.incident_id)
        .join(TankRow, TankRow.tank_id == IncidentRow.tank_id)
        .join(SiteRow, SiteRow.site_id == TankRow.site_id)
        .join(ChannelRow, ChannelRow.channel_id == IncidentRow.channel_id)
        .where(
            OutboxRow.kind.in_(_ALARMS),
            OutboxRow.state == MessageState.SENT.value,
            OutboxRow.queued_at < end,
            or_(
                OutboxRow.queued_at >= start,
                IncidentRow.ended_at.is_(None),
                IncidentRow.ended_at >= start,
            ),
        )
        .order_by(OutboxRow.outbox_id)
    )
    told, verdicts = _told(connection, start=start, end=end), _verdicts(connection)
    found = []
    for row in connection.execute(query):
        is_site = row.kind == MessageKind.SITE_ALARM.value
        place = f"site {row.site}" if is_site else row.tank
        found.append(
            AlarmRecord(
                told_at=row.queued_at,
                to=tuple(told.get(row.outbox_id, (SETTINGS,))),
                name=f"{place}: {row.channel} {row.symptom.replace('_', ' ')}",
                raised_at=row.raised_at,
                ended_at=row.ended_at,
                acknowledged_at=row.acknowledged_at,
                verdict=verdicts.get(row.incident_id, ""),
            )
        )
    return found


def count_held(connection: Connection, *, start: datetime, end: datetime) -> dict[str, int]:
    """Return how many alarms were held for everybody from `start` to `end`, by reason."""
    query = (
        select(OutboxRow.reason, func.count())
        .where(
            OutboxRow.kind.in_(_ALARMS),
            OutboxRow.state == MessageState.HELD.value,
            OutboxRow.queued_at >= start,
            OutboxRow.queued_at < end,
        )
        .group_by(OutboxRow.reason)
    )
    return {reason: int(count) for reason, count in connection.execute(query)}


def count_shelves(connection: Connection, *, start: datetime, end: datetime) -> int:
    """Return how often something was shelved or taken out of service from `start` to `end`."""
    began = (ShelfRow.from_at >= start, ShelfRow.from_at < end)
    return connection.execute(select(func.count()).select_from(ShelfRow).where(*began)).scalar_one()


def _told(connection: Connection, *, start: datetime, end: datetime) -> dict[int, list[str]]:
    """Return whom each message was sent to, by name."""
    query = (
        select(NotificationRow.outbox_id, OperatorRow.name)
        .select_from(NotificationRow)
        .join(OutboxRow, OutboxRow.outbox_id == NotificationRow.outbox_id)
        .outerjoin(OperatorRow, OperatorRow.operator_id == NotificationRow.operator_id)
        .where(
            NotificationRow.state == MessageState.SENT.value,
            OutboxRow.queued_at >= start,
            OutboxRow.queued_at < end,
        )
        .order_by(NotificationRow.notification_id)
    )
    found: dict[int, list[str]] = {}
    for outbox_id, name in connection.execute(query):
        found.setdefault(outbox_id, []).append(name or SETTINGS)
    return found


def _verdicts(connection: Connection) -> dict[int, str]:
    """Return what operators said of incidents, of several labels the last."""
    query = select(LabelRow.incident_id, LabelRow.verdict).order_by(LabelRow.label_id)
    rows = connection.execute(query.where(LabelRow.incident_id.is_not(None)))
    return {int(row.incident_id): row.verdict for row in rows if row.incident_id is not None}
