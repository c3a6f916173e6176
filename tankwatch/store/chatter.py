"""Alarms of one kind of a tank that come and go: how often, and what was told of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select
from sqlalchemy.orm import aliased

from tankwatch.core.chatter import Chatter
from tankwatch.core.incident import IncidentState, MessageKind, Symptom
from tankwatch.core.siblings import kind_of, symptoms_of
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.outbox import MessageState, OutboxRow
from tankwatch.store.outbox_hold import HOLD_CHATTERING


@dataclass(frozen=True, slots=True)
class Turn:
    """One time that an alarm came."""

    incident_id: int
    tank_id: int
    uid: str
    state: str
    started_at: datetime
    raised_at: datetime
    ended_at: datetime | None

    @property
    def waits(self) -> bool:
        """Return whether it stands and nobody has acknowledged it."""
        return self.ended_at is None and self.state == IncidentState.UNACKNOWLEDGED.value


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which an alarm comes and goes.

    Attributes:
        head: the turn from which on it was told as coming and going.
        turns: all of them, by time.
    """

    head: Turn
    turns: tuple[Turn, ...]

    @property
    def last(self) -> Turn:
        """Return the turn that came last."""
        return self.turns[-1]

    def until(self, turn: Turn) -> Chatter:
        """Return how often it came until a turn, that one with it."""
        times = sum(one.raised_at <= turn.raised_at for one in self.turns)
        return Chatter(times, self.turns[0].started_at)


def load_told_turns(
    connection: Connection, incident_id: int, *, window: timedelta
) -> list[tuple[int, str]]:
    """Return (incident id, thread) of the like alarms that were told in a window before one.

    Alarms are alike that are of one tank, channel, detector, severity and kind of symptom.
    """
    mine = _of(connection, incident_id)
    told = or_(
        OutboxRow.state == MessageState.SENT.value,
        and_(OutboxRow.state == MessageState.PENDING.value, OutboxRow.addressed_at.is_not(None)),
    )
    query = (
        select(IncidentRow.incident_id, OutboxRow.thread_id)
        .join(OutboxRow, OutboxRow.incident_id == IncidentRow.incident_id)
        .where(
            *_alike(mine),
            IncidentRow.incident_id != incident_id,
            IncidentRow.raised_at >= mine.raised_at - window,
            IncidentRow.raised_at <= mine.raised_at,
            OutboxRow.kind == MessageKind.ALARM.value,
            told,
        )
        .distinct()
        .order_by(IncidentRow.raised_at)
    )
    rows = connection.execute(query.add_columns(IncidentRow.raised_at))
    return [(row.incident_id, row.thread_id) for row in rows]


def is_coming_and_going(connection: Connection, incident_id: int) -> bool:
    """Return whether an incident is one more turn of what was told as coming and going.

    Where that could not be told, nothing is held for it.
    """
    mine = _of(connection, incident_id)
    query = (
        select(OutboxRow.outbox_id)
        .join(IncidentRow, IncidentRow.incident_id == OutboxRow.incident_id)
        .where(
            *_alike(mine),
            *_open(),
            OutboxRow.state.in_([MessageState.PENDING.value, MessageState.SENT.value]),
            IncidentRow.raised_at <= mine.raised_at,
        )
    )
    return connection.execute(query.limit(1)).first() is not None


def load_open_spells(connection: Connection) -> list[tuple[str, Spell]]:
    """Return (thread, spell) of each time of coming and going that has not settled."""
    query = select(OutboxRow.incident_id, OutboxRow.thread_id).where(*_open())
    found = connection.execute(query.order_by(OutboxRow.outbox_id)).all()
    return [(thread, load_spell(connection, head, thread)) for head, thread in found]


def load_spell(connection: Connection, head_id: int, thread_id: str) -> Spell:
    """Return the time of coming and going that was told of an incident, begun by a thread's."""
    began = select(IncidentRow.raised_at).join(
        OutboxRow, OutboxRow.incident_id == IncidentRow.incident_id
    )
    first_at = connection.execute(
        began.where(OutboxRow.message_id == thread_id)
    ).scalar_one_or_none()
    mine = _of(connection, head_id)
    settled = select(OutboxRow.queued_at).where(
        OutboxRow.kind == MessageKind.SETTLED.value, OutboxRow.incident_id == head_id
    )
    until = connection.execute(settled).scalar_one_or_none()
    columns = [IncidentRow.__table__.columns[name] for name in Turn.__slots__]
    alike = and_(*_alike(mine), IncidentRow.raised_at >= (first_at or mine.raised_at))
    # Whatever became of the head since, it was told.
    query = select(*columns).where(alike | (IncidentRow.incident_id == head_id))
    if until is not None:
        query = query.where(IncidentRow.raised_at <= until)
    rows = connection.execute(query.order_by(IncidentRow.raised_at, IncidentRow.incident_id))
    turns = tuple(Turn(**row._mapping) for row in rows)
    return Spell(next(turn for turn in turns if turn.incident_id == head_id), turns)


def held_alarm(connection: Connection, incident_id: int) -> int | None:
    """Return the message of an incident's alarm that is held since it comes and goes."""
    query = select(OutboxRow.outbox_id).where(
        OutboxRow.incident_id == incident_id,
        OutboxRow.kind == MessageKind.ALARM.value,
        OutboxRow.state == MessageState.HELD.value,
        OutboxRow.reason == HOLD_CHATTERING,
    )
    return connection.execute(query.order_by(OutboxRow.outbox_id.desc()).limit(1)).scalar()


def _of(connection: Connection, incident_id: int) -> IncidentRow:
    query = select(IncidentRow.__table__).where(IncidentRow.incident_id == incident_id)
    return connection.execute(query).one()  # type: ignore[return-value]


def _alike(mine: IncidentRow) -> tuple[ColumnElement[bool], ...]:
    return (
        IncidentRow.tank_id == mine.tank_id,
        IncidentRow.channel_id == mine.channel_id,
        IncidentRow.detector == mine.detector,
        IncidentRow.symptom.in_([symptom.value for symptom in _like(Symptom(mine.symptom))]),
        IncidentRow.severity == mine.severity,
        IncidentRow.historical.is_(False),
        IncidentRow.withdrawn_at.is_(None),
    )


def _like(symptom: Symptom) -> tuple[Symptom, ...]:
    """Return what a symptom may be called at another time: a rise, say, is a drift once it is over.

    A limit is only like itself.
    """
    kind = kind_of(symptom)
    return (symptom,) if kind is None else symptoms_of(kind)


def _open() -> tuple[ColumnElement[bool], ...]:
    later = aliased(OutboxRow)
    settled = exists().where(
        later.kind == MessageKind.SETTLED.value, later.incident_id == OutboxRow.incident_id
    )
    return (OutboxRow.kind == MessageKind.CHATTERING.value, ~settled)
