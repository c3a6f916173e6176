"""Fills and draws: who pumps what, when and how fast."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.simulate.plant import Plant

Floats = NDArray[np.float64]

LOWEST = 0.12
HIGHEST = 0.88
RAMP_S = 600.0
IDLE_H = 16.0
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Transfers:
    """The recorded movements of product.

    Attributes:
        level: float64 (tanks,), filled share at the first step.
        flow_m3_s: float64 (tanks, steps), positive fills, negative draws.
        feed_degc: float64 (tanks, steps), temperature of what is pumped in.
    """

    level: Floats
    flow_m3_s: Floats
    feed_degc: Floats


def plan_transfers(
    rng: np.random.Generator, plant: Plant, *, ambient_degc: Floats, step_s: int
) -> Transfers:
    """Return fills and draws that keep every tank between 12 % and 88 %.

    Waits between them are exponential with a mean of 16 hours (a Poisson process); a transfer moves
    8 to 30 % of the tank at 60 to 125 % of its usual rate, and pumps ramp up and down over ten
    minutes.

    Args:
        rng: decides everything that is open.
        plant: the tanks.
        ambient_degc: float64 (steps,), which unheated product follows slowly.
        step_s: seconds of a step.
    """
    tanks, steps = len(plant.names), ambient_degc.size
    contents = plant.contents
    level = rng.uniform(0.3, 0.7, tanks)
    flow = np.zeros((tanks, steps))
    feed = np.empty((tanks, steps))
    mean_degc = float(ambient_degc.mean())
    for tank in range(tanks):
        usual = contents.feed_degc[tank] if contents.heated[tank] else mean_degc
        feed[tank] = usual
        now = level[tank]
        start = _wait(rng, step_s)
        while start < steps:
            moved = _choose_volume(rng, now)
            rate = contents.transfer_m3_s[tank] * rng.uniform(0.6, 1.25)
            shape = _ramped(abs(moved) * plant.shell.volume_m3[tank] / rate, step_s)
            stop = min(start + shape.size, steps)
            flow[tank, start:stop] = np.sign(moved) * rate * shape[: stop - start]
            feed[tank, start:] = usual + rng.normal(0.0, 2.5)
            now += float(flow[tank, start:stop].sum()) * step_s / plant.shell.volume_m3[tank]
            start = stop + _wait(rng, step_s)
    return Transfers(level, flow, feed)


def _wait(rng: np.random.Generator, step_s: int) -> int:
    return 1 + int(rng.exponential(IDLE_H * HOUR_S) / step_s)


def _choose_volume(rng: np.random.Generator, level: float) -> float:
    share = rng.uniform(0.08, 0.30)
    # Never exactly even: a full tank is drawn from and an empty one is filled.
    fills = rng.random() > (level - LOWEST) / (HIGHEST - LOWEST)
    return min(share, HIGHEST - level) if fills else -min(share, level - LOWEST)


def _ramped(full_rate_s: float, step_s: int) -> Floats:
    """Return float64 (steps,), 0 to 1, whose sum over time is `full_rate_s`."""
    ramp = min(RAMP_S, full_rate_s)
    steps = max(round((full_rate_s + ramp) / step_s), 1)
    middle_s = (np.arange(steps) + 0.5) * step_s
    shape = np.clip(np.minimum(middle_s, steps * step_s - middle_s) / ramp, 0.0, 1.0)
    scaled: Floats = shape * (full_rate_s / (shape.sum() * step_s))
    return scaled
