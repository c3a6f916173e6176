"""How a broken sensor distorts what it reports.

Pairs of numbers are for pressure (kPa) and temperature (K), at severity 1.0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.simulate.faults import Fault, FaultKind

Floats = NDArray[np.float64]

STEP = (0.6, 4.0)
DRIFT = (0.9, 5.0)
SPIKE = (1.2, 8.0)
NOISE_TIMES = 7.0
SPIKE_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Probe:
    """Which channel is touched (0 pressure, 1 temperature), and its usual noise."""

    channel: int
    noise: float


SENSOR_KINDS = frozenset(
    {
        FaultKind.STUCK_SENSOR,
        FaultKind.PRESSURE_STEP,
        FaultKind.PRESSURE_DRIFT,
        FaultKind.TEMPERATURE_DRIFT,
        FaultKind.NOISE_BURST,
        FaultKind.SPIKES,
        FaultKind.OFFLINE,
    }
)


def distort(
    values: Floats, steps: slice, fault: Fault, *, probe: Probe, rng: np.random.Generator
) -> None:
    """Change the readings of one channel of one tank in place, as `fault` does.

    A stuck sensor repeats its last reading and an offline one sends none, whatever the severity; a
    drift grows evenly to its full size at the end.

    Args:
        values: float64 (steps of the run,), kPa or degC, before rounding.
        steps: the steps that the fault touches.
        fault: one of `SENSOR_KINDS`.
        probe: which channel, and its noise.
        rng: random numbers for noise and spikes.
    """
    size = steps.stop - steps.start
    channel, severity = probe.channel, fault.severity
    match fault.kind:
        case FaultKind.STUCK_SENSOR:
            values[steps] = values[max(steps.start - 1, 0)]
        case FaultKind.OFFLINE:
            values[steps] = np.nan
        case FaultKind.PRESSURE_STEP:
            values[steps] += fault.sign * severity * STEP[channel]
        case FaultKind.PRESSURE_DRIFT | FaultKind.TEMPERATURE_DRIFT:
            rise = np.arange(1, size + 1) / size
            values[steps] += fault.sign * severity * DRIFT[channel] * rise
        case FaultKind.NOISE_BURST:
            values[steps] += rng.standard_normal(size) * NOISE_TIMES * severity * probe.noise
        case FaultKind.SPIKES:
            hits = rng.random(size) < SPIKE_SHARE
            spikes = rng.choice((-1.0, 1.0), size) * rng.uniform(0.6, 1.4, size)
            values[steps] += hits * spikes * severity * SPIKE[channel]
