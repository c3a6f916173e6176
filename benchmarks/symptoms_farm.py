"""A simulated farm with every kind of fault, and beside them what only a sensor can do."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tankwatch.simulate import Farm, FarmSpec, FaultKind, simulate_farm

TANKS, DAYS, QUIET_DAYS = 24, 21.0, 14.0
FAULTS_OF_A_KIND = 3
SEVERITY = 1.5
STEP_MS = 60_000
_APART = 720

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault of a tank: its kind, and its steps from the farm's beginning."""

    tank: str
    kind: str
    first: int
    last: int


def troubled_farm(seed: int) -> tuple[Farm, list[Trouble]]:
    """Return a farm and all that is wrong in it: faults of the simulator, and distortions.

    Distortions are what the simulator has no kind for: a pressure that flips, one that is damped,
    and one beyond its instrument's range.  They stand where a tank has no other fault near.
    """
    spec = FarmSpec(
        tanks=TANKS,
        days=DAYS,
        quiet_days=QUIET_DAYS,
        seed=seed,
        faults=FAULTS_OF_A_KIND * len(FaultKind),
        severity=SEVERITY,
    )
    farm = simulate_farm(spec)
    begin = int(farm.observed_ms[0])
    found = [
        Trouble(
            farm.tanks[fault.tank],
            str(fault.kind),
            (fault.start_ms - begin) // STEP_MS,
            (fault.end_ms - begin) // STEP_MS,
        )
        for fault in farm.faults
    ]
    rng = np.random.default_rng([seed, 7])
    values = farm.values.copy()
    for kind, distort in DISTORTIONS.items():
        for _ in range(FAULTS_OF_A_KIND):
            one = _free_place(rng, farm, found, kind)
            row = farm.tanks.index(one.tank)
            series = values[row, one.first : one.last, 0]
            series[:] = np.round(distort(series, rng), 2)
            found.append(one)
    return replace(farm, values=values), found


def _free_place(rng: np.random.Generator, farm: Farm, taken: list[Trouble], kind: str) -> Trouble:
    quiet = round(QUIET_DAYS * 1440)
    while True:
        length = int(rng.integers(180, 480))
        first = int(rng.integers(quiet, farm.observed_ms.size - length))
        one = Trouble(str(rng.choice(farm.tanks)), kind, first, first + length)
        if not any(_near(one, other) for other in taken):
            return one


def _near(one: Trouble, other: Trouble) -> bool:
    apart = one.first > other.last + _APART or other.first > one.last + _APART
    return one.tank == other.tank and not apart


def _flipping(series: Values, rng: np.random.Generator) -> Values:
    """Return a pressure whose contact is open for a few minutes, again and again."""
    is_open = np.cumsum(rng.random(series.size) < 0.2) % 2 == 1
    return series - 0.8 * is_open


def _damped(series: Values, _rng: np.random.Generator) -> Values:
    """Return a pressure behind a filter of half an hour."""
    filtered = np.empty_like(series)
    last = float(series[np.isfinite(series)][0])
    for step, value in enumerate(series):
        last += (value - last) / 30.0 if np.isfinite(value) else 0.0
        filtered[step] = last
    return filtered


def _beyond_range(series: Values, _rng: np.random.Generator) -> Values:
    """Return an open loop as a historian scales it."""
    return np.full_like(series, -2.5)


DISTORTIONS: dict[str, Callable[[Values, np.random.Generator], Values]] = {
    "flipping": _flipping,
    "damped": _damped,
    "beyond_range": _beyond_range,
}
