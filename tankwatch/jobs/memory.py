"""What a tank's detection carries from pass to pass."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tankwatch.core.episodes import Change, TankEvent, TankState
from tankwatch.core.incident import Symptom

KIND = "episodes"


@dataclass(slots=True)
class TankMemory:
    """Where a tank's episodes stand where the memories of its site end.

    Attributes:
        state: the fold over the steps so far.
        seen: channels that ever had a reading.
        from_ms: from where on `events` are not settled with what is stored; None: from here on.
        incident_id: incident that was under way at `from_ms`.
        events: what happened since `from_ms`, while steps that were scored before are gone through
            once more.
        version: model version whose scores opened incidents.
    """

    state: TankState = field(default_factory=TankState)
    seen: set[str] = field(default_factory=set)
    from_ms: int | None = None
    incident_id: int | None = None
    events: list[TankEvent] = field(default_factory=list)
    version: int | None = None

    def copy(self) -> "TankMemory":
        """Return a memory that can go on without this one."""
        return replace(self, state=self.state.copy(), seen=set(self.seen), events=list(self.events))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> "TankMemory":
        """Return the memory that `to_json` gave, an empty one for None."""
        if stored is None:
            return cls()
        return cls(
            TankState.from_json(stored["state"]),
            set(stored["seen"]),
            stored.get("from_ms"),
            stored["incident_id"],
            [_event(event) for event in stored.get("events", ())],
            stored.get("version"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the memory as plain values."""
        return {
            "state": self.state.to_json(),
            "incident_id": self.incident_id,
            "seen": sorted(self.seen),
            "from_ms": self.from_ms,
            "events": [asdict(event) for event in self.events],
            "version": self.version,
        }


def _event(stored: Mapping[str, Any]) -> TankEvent:
    course = stored.get("course")
    enums = {
        "change": Change(stored["change"]),
        "symptom": Symptom(stored["symptom"]),
        "course": None if course is None else Symptom(course),
    }
    return TankEvent(**{**stored, **enums})
