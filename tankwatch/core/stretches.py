"""Stretches of a tank's past that are known not to be normal, or to be normal after all."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Why(StrEnum):
    """Why a stretch is left out of training; `NOT_A_FAULT` is why it is not."""

    OPEN_INCIDENT = "open incident"
    REAL_FAULT = "confirmed fault"
    NOT_A_FAULT = "not a fault"
    MAINTENANCE = "maintenance"
    BEYOND_LIMITS = "beyond limits"
    OUT_OF_RANGE = "beyond the instrument's range"
    FLAT_LINE = "flat line"
    NEW_TANK = "start of the tank's life"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a tank.

    Attributes:
        tank_id: the tank.
        start: its beginning.
        end: its end, None while it lasts.
        why: what is known of it.
    """

    tank_id: int
    start: datetime
    end: datetime | None
    why: Why
