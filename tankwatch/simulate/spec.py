"""What farm to simulate."""

import math
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from tankwatch.core.times import to_ms
from tankwatch.errors import UsageError
from tankwatch.simulate.climate import CLIMATES
from tankwatch.simulate.faults import FaultKind, Period

DAY_S = 86_400
DAYS_PER_MONTH = 30.0


@dataclass(frozen=True, slots=True)
class FarmSpec:
    """What farm to simulate; equal specs give equal farms, to the last bit.

    Attributes:
        tanks: how many tanks share the site.
        days: length of the run.
        step_s: seconds between readings.
        seed: decides everything random: the tanks, the weather, the transfers and the faults.
        start: time of the first reading, aware, on a whole second.
        site: climate, one of ``north``, ``gulf`` and ``tropics``.
        quiet_days: days from the start in which there is no fault: time to learn.
        faults: how many faults; None takes `faults_per_tank_month`.
        faults_per_tank_month: faults for each tank and 30 days of the time that is not quiet.
        severity: of every fault; 1.0 is typical, smaller is subtler.
        kinds: kinds of fault, taken in turn.
    """

    tanks: int = 8
    days: float = 21.0
    step_s: int = 60
    seed: int = 0
    start: datetime = datetime(2026, 3, 2, tzinfo=UTC)
    site: str = "north"
    quiet_days: float = 14.0
    faults: int | None = None
    faults_per_tank_month: float = 4.0
    severity: float = 1.0
    kinds: tuple[FaultKind, ...] = tuple(FaultKind)

    def __post_init__(self) -> None:
        for problem in self._problems():
            message = f"this farm cannot be simulated: {problem}"
            raise UsageError(message)

    @property
    def steps(self) -> int:
        """Return how many readings each channel of a tank is due."""
        return round(self.days * DAY_S / self.step_s)

    @property
    def start_ms(self) -> int:
        """Return epoch milliseconds of the first reading."""
        return to_ms(self.start)

    @property
    def quiet_until(self) -> datetime:
        """Return the time before which no fault begins; where the sample files are split."""
        quiet_steps = math.ceil(self.quiet_days * DAY_S / self.step_s)
        return self.start + timedelta(seconds=quiet_steps * self.step_s)

    @property
    def fault_count(self) -> int:
        """Return how many faults there will be."""
        if self.faults is not None:
            return self.faults
        months = max(self.days - self.quiet_days, 0.0) / DAYS_PER_MONTH
        return round(self.faults_per_tank_month * self.tanks * months)

    @property
    def fault_period(self) -> Period:
        """Return when faults may happen."""
        step_ms = self.step_s * 1000
        return Period(to_ms(self.quiet_until), self.start_ms + self.steps * step_ms, step_ms)

    def stream(self, purpose: str) -> np.random.Generator:
        """Return random numbers for one purpose.

        Each purpose has its own, so a farm with faults has the weather, the transfers and the noise
        of the same farm without them.
        """
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])

    def _problems(self) -> list[str]:
        checks = (
            (self.tanks < 1, f"tanks is {self.tanks}, it must be 1 or more"),
            (not 1 <= self.step_s <= 3600, f"step_s is {self.step_s}, it must be 1 to 3600"),
            (self.seed < 0, f"seed is {self.seed}, it must be 0 or more"),
            (
                not 0 < self.days * DAY_S / max(self.step_s, 1) < 1e8,
                f"days is {self.days}, it must be above 0 and give less than 1e8 steps",
            ),
            (self.quiet_days < 0, f"quiet_days is {self.quiet_days}, it must be 0 or more"),
            (self.severity <= 0, f"severity is {self.severity}, it must be above 0"),
            ((self.faults or 0) < 0, f"faults is {self.faults}, it must be 0 or more"),
            (self.faults_per_tank_month < 0, "faults_per_tank_month is negative"),
            (
                self.start.tzinfo is None or self.start.microsecond != 0,
                "start must be aware and on a whole second, for instance 2026-03-02T00:00:00Z",
            ),
            (
                self.site not in CLIMATES,
                f"site is {self.site!r}, it must be one of {', '.join(CLIMATES)}",
            ),
            (
                bool(self.faults) and self.quiet_days >= self.days,
                f"{self.faults} faults have no room: all {self.days:g} days are quiet",
            ),
        )
        return [text for is_wrong, text in checks if is_wrong]
