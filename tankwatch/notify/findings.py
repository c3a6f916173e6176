"""What the evidence says at the moment a mail speaks of: latest and worst readings, silences."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.incident import Evidence, Notice
from tankwatch.core.times import from_ms, to_ms

_FIRST_FLAGGED = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One reading of a channel beside what was expected, canonical units.

    `value` and `at` are None if there is no reading; an edge or a limit is None if unknown.
    """

    channel: str
    unit: str
    value: float | None
    at: datetime | None
    expected_low: float | None
    expected_high: float | None
    limit_low: float | None
    limit_high: float | None

    @property
    def beyond_expected(self) -> int:
        """Return +1 above the expected band, -1 below it, 0 inside or unknown."""
        return _side(self.value, self.expected_low, self.expected_high)

    @property
    def beyond_limit(self) -> int:
        """Return +1 above the high limit, -1 below the low limit, 0 between or unknown."""
        return _side(self.value, self.limit_low, self.limit_high)


def as_of(notice: Notice, evidence: Evidence) -> datetime:
    """Return the end of what the mail can speak of.

    That is the end of the incident, or while it lasts the end of the evidence: what happened after
    the last step that was judged is not known, however late the mail leaves.
    """
    incident = notice.incident
    if incident.ended_at is not None:
        return incident.ended_at
    if evidence.times_ms.size == 0:
        return max(incident.raised_at, notice.queued_at)
    known_until = from_ms(int(evidence.times_ms[-1]) + evidence.step_s * 1000)
    return max(incident.raised_at, min(notice.queued_at, known_until))


def latest_findings(evidence: Evidence) -> list[Finding]:
    """Return the latest reading of each channel, in order."""
    return [_latest(evidence, column) for column in range(len(evidence.channels))]


def telling_finding(
    evidence: Evidence, channel: str, direction: int, *, start: datetime, end: datetime
) -> Finding | None:
    """Return the reading between `start` and `end` that lies furthest in `direction`.

    None if the channel is not in the evidence or was not read in that time.
    """
    values, chosen = _stretch(evidence, channel, start, end)
    chosen &= np.isfinite(values)
    if not chosen.any():
        return None
    signed = np.where(chosen, direction * values, -np.inf)
    return _finding(evidence, evidence.channels.index(channel), int(np.argmax(signed)))


def latest_finding(evidence: Evidence, channel: str) -> Finding | None:
    """Return the latest reading of `channel`; None if it is not in the evidence."""
    if channel not in evidence.channels:
        return None
    return _latest(evidence, evidence.channels.index(channel))


def flat_since(evidence: Evidence, channel: str, *, start: datetime, end: datetime) -> datetime:
    """Return when `channel` last moved before `end`; `start` if the evidence does not show it.

    A flat line is flagged only after it has lasted a while, so it began before `start`.  What
    counts as no movement is taken from the first flagged steps; later ones may belong to another
    reason for which the incident went on.
    """
    values, flagged = _stretch(evidence, channel, start, end)
    flagged &= np.isfinite(values)
    if not flagged.any():
        return start
    still = values[flagged][:_FIRST_FLAGGED]
    low, high = float(still.min()), float(still.max())
    first = int(np.argmax(flagged))
    before = values[:first]
    moved = np.flatnonzero(np.isfinite(before) & ((before < low) | (before > high)))
    inside = np.flatnonzero(np.isfinite(before))
    inside = inside[inside > moved[-1]] if moved.size else inside
    return from_ms(int(evidence.times_ms[inside[0]])) if inside.size else start


def silent_since(evidence: Evidence, channel: str, *, start: datetime) -> datetime:
    """Return the end of the step of the last reading before `start`; `start` if there is none."""
    values, _ = _stretch(evidence, channel, start, start)
    earlier = np.flatnonzero(np.isfinite(values) & (evidence.times_ms < to_ms(start)))
    if not earlier.size:
        return start
    return min(start, from_ms(int(evidence.times_ms[earlier[-1]]) + evidence.step_s * 1000))


def _side(value: float | None, low: float | None, high: float | None) -> int:
    if value is None:
        return 0
    if high is not None and value > high:
        return 1
    return -1 if low is not None and value < low else 0


def _stretch(
    evidence: Evidence, channel: str, start: datetime, end: datetime
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the values of `channel` and which of its steps begin from `start` up to `end`."""
    inside = (evidence.times_ms >= to_ms(start)) & (evidence.times_ms < to_ms(end))
    if channel not in evidence.channels:
        return np.full(evidence.times_ms.size, np.nan), inside
    return evidence.values[:, evidence.channels.index(channel)], inside


def _latest(evidence: Evidence, column: int) -> Finding:
    read = np.flatnonzero(np.isfinite(evidence.values[:, column]))
    return _finding(evidence, column, int(read[-1]) if read.size else None)


def _finding(evidence: Evidence, column: int, step: int | None) -> Finding:
    def known(values: NDArray[np.float64]) -> float | None:
        return float(values[step, column]) if step is not None and _is_known(values) else None

    def _is_known(values: NDArray[np.float64]) -> bool:
        return bool(np.isfinite(values[step, column]))

    return Finding(
        channel=evidence.channels[column],
        unit=evidence.units[column],
        value=known(evidence.values),
        at=None if step is None else from_ms(int(evidence.times_ms[step])),
        expected_low=known(evidence.expected_low),
        expected_high=known(evidence.expected_high),
        limit_low=evidence.limit_low[column],
        limit_high=evidence.limit_high[column],
    )
