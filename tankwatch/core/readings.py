"""Readings on their way in: what was parsed, what was refused and why."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class RejectReason(StrEnum):
    """Why a reading was put into quarantine instead of the store."""

    NO_TANK = "no_tank"
    UNKNOWN_TANK = "unknown_tank"
    WRONG_SITE = "wrong_site"
    UNKNOWN_CHANNEL = "unknown_channel"
    BAD_TIME = "bad_time"
    FUTURE_TIME = "future_time"
    BAD_NUMBER = "bad_number"
    BAD_UNIT = "bad_unit"
    NOT_FINITE = "not_finite"
    NO_VALUE = "no_value"
    BROKEN_ROW = "broken_row"
    BAD_QUALITY = "bad_quality"


class Verdict(StrEnum):
    """What became of a row that was sent; in arrays, its place in `VERDICTS`."""

    STORED = "stored"
    UPDATED = "updated"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


VERDICTS = tuple(Verdict)


@dataclass(frozen=True, slots=True)
class ReadingBatch:
    """Parsed readings in canonical units, a row for each tank and time.

    Attributes:
        tanks: distinct tank names.
        channels: names along the last axis of `values`.
        tank_index: int32 (rows,), position in `tanks`.
        observed_ms: int64 (rows,), epoch milliseconds.
        values: float64 (rows, channels), canonical units; NaN where the row has no value.
    """

    tanks: tuple[str, ...]
    channels: tuple[str, ...]
    tank_index: NDArray[np.int32]
    observed_ms: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return int(self.observed_ms.size)


@dataclass(frozen=True, slots=True)
class Rejected:
    """One refused row or value: where it stood, why, and its text."""

    source: str
    line: int
    reason: RejectReason
    detail: str
    raw: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch: row counts."""

    stored: int = 0
    updated: int = 0
    duplicate: int = 0
    rejected: int = 0
    late: int = 0

    def __add__(self, other: "Accepted") -> "Accepted":
        return Accepted(
            self.stored + other.stored,
            self.updated + other.updated,
            self.duplicate + other.duplicate,
            self.rejected + other.rejected,
            self.late + other.late,
        )


@dataclass(frozen=True, slots=True)
class StoredRows:
    """What became of each row of a batch.

    Attributes:
        verdict: int8 (rows,), place in `VERDICTS`; of several rows for one tank and time, the first
            has the verdict of all and the others are duplicates.
        late: how many came after their step was scored.
    """

    verdict: NDArray[np.int8]
    late: int = 0

    def count(self) -> Accepted:
        """Return the verdicts as counts."""
        stored, updated, duplicate, rejected = np.bincount(
            self.verdict, minlength=len(VERDICTS)
        ).tolist()
        return Accepted(stored, updated, duplicate, rejected, self.late)
