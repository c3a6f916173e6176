"""Why an operator is told of an alarm again, or that it comes and goes, in words."""

from typing import Final

from tankwatch.core.incident import MessageKind
from tankwatch.core.times import human_duration
from tankwatch.jobs.matter import Matter
from tankwatch.notify import wording
from tankwatch.settings import Settings
from tankwatch.store.engine import Connection
from tankwatch.store.realarms import load_repeat

AGAIN: Final = (
    MessageKind.REALARM,
    MessageKind.SITE_REALARM,
    MessageKind.CHATTERING,
    MessageKind.SETTLED,
)


def why_again(connection: Connection, settings: Settings, matter: Matter) -> str:
    """Return why a message leaves that is not the first of an alarm."""
    message, zone = matter.message, wording.zone_of(settings.plant.time_zone)
    quiet = human_duration(settings.alarms.chatter_window_s)
    if message.kind is MessageKind.CHATTERING:
        return (
            f"It comes and goes. Further times are recorded, but not mailed until it has been "
            f"quiet, or has stood, for {quiet}: one mail says so then."
        )
    if message.kind is MessageKind.SETTLED:
        stands = matter.ended_at is None
        how = "It has stood and been acknowledged" if stands else "It has been quiet"
        return f"{how} for {quiet}. From now on each time is mailed again."
    number, told_at = load_repeat(connection, message)
    most = settings.alarms.realarm_times
    at = ""
    if told_at is not None:
        at = f" since it was told at {wording.clock_time(told_at, zone, day_of=message.queued_at)}"
    return f"Nobody has acknowledged this{at}. This is repeat {number} of at most {most}."
