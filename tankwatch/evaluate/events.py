"""Event figures without point adjustment: which faults were found, and what was raised for none.

A fault is found if an incident of its tank was *raised* in it, or within a grace after it.  An
incident that was raised at any other time is a false alarm, wherever it reaches.  The definitions
and where they come from: docs/reference/metrics.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from tankwatch.core.times import from_ms, to_ms
from tankwatch.evaluate.labels import epoch_ms

CONFIDENCE = 0.90
_MONTH_MS = 30 * 86_400_000

Spans = Mapping[str, tuple[datetime, datetime]]


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened, with the exact Poisson interval of 90 %.

    Attributes:
        count: how often.
        tank_months: in how much time; a month has 30 days.
        per_tank_month: None where there was no time.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    count: int
    tank_months: float
    per_tank_month: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Event:
    """A labelled fault, cut to the time that is judged, and what became of it.

    Attributes:
        kind: empty where the labels name none.
        raised: when the first incident was raised that counts for it; None if it was missed.
    """

    tank: str
    start: datetime
    end: datetime
    kind: str
    raised: datetime | None

    @property
    def delay_s(self) -> float | None:
        """Return seconds from the start to the incident, None if the fault was missed."""
        return None if self.raised is None else (self.raised - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class KindRecall:
    """How many faults of a kind there were and how many were found."""

    kind: str
    events: int
    found: int


@dataclass(frozen=True, slots=True)
class EventFigures:
    """What an operator would have been told.

    Attributes:
        events: the faults that are judged, by tank and start.
        found: how many of them were found.
        recall: share of the faults that were found; None without faults.
        incidents: incidents raised in the time that is judged.
        precision: share of the incidents that were raised for a fault; None without incidents.
        false_alarms: incidents raised for none, in the time without faults.
        false_alarm_rows: their positions in the frame of incidents.
        delay_median_s: of the faults that were found; None if none was.
        delay_p90_s: nine tenths of the found faults were raised sooner.
        by_kind: the kinds of fault that the labels name, by name.
        undefined: why a figure is None, by its name.
    """

    events: tuple[Event, ...]
    found: int
    recall: float | None
    incidents: int
    precision: float | None
    false_alarms: Rate
    false_alarm_rows: tuple[int, ...]
    delay_median_s: float | None
    delay_p90_s: float | None
    by_kind: tuple[KindRecall, ...]
    undefined: Mapping[str, str]


def event_figures(
    labels: pd.DataFrame, incidents: pd.DataFrame, *, spans: Spans, grace_s: float
) -> EventFigures:
    """Return how the incidents fit the labels, in the time that is judged.

    Args:
        labels: faults: tank, start, end (aware times) and perhaps kind.
        incidents: tank, raised (aware time).
        spans: by tank, the time that is judged, from and until.
        grace_s: seconds after the end of a fault in which an incident still counts for it.
    """
    grace_ms = round(grace_s * 1000)
    events: list[Event] = []
    false_rows: list[int] = []
    judged = 0
    free_ms = 0
    for tank in sorted(spans):
        from_ms_, until_ms = (to_ms(moment) for moment in spans[tank])
        faults = _faults_of(labels, tank)
        rows, raised_ms = raised_within(incidents, tank, spans)
        judged += rows.size
        events += [
            _judge(fault, raised_ms, grace_ms)
            for fault in (_cut(fault, from_ms_, until_ms) for fault in faults)
            if fault is not None
        ]
        excused = _merged([(start, end + grace_ms) for _, start, end, _ in faults])
        is_false = ~_inside(raised_ms, excused)
        false_rows += rows[is_false].tolist()
        free_ms += _left(from_ms_, until_ms, excused)
    return _figures(events, judged, false_rows, free_ms / _MONTH_MS)


def raised_within(
    incidents: pd.DataFrame, tank: str, spans: Spans
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a tank's incidents that were raised in the time that is judged.

    Returns:
        int64 (incidents,), positions in the frame; int64 (incidents,), epoch milliseconds, rising.
    """
    mine = np.flatnonzero(np.asarray(incidents["tank"] == tank, dtype=bool))
    raised_ms = epoch_ms(incidents["raised"].iloc[mine])
    first, last = (to_ms(moment) for moment in spans[tank])
    inside = (raised_ms >= first) & (raised_ms <= last)
    rows, raised_ms = mine[inside], raised_ms[inside]
    order = np.argsort(raised_ms, kind="stable")
    return rows[order], raised_ms[order]


def judged_months(spans: Spans) -> float:
    """Return how much time is judged, in tank-months of 30 days."""
    return sum((until - first).total_seconds() for first, until in spans.values()) * 1e3 / _MONTH_MS


def poisson_rate(count: int, tank_months: float) -> Rate:
    """Return a rate with its exact interval (Garwood 1936), in which it lies nine times of ten."""
    if tank_months <= 0:
        return Rate(count, 0.0, None, None, None)
    tail = (1 - CONFIDENCE) / 2
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    high = float(chi2.ppf(1 - tail, 2 * count + 2)) / 2
    return Rate(count, tank_months, count / tank_months, low / tank_months, high / tank_months)


_Fault = tuple[str, int, int, str]


def _faults_of(labels: pd.DataFrame, tank: str) -> list[_Fault]:
    """Return a tank's faults as tank, start, end (epoch milliseconds) and kind, in order."""
    mine = labels[labels["tank"] == tank]
    kinds = [str(kind) for kind in mine["kind"]] if "kind" in mine else [""] * len(mine)
    starts, ends = epoch_ms(mine["start"]).tolist(), epoch_ms(mine["end"]).tolist()
    return sorted(zip([tank] * len(mine), starts, ends, kinds, strict=True), key=lambda f: f[1:3])


def _cut(fault: _Fault, from_ms_: int, until_ms: int) -> _Fault | None:
    """Return the part of a fault that is judged, None if no moment of it is."""
    tank, start, end, kind = fault
    is_moment = start == end
    if start >= until_ms or (start < from_ms_ if is_moment else end <= from_ms_):
        return None
    return tank, max(start, from_ms_), min(end, until_ms), kind


def _judge(fault: _Fault, raised_ms: NDArray[np.int64], grace_ms: int) -> Event:
    tank, start, end, kind = fault
    first = int(np.searchsorted(raised_ms, start, side="left"))
    is_found = first < raised_ms.size and raised_ms[first] <= end + grace_ms
    raised = from_ms(int(raised_ms[first])) if is_found else None
    return Event(tank, from_ms(start), from_ms(end), kind, raised)


def _merged(stretches: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return stretches that do not touch and cover the same time."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _inside(times_ms: NDArray[np.int64], stretches: list[tuple[int, int]]) -> NDArray[np.bool_]:
    inside = np.zeros(times_ms.size, dtype=bool)
    for start, end in stretches:
        inside |= (times_ms >= start) & (times_ms <= end)
    return inside


def _left(from_ms_: int, until_ms: int, stretches: list[tuple[int, int]]) -> int:
    """Return the milliseconds that no stretch covers."""
    covered = (min(end, until_ms) - max(start, from_ms_) for start, end in stretches)
    return until_ms - from_ms_ - sum(length for length in covered if length > 0)


def _figures(
    events: list[Event], incidents: int, false_rows: list[int], free_months: float
) -> EventFigures:
    delays = [event.delay_s for event in events if event.delay_s is not None]
    undefined = {}
    if not events:
        undefined["recall"] = "no labelled fault lies in the time that is judged"
    if not incidents:
        undefined["precision"] = "no incident was raised"
    if not delays:
        undefined["delay_median_s"] = undefined["delay_p90_s"] = "no fault was found"
    if free_months <= 0:
        undefined["false_alarms_per_tank_month"] = "no time without a fault"
    return EventFigures(
        events=tuple(events),
        found=len(delays),
        recall=len(delays) / len(events) if events else None,
        incidents=incidents,
        precision=1 - len(false_rows) / incidents if incidents else None,
        false_alarms=poisson_rate(len(false_rows), free_months),
        false_alarm_rows=tuple(false_rows),
        delay_median_s=float(np.median(delays)) if delays else None,
        delay_p90_s=float(np.quantile(delays, 0.9)) if delays else None,
        by_kind=_by_kind(events),
        undefined=undefined,
    )


def _by_kind(events: Sequence[Event]) -> tuple[KindRecall, ...]:
    kinds = sorted({event.kind for event in events} - {""})
    return tuple(
        KindRecall(
            kind,
            sum(event.kind == kind for event in events),
            sum(event.kind == kind and event.raised is not None for event in events),
        )
        for kind in kinds
    )
