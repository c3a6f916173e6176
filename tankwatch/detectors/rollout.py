"""A stateful forecaster rolled forward: each drawn step is the next input."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.forecaster import ForecastingDetector
from tankwatch.detectors.surprise import Surprise, fresh_memory
from tankwatch.detectors.view import Mask
from tankwatch.shaping.scaling import TankScaling, apply_scaling
from tankwatch.shaping.windows import hold_fill

Doubles = NDArray[np.float64]
_FARTHEST = 30.0


@dataclass(frozen=True, slots=True)
class TimeToLimit:
    """When a channel is expected to cross a limit.

    Attributes:
        share: of the paths that cross it within the horizon, 0 to 1.
        earliest, latest: steps between which nine crossings in ten lie, counted from now; None if
            no path crosses.
    """

    share: float
    earliest: int | None
    latest: int | None


def sample_paths(
    detector: ForecastingDetector,
    X: NDArray[np.floating[Any]],
    mask: Mask,
    *,
    place: int,
    horizon: int,
    paths: int = 200,
    seed: int = 0,
) -> Doubles:
    """Return drawn continuations of one tank, float64 (paths, horizon, channels), canonical units.

    The network is warmed up on what is known and then fed with its own draws from the Student-t.
    It is told nothing of the siblings: where they will be is not known.

    Args:
        detector: fitted.
        X: float (steps, channels), the latest readings, canonical units.
        mask: bool, same shape.
        place: position of the tank among those of `fit`.
        horizon: steps ahead.
        paths: continuations.
        seed: equal seeds draw equal paths.
    """
    drawn = sample_fleet(
        detector,
        X[None],
        mask[None],
        places=np.array([place]),
        horizon=horizon,
        paths=paths,
        seed=seed,
    )
    return np.asarray(drawn[0])


def sample_fleet(
    detector: ForecastingDetector,
    X: NDArray[np.floating[Any]],
    mask: Mask,
    *,
    places: NDArray[np.int64],
    horizon: int,
    paths: int = 200,
    seed: int = 0,
) -> Doubles:
    """Return what `sample_paths` returns for several tanks, (tanks, paths, horizon, channels).

    Every tank gets the same draws, so what is told of one does not depend on those beside it, and
    does not jump from step to step by chance.

    Args:
        detector: fitted.
        X: float (tanks, steps, channels), the latest readings, canonical units.
        mask: bool, same shape.
        places: int64 (tanks,), position of each among those of `fit`.
        horizon: steps ahead.
        paths: continuations.
        seed: equal seeds draw equal paths.
    """
    tanks, _, channels = X.shape
    scaling = detector.scaling_
    own = TankScaling(scaling.location[places], scaling.scale[places])
    known = mask & np.isfinite(X)
    held = hold_fill(apply_scaling(X, own), known)
    surprise = Surprise(detector.surprise_.change, np.full_like(detector.surprise_.groups, -1))
    network = detector.served(places)
    memory = fresh_memory(tanks, channels, network.state_size)
    inputs, _ = surprise.inputs(held, known, places, memory)
    mean, scale, state = network.run(inputs, memory["network"].astype(np.float32))
    memory["last"] = held[:, -1].astype(np.float64)
    memory = {name: np.repeat(part, paths, axis=0) for name, part in memory.items()}
    of_path = np.repeat(places, paths)
    state = np.repeat(state, paths, axis=0)
    network = detector.served(of_path)
    center, width = (np.repeat(part[:, -1], paths, axis=0) for part in (mean, scale))
    rng = np.random.default_rng(seed)
    everything = np.ones((tanks * paths, 1, channels), dtype=bool)
    found = np.empty((tanks * paths, horizon, channels))
    for step in range(horizon):
        drawn = np.tile(rng.standard_t(detector.spec.dof, (paths, channels)), (tanks, 1))
        change = np.clip(center + width * drawn, -_FARTHEST, _FARTHEST) * surprise.change[of_path]
        value = memory["last"] + change
        fed, _ = surprise.inputs(value[:, None].astype(np.float32), everything, of_path, memory)
        memory["last"] = value
        means, scales, state = network.run(fed, state)
        center, width = means[:, 0], scales[:, 0]
        found[:, step] = value
    each = found.reshape(tanks, paths, horizon, channels)
    return np.asarray(each * own.scale[:, None, None] + own.location[:, None, None])


def time_to_limit(paths: Doubles, limit: float, *, above: bool) -> TimeToLimit:
    """Return when paths (paths, horizon) of one channel first lie beyond `limit`."""
    beyond = paths >= limit if above else paths <= limit
    crossing = beyond.any(axis=1)
    if not crossing.any():
        return TimeToLimit(0.0, None, None)
    first = beyond[crossing].argmax(axis=1) + 1
    low, high = np.quantile(first, (0.05, 0.95), method="nearest")
    return TimeToLimit(float(crossing.mean()), int(low), int(high))
