"""Which detectors a backtest judges beside the chosen one."""

from collections.abc import Sequence

from tankwatch.detectors.baselines import WindowedBaseline
from tankwatch.detectors.catalogue import DETECTORS
from tankwatch.errors import UsageError

ALL = "all"


def cheap_baselines() -> tuple[str, ...]:
    """Return the detectors of the catalogue that need no network, which a network must beat."""
    return tuple(name for name, kind in DETECTORS.items() if issubclass(kind, WindowedBaseline))


def rivals(detector: str, beside: Sequence[str] = ()) -> tuple[str, ...]:
    """Return what is judged beside `detector`: those that are asked for, and every cheap baseline.

    Args:
        detector: the one that the production path runs with.
        beside: further detectors of the catalogue, or ``all`` for the whole of it.

    Raises:
        UsageError: the catalogue has not one of them.
    """
    asked = tuple(DETECTORS) if ALL in beside else tuple(beside)
    unknown = [name for name in (detector, *asked) if name not in DETECTORS]
    if unknown:
        message = f"there is no detector {unknown[0]!r}: choose one of {', '.join(DETECTORS)}"
        raise UsageError(message)
    every = dict.fromkeys((*asked, *cheap_baselines()))
    return tuple(name for name in every if name != detector)
