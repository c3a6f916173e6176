"""Local times to UTC; a time that a change of the clocks makes unclear is never guessed."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tankwatch.core.times import EPOCH


@dataclass(frozen=True, slots=True)
class WallTimes:
    """Local times put into UTC.

    Attributes:
        utc_ms: int64 (rows,), epoch milliseconds; meaningless where there is a fault.
        faults: why a row has no place in UTC, by row.
    """

    utc_ms: NDArray[np.int64]
    faults: dict[int, str]


def utc_of(wall_ms: NDArray[np.int64], time_zone: str) -> WallTimes:
    """Return local times in UTC.

    Args:
        wall_ms: int64 (rows,), what the clock on the wall shows, counted as if it were UTC.
        time_zone: IANA zone of the wall.
    """
    wall = pd.DatetimeIndex(wall_ms.view("M8[ms]"))
    utc = wall.tz_localize(ZoneInfo(time_zone), ambiguous="NaT", nonexistent="NaT")
    unclear = np.flatnonzero(np.asarray(utc.isna()))
    ms = utc.tz_convert("UTC").tz_localize(None).to_numpy().astype("M8[ms]").view(np.int64)
    return WallTimes(ms, {int(row): _why(int(wall_ms[row]), time_zone) for row in unclear})


def _why(wall_ms: int, time_zone: str) -> str:
    wall = (EPOCH + timedelta(milliseconds=wall_ms)).replace(tzinfo=ZoneInfo(time_zone))
    before, after = wall.utcoffset(), wall.replace(fold=1).utcoffset()
    twice = before is not None and after is not None and before > after
    happens = "happens twice" if twice else "does not exist"
    shown = wall.replace(tzinfo=None).isoformat(sep=" ")
    return f"{shown} {happens} in {time_zone}, where the clocks change: state the offset"
