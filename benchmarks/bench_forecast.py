"""How far off what is expected next is, and how much of what comes lies within its band.

Farms without a fault; the second half of the time ahead is as the page shows it: an hour of a
tank, from drawn paths within what is usual and from its trend beyond.  Against it stands that
nothing changes, with a band of what that was wrong by in the 240 steps before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from results import record
from simulated_rounds import DAYS, LEARNED, SEEDS, TANKS

from tankwatch.detectors.catalogue import build_detector
from tankwatch.detectors.forecaster import ForecastingDetector
from tankwatch.detectors.rollout import sample_fleet
from tankwatch.detectors.trend import (
    ERRORS,
    LATEST,
    UsualRange,
    learn_usual,
    span_mean,
    trend_paths,
)
from tankwatch.settings import Settings
from tankwatch.simulate import FarmSpec, simulate_farm

HORIZON, EVERY, LED_IN_BY, PATHS = 60, 240, 1500, 200
LOOKS = (5, 15, 30, 60)
QUANTILES = (0.05, 0.5, 0.95)
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Looked:
    """What was expected and what came, of many tanks and moments.

    Attributes:
        bands: float64 (n, 3, steps, channels), the quantiles.
        flat: float64 (n, 3, steps, channels), those of no change.
        came: float64 (n, steps, channels), NaN where nothing was read.
        by_trend: bool (n, channels).
    """

    bands: Doubles
    flat: Doubles
    came: Doubles
    by_trend: NDArray[np.bool_]


def look(
    detector: ForecastingDetector, values: Doubles, usual: UsualRange, now: int
) -> Iterator[tuple[Doubles, Doubles, Doubles, NDArray[np.bool_]]]:
    """Yield what is expected of each tank from step `now` on, no change, what came, and by what."""
    known = values[:, now - LED_IN_BY : now]
    mask = np.isfinite(known)
    places = np.arange(values.shape[0])
    drawn = sample_fleet(detector, known, mask, places=places, horizon=HORIZON, paths=PATHS)
    level = span_mean(known[:, -LATEST:], mask[:, -LATEST:], LATEST)[:, -1]
    beyond = (level < usual.low) | (level > usual.high)
    for tank in places.tolist():
        bands = np.quantile(drawn[tank], QUANTILES, axis=0)
        flat = np.empty_like(bands)
        for channel in range(values.shape[2]):
            series, seen = known[tank, :, channel], mask[tank, :, channel]
            if beyond[tank, channel]:
                paths = trend_paths(series, seen, horizon=HORIZON)
                bands[:, :, channel] = np.nanquantile(paths, QUANTILES, axis=0)
            flat[:, :, channel] = unchanged(series)
        yield bands, flat, values[tank, now : now + HORIZON], beyond[tank]


def unchanged(series: Doubles) -> Doubles:
    """Return the quantiles of no change, (3, steps): the newest value and its latest errors."""
    found = np.empty((3, HORIZON))
    newest = series[np.isfinite(series)][-1]
    for ahead in range(1, HORIZON + 1):
        wrong = (series[ahead:] - series[:-ahead])[-ERRORS:]
        low, high = np.nanquantile(wrong, (0.05, 0.95))
        found[:, ahead - 1] = newest + np.array([low, 0.0, high])
    return found


def looked() -> Looked:
    """Train on the first fortnight of each farm, and look ahead through the week after it."""
    rows = []
    for seed in SEEDS:
        farm = simulate_farm(FarmSpec(tanks=TANKS, days=DAYS, seed=seed, faults=0))
        values = np.asarray(farm.values, dtype=np.float64)
        early = values[:, :LEARNED]
        detector = build_detector("fused", Settings()).fit(early)
        assert isinstance(detector, ForecastingDetector)
        usual = learn_usual(early, np.isfinite(early))
        for now in range(LEARNED, values.shape[1] - HORIZON, EVERY):
            rows += list(look(detector, values, usual, now))
    return Looked(*(np.stack(part) for part in zip(*rows, strict=True)))


def main() -> None:
    """Measure, print and record."""
    found = looked()
    print(f"{len(found.came)} looks, {found.by_trend.mean():.1%} of the channels by their trend")
    for channel, name in enumerate(("pressure", "temperature")):
        for ahead in LOOKS:
            told(found, channel, name, ahead)


def told(found: Looked, channel: int, name: str, ahead: int) -> None:
    """Print and record how one channel did some steps ahead."""
    came = found.came[:, ahead - 1, channel]
    there = np.isfinite(came)
    came = came[there]
    figures = []
    for bands in (found.bands, found.flat):
        low, middle, high = bands[there][:, :, ahead - 1, channel].T
        error = np.abs(came - middle).mean()
        figures.append((error, ((came >= low) & (came <= high)).mean(), (high - low).mean()))
    (error, inside, width), (flat_error, flat_inside, flat_width) = figures
    print(
        f"{name} {ahead} min ahead: off by {error:.3f}, no change by {flat_error:.3f}; "
        f"{inside:.1%} within a band of {width:.2f}, {flat_inside:.1%} of {flat_width:.2f}"
    )
    record(
        f"forecast: {name} {ahead} min ahead, mean absolute error",
        float(error),
        "unit of the channel",
        against="no change",
        other=float(flat_error),
    )
    record(
        f"forecast: {name} {ahead} min ahead, within the 90 % band",
        float(inside),
        "share",
        against="no change, with its latest errors",
        other=float(flat_inside),
    )


if __name__ == "__main__":
    main()
