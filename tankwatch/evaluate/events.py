"""Event metrics, without point adjustment.

A fault is found if an incident of its tank is *raised* between its start and its end plus a grace;
an incident raised at any other time is a false alarm, also one that was there before the fault and
runs into it.  No step counts as found because another step of the same fault was, which is what
point adjustment does and what makes random scores look good (Kim et al., "Towards a rigorous
evaluation of time-series anomaly detection", AAAI 2022).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from scipy.stats import chi2

MONTH = timedelta(days=30)
_CONFIDENCE = 0.9


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """One known fault: whether it was found, and how long after its start."""

    tank: str
    kind: str
    start: datetime
    end: datetime
    delay_s: float | None

    @property
    def is_found(self) -> bool:
        """Return whether an incident was raised for it."""
        return self.delay_s is not None


@dataclass(frozen=True, slots=True)
class EventMetrics:
    """How incidents met faults.

    `rate_low` and `rate_high` are the exact 90 % interval of the false-alarm rate, taking alarms
    for a Poisson process (Garwood 1936).
    """

    faults: tuple[FaultOutcome, ...]
    incidents: int
    false_alarms: int
    tank_months: float
    rate: float | None
    rate_low: float | None
    rate_high: float | None

    @property
    def found(self) -> int:
        """Return the number of faults that were found."""
        return sum(fault.is_found for fault in self.faults)

    @property
    def recall(self) -> float | None:
        """Return the share of faults that were found, None without faults."""
        return self.found / len(self.faults) if self.faults else None

    @property
    def median_delay_s(self) -> float | None:
        """Return the median time from a fault's start to its incident, None if none was found."""
        delays = [fault.delay_s for fault in self.faults if fault.delay_s is not None]
        return float(np.median(delays)) if delays else None

    def recall_by_kind(self) -> dict[str, tuple[int, int]]:
        """Return (found, all) by kind of fault."""
        kinds: dict[str, tuple[int, int]] = {}
        for fault in self.faults:
            found, total = kinds.get(fault.kind, (0, 0))
            kinds[fault.kind] = (found + fault.is_found, total + 1)
        return kinds


def judge_events(
    labels: pd.DataFrame | None,
    incidents: pd.DataFrame,
    spans: Mapping[str, tuple[datetime, datetime]],
    *,
    grace: timedelta,
) -> EventMetrics:
    """Return how `incidents` met the faults of `labels` within `spans`.

    Args:
        labels: tank, start, end (aware) and perhaps kind; None if nothing is known.
        incidents: tank, raised (aware).
        spans: by tank, the time that is judged; faults outside are left out.
        grace: time after a fault's end in which an incident still counts for it.
    """
    outcomes: list[FaultOutcome] = []
    false_alarms = 0
    quiet = timedelta()
    for tank, (begin, finish) in spans.items():
        raised = _moments(incidents, tank)
        faults = [] if labels is None else _faults(labels, tank, begin, finish)
        excused = np.zeros(len(raised), dtype=bool)
        for kind, start, end in faults:
            inside = np.array([start <= moment <= end + grace for moment in raised], dtype=bool)
            first = min((m for m, is_in in zip(raised, inside, strict=True) if is_in), default=None)
            delay_s = None if first is None else (first - start).total_seconds()
            outcomes.append(FaultOutcome(tank, kind, start, end, delay_s))
            excused = excused | inside if len(raised) else excused
        false_alarms += int((~excused).sum())
        quiet += (finish - begin) - _covered(faults, begin, finish, grace)
    months = max(quiet / MONTH, 0.0)
    low, high = poisson_interval(false_alarms)
    return EventMetrics(
        faults=tuple(outcomes),
        incidents=sum(len(_moments(incidents, tank)) for tank in spans),
        false_alarms=false_alarms,
        tank_months=months,
        rate=false_alarms / months if months else None,
        rate_low=low / months if months else None,
        rate_high=high / months if months else None,
    )


def poisson_interval(count: int) -> tuple[float, float]:
    """Return the exact 90 % interval of a Poisson mean after seeing `count`."""
    tail = (1 - _CONFIDENCE) / 2
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.ppf(1 - tail, 2 * count + 2)) / 2


def _moments(incidents: pd.DataFrame, tank: str) -> list[datetime]:
    mine = incidents[incidents["tank"] == tank]
    return [pd.Timestamp(moment).to_pydatetime() for moment in mine["raised"]]


def _faults(
    labels: pd.DataFrame, tank: str, begin: datetime, finish: datetime
) -> list[tuple[str, datetime, datetime]]:
    mine = labels[labels["tank"] == tank].sort_values("start")
    kinds = mine["kind"] if "kind" in mine.columns else ["fault"] * len(mine)
    rows = [
        (str(kind), pd.Timestamp(start).to_pydatetime(), pd.Timestamp(end).to_pydatetime())
        for kind, start, end in zip(kinds, mine["start"], mine["end"], strict=True)
    ]
    return [row for row in rows if row[2] > begin and row[1] < finish]


def _covered(
    faults: list[tuple[str, datetime, datetime]],
    begin: datetime,
    finish: datetime,
    grace: timedelta,
) -> timedelta:
    """Return the time from `begin` to `finish` that faults and their grace take up."""
    covered, reached = timedelta(), begin
    for _, start, end in faults:
        from_, until = max(start, reached), min(end + grace, finish)
        if until > from_:
            covered += until - from_
            reached = until
    return covered
