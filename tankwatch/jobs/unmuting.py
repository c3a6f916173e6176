"""Alarms that were held while a tank was muted, and stand when it is muted no more."""

from datetime import datetime

from tankwatch.jobs.addressing import muted
from tankwatch.jobs.matter import load_matter
from tankwatch.notify.policy import Reason
from tankwatch.store.engine import Connection
from tankwatch.store.outbox import load_messages
from tankwatch.store.outbox_hold import load_held_alarms, release_alarm

_MUTES = tuple(reason.value for reason in Reason if reason.is_mute)


def release_unmuted(connection: Connection, *, now: datetime) -> int:
    """Queue again what nobody was told of for a mute that is over, and return how many those are.

    What ended meanwhile, or was acknowledged on the page, needs no mail any more: an alarm leaves
    the shelf for the state that it is in (ISA-18.2).  What latched meanwhile waits for somebody.
    """
    released = 0
    held = load_held_alarms(connection, _MUTES)
    for message in load_messages(connection, ids=held) if held else []:
        matter = load_matter(connection, message)
        is_over = matter.ended_at is not None and not matter.is_latched
        if is_over or matter.is_acknowledged:
            continue
        if muted(connection, matter, now=now) is None:
            released += release_alarm(connection, message.outbox_id, at=now)
    return released
