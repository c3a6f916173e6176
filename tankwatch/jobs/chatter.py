"""Alarms that come and go: told once as such, held while they do, told when they have settled."""

from datetime import datetime, timedelta

from tankwatch.core.chatter import settles_at
from tankwatch.core.incident import MessageKind, Notice
from tankwatch.core.times import from_ms
from tankwatch.jobs.incidents import mail_domain
from tankwatch.jobs.matter import Matter
from tankwatch.notify.policy import Reason
from tankwatch.settings import Settings
from tankwatch.store.chatter import (
    Spell,
    held_alarm,
    is_coming_and_going,
    load_open_spells,
    load_told_turns,
)
from tankwatch.store.engine import Connection
from tankwatch.store.outbox import message_id, queue_reply
from tankwatch.store.outbox_hold import AFTER_CHATTER, hold_queued, release_alarm
from tankwatch.store.watermarks import load_watermarks


def gathered(
    connection: Connection, settings: Settings, matter: Matter, reason: Reason, *, now: datetime
) -> Reason:
    """Return what becomes of a message of an alarm that comes and goes; of another, `reason`.

    The first message that makes it so is held, and one is queued that says that it comes and goes.
    What was let through before (something else joined it, a shelf ended, it stands after all) is
    left alone.
    """
    message, window = matter.message, timedelta(seconds=settings.alarms.chatter_window_s)
    if reason is Reason.HOLD_ALARM_NEVER_SENT and message.kind in _ENDS:
        held = held_alarm(connection, message.incident_id)
        return reason if held is None else Reason.HOLD_CHATTERING
    is_new = message.kind is MessageKind.ALARM and not message.reason
    if not window or not is_new or reason is not Reason.SEND_ALARM:
        return reason
    if is_coming_and_going(connection, message.incident_id):
        return Reason.HOLD_CHATTERING
    told = load_told_turns(connection, message.incident_id, window=window)
    if len({key for key, _ in told}) + 1 < settings.alarms.chatter_count:
        return reason
    assert isinstance(matter.notice, Notice)  # noqa: S101 - a site's has another kind
    kind = MessageKind.CHATTERING
    own = message_id(matter.notice.incident.uid, kind, mail_domain(settings))
    queue_reply(connection, message.incident_id, own, told[0][1], kind=kind, at=now)
    return Reason.HOLD_CHATTERING


def queue_settled(connection: Connection, settings: Settings, *, now: datetime) -> int:
    """Queue word of what came and went and has been quiet for the window; return how many.

    What then stands unacknowledged, with nobody told of just that, is told as an alarm instead.
    """
    window, queued = timedelta(seconds=settings.alarms.chatter_window_s), 0
    for thread, spell in load_open_spells(connection):
        moments = [moment for turn in spell.turns for moment in (turn.raised_at, turn.ended_at)]
        known = now if any(turn.waits for turn in spell.turns) else _known(connection, spell, now)
        if known >= settles_at(filter(None, moments), window):
            _settle(connection, settings, thread, spell, now=now)
            queued += 1
    return queued


def _known(connection: Connection, spell: Spell, now: datetime) -> datetime:
    """Return up to when a tank is known to have been quiet: what is not scored is not known."""
    marks = load_watermarks(connection, [spell.head.tank_id])
    return min([now, *(from_ms(mark.scored_ms) for mark in marks)])


def _settle(
    connection: Connection, settings: Settings, thread: str, spell: Spell, *, now: datetime
) -> None:
    held = [held_alarm(connection, turn.incident_id) for turn in spell.turns if turn.waits]
    alarms = [key for key in held if key is not None]
    for key in alarms:
        release_alarm(connection, key, at=now, reason=AFTER_CHATTER)
    head, kind = spell.head, MessageKind.SETTLED
    own = message_id(head.uid, kind, mail_domain(settings))
    queue_reply(connection, head.incident_id, own, thread, kind=kind, at=now)
    if alarms:
        hold_queued(connection, own, reason=Reason.HOLD_STANDS.value, at=now)


_ENDS = (MessageKind.ALL_CLEAR, MessageKind.WITHDRAWAL)
