"""What a chart of a tank shows beside its readings: scores, incidents and limits."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select, text

from tankwatch.core.rollup import HOUR_MS
from tankwatch.core.times import from_ms
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.plant import ChannelLimitRow, ChannelRow
from tankwatch.store.score_hours import load_score_hours
from tankwatch.store.sql import ms_bucket, ms_parameter

Limits = dict[int, tuple[float | None, float | None]]


@dataclass(frozen=True, slots=True)
class IncidentSpan:
    """An incident as a chart shows it; `ended_at` is None while it lasts."""

    incident_id: int
    started_at: datetime
    ended_at: datetime | None
    state: str
    severity: str
    symptom: str
    channel: str
    peak_score: float


@dataclass(frozen=True, slots=True)
class HighScores:
    """The highest score of each bucket, by time.

    Attributes:
        starts_ms: int64 (buckets,), epoch milliseconds.
        high: float64 (buckets,), 1.0 is the threshold, higher is more anomalous.
        width_ms: width of the buckets.
    """

    starts_ms: NDArray[np.int64]
    high: NDArray[np.float64]
    width_ms: int


def load_high_scores(
    connection: Connection,
    tank_id: int,
    detectors: tuple[str, ...],
    span: tuple[int, int],
    *,
    width_ms: int,
) -> HighScores:
    """Return the highest score that `detectors` gave in each bucket, shadows left out.

    Where two versions scored the same step it is the higher one's, as no peak may be lost.
    """
    if width_ms >= HOUR_MS:
        found = load_score_hours(
            connection, detectors, [tank_id], from_ms=span[0], until_ms=span[1]
        )
        return _highest(found.starts_ms // width_ms * width_ms, found.high, width_ms)
    low, high = (ms_parameter(connection, name) for name in (":from_ms", ":until_ms"))
    names = {f"d{place}": name for place, name in enumerate(detectors)}
    query = text(
        f"SELECT {ms_bucket(connection, 's.observed_at')}, max(s.score) FROM score s "  # noqa: S608 - constants only
        "JOIN model_version v ON v.model_version_id = s.model_version_id "
        f"WHERE s.tank_id = :tank AND v.detector IN ({', '.join(f':{name}' for name in names)}) "
        "AND (v.shadow_from IS NULL OR s.observed_at < v.shadow_from "
        "OR s.observed_at >= v.shadow_until) "
        f"AND s.observed_at >= {low} AND s.observed_at < {high} GROUP BY 1"
    )
    given = {"tank": tank_id, "width_ms": width_ms, "from_ms": span[0], "until_ms": span[1]}
    rows = [tuple(row) for row in connection.execute(query, {**given, **names})]
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 2)
    return _highest(table[:, 0].astype(np.int64), table[:, 1], width_ms)


def _highest(bucket: NDArray[np.int64], score: NDArray[np.float64], width_ms: int) -> HighScores:
    starts, place = np.unique(bucket, return_inverse=True)
    high = np.zeros(starts.size)
    np.maximum.at(high, place, score)
    return HighScores(starts, high, width_ms)


def load_incident_spans(
    connection: Connection, tank_id: int, span: tuple[int, int]
) -> list[IncidentSpan]:
    """Return the incidents of a tank that lie in a span, but for withdrawn ones, by time."""
    query = (
        select(
            IncidentRow.incident_id,
            IncidentRow.started_at,
            IncidentRow.ended_at,
            IncidentRow.state,
            IncidentRow.severity,
            IncidentRow.symptom,
            ChannelRow.name,
            IncidentRow.peak_score,
        )
        .join(ChannelRow, ChannelRow.channel_id == IncidentRow.channel_id)
        .where(
            IncidentRow.tank_id == tank_id,
            IncidentRow.started_at < from_ms(span[1]),
            IncidentRow.ended_at.is_(None) | (IncidentRow.ended_at >= from_ms(span[0])),
            IncidentRow.withdrawn_at.is_(None),
        )
        .order_by(IncidentRow.started_at, IncidentRow.incident_id)
    )
    return [IncidentSpan(*row) for row in connection.execute(query)]


def load_tank_limits(connection: Connection, tank_id: int) -> Limits:
    """Return a tank's own (low, high) limits by channel id; others have those of the settings."""
    columns = (ChannelLimitRow.channel_id, ChannelLimitRow.low, ChannelLimitRow.high)
    rows = connection.execute(select(*columns).where(ChannelLimitRow.tank_id == tank_id))
    return {channel: (low, high) for channel, low, high in rows}
