"""What lies around an incident: what its siblings do, and how the last one like it ended."""

from dataclasses import dataclass
from datetime import datetime

from tankwatch.core.incident import Symptom


@dataclass(frozen=True, slots=True)
class SiblingsNow:
    """What the other tanks of a site do at the time that a mail speaks of.

    Attributes:
        tanks: how many other tanks the site has.
        same: names of those with an incident of the same channel and kind.
        other: names of those with another incident.
    """

    tanks: int
    same: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def normal(self) -> int:
        """Return how many have no incident."""
        return self.tanks - len(self.same) - len(self.other)


@dataclass(frozen=True, slots=True)
class EarlierIncident:
    """The last incident of the same channel and kind, and how it ended.

    Attributes:
        ended_at: None while it lasts.
        verdict: what somebody said it was, empty if nobody did.
        cause: what they said of its cause, empty if nothing.
        said_by: who said so; empty if nobody did.
        acknowledged_by: who had seen it; empty if nobody had.
    """

    tank: str
    symptom: Symptom
    started_at: datetime
    ended_at: datetime | None
    verdict: str
    cause: str
    said_by: str
    acknowledged_by: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lies around an incident; `earlier` is None if there was none like it."""

    siblings: SiblingsNow
    earlier: EarlierIncident | None
