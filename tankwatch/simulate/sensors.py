"""What the instruments report of the truth, and what goes wrong in them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.simulate.faults import Fault, FaultChannel
from tankwatch.simulate.sensor_faults import SENSOR_KINDS, Probe, distort

Floats = NDArray[np.float64]

CHANNELS = (FaultChannel.PRESSURE, FaultChannel.TEMPERATURE)
# A transmitter of -1 to +5 kPa and a Pt100 in a thermowell, as a historian keeps them.
RESOLUTION = (0.01, 0.1)
NOISE = (0.015, 0.06)
BIAS = (0.03, 0.2)
LOST_READINGS = 0.001
LOST_VALUES = 0.0005


@dataclass(frozen=True, slots=True)
class Sensors:
    """The instruments of each tank.

    Attributes:
        noise: float64 (tanks, 2), standard deviation, kPa and K.
        bias: float64 (tanks, 2), constant error, kPa and K.
        vapour_share: float64 (tanks,), how far the thermometer feels the vapour, not the liquid.
    """

    noise: Floats
    bias: Floats
    vapour_share: Floats


def draw_sensors(rng: np.random.Generator, heated: NDArray[np.bool_]) -> Sensors:
    """Return instruments; thermometers of heated tanks sit in the product.

    Of the others half sit in the vapour space and half low in the shell, which conducts a little.
    """
    tanks = heated.size
    low = rng.uniform(0.03, 0.10, tanks)
    high = rng.uniform(0.8, 1.0, tanks)
    in_vapour = ~heated & (rng.random(tanks) < 0.5)
    return Sensors(
        noise=np.array(NOISE) * rng.uniform(0.7, 1.4, (tanks, 2)),
        bias=np.array(BIAS) * rng.standard_normal((tanks, 2)).clip(-2.0, 2.0),
        vapour_share=np.where(in_vapour, high, low),
    )


@dataclass(frozen=True, slots=True)
class Timeline:
    """The steps of a run: first time, step in epoch milliseconds, and how many."""

    start_ms: int
    step_ms: int
    steps: int

    def slice_of(self, fault: Fault) -> slice:
        """Return the steps that `fault` touches."""
        first = (fault.start_ms - self.start_ms) // self.step_ms
        last = -((self.start_ms - fault.end_ms) // self.step_ms)
        return slice(max(first, 0), min(last, self.steps))


def read_sensors(
    rng: np.random.Generator,
    sensors: Sensors,
    *,
    truth: Floats,
    faults: Iterable[Fault],
    timeline: Timeline,
    fault_rng: np.random.Generator,
) -> Floats:
    """Return float64 (tanks, steps, 2), kPa gauge and degC as reported, NaN where nothing came.

    Bias and noise are added, then the sensor faults, then the value is rounded to the instrument's
    resolution; some readings are lost on the way.

    Args:
        rng: noise and losses.
        sensors: the instruments.
        truth: float64 (tanks, steps, 2), kPa gauge and degC at the probe.
        faults: of any kind; those of the plant are passed over.
        timeline: when the steps are.
        fault_rng: the randomness of faults, apart so that it does not disturb the rest.
    """
    noise = rng.standard_normal(truth.shape) * sensors.noise[:, None, :]
    values = truth + sensors.bias[:, None, :] + noise
    for fault in faults:
        if fault.kind not in SENSOR_KINDS:
            continue
        for channel in _channels(fault):
            probe = Probe(channel, float(sensors.noise[fault.tank, channel]))
            series = values[fault.tank, :, channel]
            distort(series, timeline.slice_of(fault), fault, probe=probe, rng=fault_rng)
    resolution = np.array(RESOLUTION)
    # Adding 0 turns -0.0, which a file would show, into 0.0.
    reported: Floats = np.round(np.round(values / resolution) * resolution, 3) + 0.0
    reported[rng.random(truth.shape[:2]) < LOST_READINGS] = np.nan
    reported[rng.random(truth.shape) < LOST_VALUES] = np.nan
    return reported


def _channels(fault: Fault) -> tuple[int, ...]:
    if fault.channel is FaultChannel.ALL:
        return (0, 1)
    return (CHANNELS.index(fault.channel),)
