"""What is handed over when shifts change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tankwatch.core.incident import Incident
from tankwatch.core.muting import Mute


@dataclass(frozen=True, slots=True)
class HandOver:
    """What one shift tells the next.

    Attributes:
        since: when the shift began.
        until: when it ended.
        standing: alarms that stand, each with who acknowledged it, None for nobody.
        latched: alarms that are over and wait for their reset, with the same.
        muted: tanks whose mail waits, and why.
        ended: alarms that were over, or closed, in the shift.
        held: alarms of which nobody was sent a mail in the shift, and the reason.
    """

    since: datetime
    until: datetime
    standing: tuple[tuple[Incident, str | None], ...]
    latched: tuple[tuple[Incident, str | None], ...]
    muted: tuple[tuple[str, Mute], ...]
    ended: tuple[Incident, ...]
    held: tuple[tuple[Incident, str], ...]

    @property
    def is_quiet(self) -> bool:
        """Return whether there is nothing to tell."""
        return not (self.standing or self.latched or self.muted or self.ended or self.held)


def last_changes(
    shifts: Sequence[str], now: datetime, zone: ZoneInfo
) -> tuple[datetime, datetime] | None:
    """Return when the shift before the present one began and ended; None without shifts.

    Args:
        shifts: local times at which shifts change, as ``06:00``.
        now: the present.
        zone: of the plant.
    """
    today = now.astimezone(zone).date()
    moments = sorted(
        datetime.combine(today + timedelta(days=day), time.fromisoformat(at), zone).astimezone(UTC)
        for day in (-2, -1, 0)
        for at in set(shifts)
    )
    past = [moment for moment in moments if moment <= now]
    return (past[-2], past[-1]) if len(past) > 1 else None
