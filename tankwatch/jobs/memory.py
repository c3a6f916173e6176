"""What a tank's detection carries from pass to pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tankwatch.core.episodes import TankState

KIND = "episodes"


@dataclass(slots=True)
class TankMemory:
    """Episode state, the incident under way, and the channels that ever had a reading."""

    state: TankState = field(default_factory=TankState)
    incident_id: int | None = None
    seen: set[str] = field(default_factory=set)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> "TankMemory":
        """Return the memory that `to_json` gave, an empty one for None."""
        if stored is None:
            return cls()
        state = TankState.from_json(stored["state"])
        return cls(state, stored["incident_id"], set(stored["seen"]))

    def to_json(self) -> dict[str, Any]:
        """Return the memory as plain values."""
        return {
            "state": self.state.to_json(),
            "incident_id": self.incident_id,
            "seen": sorted(self.seen),
        }
