"""When a tank is expected to reach a limit: what an incident that warns of it is based on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Outlook:
    """A limit ahead, as it was seen when it was warned of last.

    Attributes:
        channel: whose limit it is.
        limit: in the channel's unit.
        above: whether it is the high limit.
        probability: that it is reached within the response time, 0 to 1.
        earliest_s, latest_s: seconds between which nine crossings in ten lie, from then on.
        response_s: the tank's response time.
        seen_ms: when that was, epoch milliseconds; None for when the incident was raised.
    """

    channel: str
    limit: float
    above: bool
    probability: float
    earliest_s: float
    latest_s: float
    response_s: float
    seen_ms: int | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Outlook":
        """Return the outlook that `to_json` gave."""
        return cls(**stored)

    def to_json(self) -> dict[str, Any]:
        """Return the outlook as plain values."""
        return asdict(self)
