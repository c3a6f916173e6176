"""Why mail about a tank is muted: rows with a start and an end, judged by the present."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class MuteReason(StrEnum):
    """Why mail about a tank or an incident is muted, the most telling first."""

    OUT_OF_SERVICE = "out_of_service"
    ONE_SHOT = "one_shot"
    SHELVED = "shelved"
    MAINTENANCE = "maintenance"
    SUPPRESSED_MAINTENANCE = "suppressed_maintenance"
    SUPPRESSED_TRANSFER = "suppressed_transfer"
    SUPPRESSED_BAD_SENSOR = "suppressed_bad_sensor"


class ShelfKind(StrEnum):
    """How an operator keeps a tank's alarms away."""

    SHELVED = "shelved"
    ONE_SHOT = "one_shot"
    OUT_OF_SERVICE = "out_of_service"


class SuppressionRule(StrEnum):
    """When a plant's design mutes a tank, without anybody doing it each time."""

    TRANSFER = "transfer"
    MAINTENANCE = "maintenance"
    BAD_SENSOR = "bad_sensor"

    @property
    def reason(self) -> MuteReason:
        """Return why a tank is muted while this rule holds."""
        return MuteReason(f"suppressed_{self.value}")


@dataclass(frozen=True, slots=True)
class Mute:
    """What keeps mail from operators now; detection and records go on.

    Attributes:
        reason: why.
        until: when it ends by itself; None if that is not known.
        detail: who put it down and why, for people.
    """

    reason: MuteReason
    until: datetime | None
    detail: str


def strongest(mutes: Iterable[Mute]) -> Mute | None:
    """Return the most telling of several mutes, of equal ones the longest; None if there is none.

    Mail stays away until the last of them ends: whoever waits for that asks again.
    """
    order = list(MuteReason)

    def rank(mute: Mute) -> tuple[int, bool, float]:
        is_bounded = mute.until is not None
        return order.index(mute.reason), is_bounded, -mute.until.timestamp() if mute.until else 0.0

    return min(mutes, key=rank, default=None)
