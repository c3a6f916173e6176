"""What can go wrong in a simulated tank farm, and when it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.times import from_ms
from tankwatch.errors import UsageError

HOUR_MS = 3_600_000
GAP_MS = 12 * HOUR_MS
TRIES = 400


class FaultKind(StrEnum):
    """A kind of fault, in the plant, in its controls or in a sensor.

    A farm with few faults takes them in this order.
    """

    ROOF_LEAK = "roof_leak"
    VENT_STUCK_CLOSED = "vent_stuck_closed"
    STUCK_SENSOR = "stuck_sensor"
    PRESSURE_STEP = "pressure_step"
    HEATER_STUCK_ON = "heater_stuck_on"
    UNRECORDED_INFLOW = "unrecorded_inflow"
    VENT_STUCK_OPEN = "vent_stuck_open"
    VACUUM_BREAKER_STUCK = "vacuum_breaker_stuck"
    REGULATOR_CREEP = "regulator_creep"
    HEATER_FAILED = "heater_failed"
    PRESSURE_HUNTING = "pressure_hunting"
    PRESSURE_DRIFT = "pressure_drift"
    TEMPERATURE_DRIFT = "temperature_drift"
    NOISE_BURST = "noise_burst"
    SPIKES = "spikes"
    OFFLINE = "offline"


class FaultChannel(StrEnum):
    """Where a fault shows first: one channel, or all of them."""

    PRESSURE = "pressure"
    TEMPERATURE = "temperature"
    ALL = "all"


class Need(StrEnum):
    """What a tank must have before a fault of some kind can happen to it.

    A leak or a failed vent needs a tank without blanket gas: the regulator would cover it.
    """

    NOTHING = "nothing"
    HEATED = "heated"
    BLANKETED = "blanketed"
    BREATHING = "breathing"


@dataclass(frozen=True, slots=True)
class Traits:
    """What is fixed for a kind: how long it lasts (hours), where it shows, what it needs."""

    hours: tuple[float, float]
    channels: tuple[FaultChannel, ...]
    need: Need = Need.NOTHING


_PRESSURE = (FaultChannel.PRESSURE,)
_TEMPERATURE = (FaultChannel.TEMPERATURE,)
_EITHER = (FaultChannel.PRESSURE, FaultChannel.TEMPERATURE)

TRAITS: dict[FaultKind, Traits] = {
    FaultKind.ROOF_LEAK: Traits((10, 36), _PRESSURE, Need.BREATHING),
    FaultKind.VENT_STUCK_CLOSED: Traits((24, 48), _PRESSURE, Need.BREATHING),
    FaultKind.STUCK_SENSOR: Traits((6, 24), _EITHER),
    FaultKind.PRESSURE_STEP: Traits((6, 36), _PRESSURE),
    FaultKind.HEATER_STUCK_ON: Traits((18, 36), _TEMPERATURE, Need.HEATED),
    FaultKind.UNRECORDED_INFLOW: Traits((6, 12), _PRESSURE, Need.BREATHING),
    FaultKind.VENT_STUCK_OPEN: Traits((10, 36), _PRESSURE, Need.BREATHING),
    FaultKind.VACUUM_BREAKER_STUCK: Traits((24, 48), _PRESSURE, Need.BREATHING),
    FaultKind.REGULATOR_CREEP: Traits((8, 24), _PRESSURE, Need.BLANKETED),
    FaultKind.HEATER_FAILED: Traits((30, 60), _TEMPERATURE, Need.HEATED),
    FaultKind.PRESSURE_HUNTING: Traits((4, 12), _PRESSURE, Need.BLANKETED),
    FaultKind.PRESSURE_DRIFT: Traits((24, 72), _PRESSURE),
    FaultKind.TEMPERATURE_DRIFT: Traits((24, 72), _TEMPERATURE),
    FaultKind.NOISE_BURST: Traits((2, 8), _EITHER),
    FaultKind.SPIKES: Traits((4, 12), _EITHER),
    FaultKind.OFFLINE: Traits((2, 8), (FaultChannel.ALL,)),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one tank.

    Attributes:
        tank: index along the first axis of the farm.
        start_ms: epoch milliseconds of the first step that it touches.
        end_ms: epoch milliseconds of the first step that it no longer touches.
        kind: what is wrong.
        channel: where it shows first.
        severity: 1.0 is typical and plain to an engineer who looks; smaller is subtler.
        sign: +1 or -1, the direction of an offset or a drift.
    """

    tank: int
    start_ms: int
    end_ms: int
    kind: FaultKind
    channel: FaultChannel
    severity: float
    sign: int

    @property
    def start(self) -> datetime:
        """Return the aware UTC time at which it begins."""
        return from_ms(self.start_ms)

    @property
    def end(self) -> datetime:
        """Return the aware UTC time at which it is over."""
        return from_ms(self.end_ms)


@dataclass(frozen=True, slots=True)
class Period:
    """When faults may happen: whole steps within [start_ms, end_ms)."""

    start_ms: int
    end_ms: int
    step_ms: int

    def whole(self, length_ms: float) -> int:
        """Return `length_ms` as whole steps that fit into the period, in milliseconds."""
        fitting = (self.end_ms - self.start_ms) // self.step_ms
        return max(min(round(length_ms / self.step_ms), fitting), 1) * self.step_ms


def schedule_faults(
    rng: np.random.Generator,
    kinds: Sequence[FaultKind],
    *,
    count: int,
    able: dict[Need, NDArray[np.intp]],
    period: Period,
    severity: float,
) -> tuple[Fault, ...]:
    """Return `count` faults in order of time, kinds taken in turn and shuffled over the tanks.

    Faults of one tank lie at least 12 hours apart, and tanks that had fewer are taken first.  A
    kind whose equipment no tank has is left out.

    Args:
        rng: decides everything that is open.
        kinds: kinds to take in turn.
        count: how many faults.
        able: for each need, the indices of the tanks that meet it.
        period: when faults may happen.
        severity: given to every fault.

    Raises:
        UsageError: no kind is possible, or so many faults do not fit.
    """
    possible = [kind for kind in kinds if able[TRAITS[kind].need].size]
    if count and not possible:
        wanted = ", ".join(kinds) or "none"
        message = f"no tank of this farm can have any of these faults: {wanted}; add tanks or kinds"
        raise UsageError(message)
    turn = [possible[i % len(possible)] for i in range(count)]
    rng.shuffle(turn)
    # The kinds with the fewest possible tanks choose first, or they may find them all taken.
    turn.sort(key=lambda kind: able[TRAITS[kind].need].size)
    placed: list[Fault] = []
    for kind in turn:
        fault = _place(rng, kind, placed, able=able, period=period, severity=severity)
        if fault is None:
            message = (
                f"{count} faults do not fit: no room for another {kind} after {len(placed)}; "
                "ask for fewer, or for more days or tanks"
            )
            raise UsageError(message)
        placed.append(fault)
    return tuple(sorted(placed, key=lambda fault: (fault.start_ms, fault.tank)))


def _place(
    rng: np.random.Generator,
    kind: FaultKind,
    placed: Sequence[Fault],
    *,
    able: dict[Need, NDArray[np.intp]],
    period: Period,
    severity: float,
) -> Fault | None:
    traits = TRAITS[kind]
    tanks = able[traits.need]
    had = np.array([sum(fault.tank == tank for fault in placed) for tank in tanks])
    spared = tanks[had == had.min()]
    for attempt in range(TRIES):
        length_ms = period.whole(rng.uniform(*traits.hours) * HOUR_MS)
        room = (period.end_ms - period.start_ms - length_ms) // period.step_ms
        start_ms = period.start_ms + int(rng.integers(0, room + 1)) * period.step_ms
        fault = Fault(
            tank=int(rng.choice(spared if attempt < TRIES // 2 else tanks)),
            start_ms=start_ms,
            end_ms=start_ms + length_ms,
            kind=kind,
            channel=traits.channels[int(rng.integers(len(traits.channels)))],
            severity=severity,
            sign=int(rng.choice((-1, 1))),
        )
        if not any(_too_close(fault, other) for other in placed):
            return fault
    return None


def _too_close(one: Fault, other: Fault) -> bool:
    return (
        one.tank == other.tank
        and one.start_ms < other.end_ms + GAP_MS
        and other.start_ms < one.end_ms + GAP_MS
    )
