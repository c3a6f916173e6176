"""Numeric times: seconds, milliseconds, microseconds or nanoseconds since 1970."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.times import to_ms
from tankwatch.ingest.options import EpochUnit

EARLIEST_MS = to_ms(datetime(1900, 1, 1, tzinfo=UTC))
LATEST_MS = to_ms(datetime(9999, 12, 30, tzinfo=UTC))
_PER_SECOND = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}
# Seconds from 1973 to 2128: read in any other unit, a number of this range lies outside it.
_CLEAR_S = (10**8, 5 * 10**9)


def epoch_ms(
    numbers: NDArray[np.int64] | NDArray[np.float64], unit: EpochUnit
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return epoch milliseconds, rounded down, and where they are sound.

    ``auto`` takes the unit of each number by its size, and none where the size fits no unit.

    Args:
        numbers: int64 or float64 (rows,), times since 1970 in `unit`.
        unit: ``s``, ``ms``, ``us``, ``ns`` or ``auto``.

    Returns:
        int64 (rows,) epoch milliseconds, 0 where unsound; bool (rows,), true where sound.
    """
    ms = np.zeros(numbers.size, dtype=np.int64)
    sound = np.zeros(numbers.size, dtype=bool)
    for name, per_second in _PER_SECOND.items():
        if unit not in {"auto", name}:
            continue
        low, high = _CLEAR_S if unit == "auto" else (EARLIEST_MS // 1000, LATEST_MS // 1000)
        fits = (numbers >= low * per_second) & (numbers < high * per_second)
        ms[fits] = _to_ms(numbers[fits], per_second)
        sound |= fits
    return ms, sound


def _to_ms(numbers: NDArray[np.int64] | NDArray[np.float64], per_second: int) -> NDArray[np.int64]:
    if numbers.dtype.kind == "f":
        # A binary fraction may lie a hair below the decimal one that was written.
        micro = np.rint(numbers * (1_000_000 / per_second)).astype(np.int64)
        return micro // 1000
    if per_second == 1:
        return numbers.astype(np.int64) * 1000
    return numbers.astype(np.int64) // (per_second // 1000)
