"""What settling incidents works on: a stretch of a tank, and where things are written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tankwatch.core.episodes import TankEvent
from tankwatch.core.outlook import Outlook
from tankwatch.jobs.context import Context
from tankwatch.scoring.plan import Plan
from tankwatch.store.engine import Connection
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.plant import Tank


@dataclass(slots=True)
class Settled:
    """What became of incidents: ids of those that were raised, and counts of the rest."""

    raised: list[int] = field(default_factory=list)
    returned: int = 0
    historical: int = 0
    corrected: int = 0
    withdrawn: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a tank whose events are to be stored.

    Attributes:
        tank: whose.
        events: what happened in it.
        carried_id: incident that was under way when it began.
        peak: largest score of the one that is under way when it ends.
        scored_ms: up to where the tank had been scored before.
        stored: incidents that were raised in it before, and the one that was under way.
        why: what it was scored again for; empty if it was not.
        ahead: the limit ahead that an event warns of.
        outlook: the limit ahead at its end, None if none is.
    """

    tank: Tank
    events: Sequence[TankEvent]
    carried_id: int | None
    peak: float
    scored_ms: int
    stored: Mapping[int, StoredIncident]
    why: str
    ahead: Mapping[TankEvent, Outlook]
    outlook: Outlook | None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where things are written down: the transaction, what everybody needs, and the result."""

    connection: Connection
    context: Context
    plan: Plan
    now: datetime
    result: Settled
