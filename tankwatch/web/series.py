"""Readings, scores and incidents of a tank for charts, as wide as the screen asks for."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from numpy.typing import NDArray

from tankwatch.core.actor import Role
from tankwatch.core.rollup import DAY_MS, HOUR_MS
from tankwatch.core.series import (
    Curve,
    Floats,
    beside,
    curve,
    curve_of_readings,
    enveloped,
    stretches,
    whole,
    width_for,
)
from tankwatch.core.times import parse_time, to_ms
from tankwatch.errors import ProblemError, UsageError
from tankwatch.settings import Settings
from tankwatch.store.bands import load_band
from tankwatch.store.chart_facts import (
    IncidentSpan,
    load_high_scores,
    load_incident_spans,
    load_tank_limits,
)
from tankwatch.store.engine import Connection, reading
from tankwatch.store.plant import Channel, Tank, load_channels
from tankwatch.store.series import Kept, load_buckets, load_few, load_kept
from tankwatch.web.page_access import needs
from tankwatch.web.places import tank_at
from tankwatch.web.problems import of_usage, problem_responses
from tankwatch.web.schemas_series import ChannelSeries, IncidentOut, ScoreSeries, Series
from tankwatch.web.service import Service

router = APIRouter(tags=["charts"], dependencies=[Depends(needs(Role.VIEWER))])
_NEWCOMER = "newcomer"
_DECIMALS = 6
_TIMES = (0, 253_402_300_799_000)  # to the year 9999
_WHEN = "ISO 8601, or milliseconds since 1970"


@router.get(
    "/api/v1/tanks/{place:path}/series",
    responses=problem_responses(401, 403, 404, 422, 503),
)
def get_series(
    request: Request,
    place: str,
    begin: Annotated[str, Query(alias="from", description=_WHEN, max_length=40)] = "",
    end: Annotated[str, Query(alias="to", description=_WHEN, max_length=40)] = "",
    points: Annotated[int, Query(ge=10, le=5000, description="Most buckets.")] = 1000,
    channels: Annotated[str, Query(description="Names, with commas; empty for all.")] = "",
) -> Series:
    """Return what a chart shows of a tank, ``site/tank``: by default its last 24 hours."""
    service: Service = request.app.state.service
    with reading(service.engine) as connection:
        tank = tank_at(connection, place)
        chosen = _chosen(load_channels(connection), channels)
        kept = load_kept(connection, tank.tank_id)
        span = span_of(begin, end, kept)
        return load_series(
            connection, tank, chosen, kept, span, points=points, settings=service.settings
        )


def load_series(
    connection: Connection,
    tank: Tank,
    channels: Sequence[Channel],
    kept: Kept | None,
    span: tuple[int, int],
    *,
    points: int,
    settings: Settings,
) -> Series:
    """Return what a chart shows of a tank in `span`, epoch milliseconds, in `points` at most."""
    width_ms = width_for(span[1] - span[0], points)
    full = whole(*span, width_ms)
    few = None
    if kept is not None and full[0] >= kept.closed_ms:
        few = load_few(connection, tank.tank_id, channels, span, most=2 * points)
    if few is not None:
        curves = [
            curve_of_readings(few.observed_ms, few.values[:, place])
            for place in range(len(channels))
        ]
    elif kept is None:
        curves = [curve(np.empty((0, 5)), width_ms=width_ms) for _ in channels]
    else:
        rows = load_buckets(connection, tank.tank_id, channels, kept, full, width_ms=width_ms)
        curves = [curve(one, width_ms=width_ms) for one in rows]
    limits = load_tank_limits(connection, tank.tank_id)
    step_ms = settings.grid.step_s * 1000
    band = load_band(connection, tank.tank_id, step_ms=step_ms, from_ms=full[0], until_ms=full[1])
    places = {one.channel_id: place for place, one in enumerate(load_channels(connection))}
    edges = [band.of_channel(places[one.channel_id]) for one in channels]
    band_ms = step_ms if few is not None else max(width_ms, step_ms)
    score_ms = max(width_ms, step_ms)
    scores = load_high_scores(
        connection, tank.tank_id, detectors_of(settings), whole(*span, score_ms), width_ms=score_ms
    )
    flagged = stretches(scores.starts_ms, scores.high >= 1.0, width_ms=score_ms)
    incidents = load_incident_spans(connection, tank.tank_id, span)
    return Series(
        site=tank.site,
        tank=tank.name,
        from_ms=span[0],
        until_ms=span[1],
        width_ms=0 if few is not None else width_ms,
        first_ms=kept.first_ms if kept else None,
        last_ms=kept.last_ms if kept else None,
        channels=[
            _channel(
                one,
                drawn,
                limits,
                settings,
                beside(drawn, *enveloped(band.starts_ms, own, width_ms=band_ms), width_ms=band_ms),
                is_raw=few is not None,
            )
            for one, drawn, own in zip(channels, curves, edges, strict=True)
        ],
        score=ScoreSeries(
            width_ms=score_ms, t=scores.starts_ms.tolist(), high=_plain(scores.high) or []
        ),
        flagged=flagged,
        incidents=[_incident(one) for one in incidents],
    )


def _channel(
    channel: Channel,
    drawn: Curve,
    limits: dict[int, tuple[float | None, float | None]],
    settings: Settings,
    expected: Floats,
    *,
    is_raw: bool,
) -> ChannelSeries:
    rules = settings.channels.get(channel.name)
    common = (rules.low, rules.high) if rules else (None, None)
    low, high = limits.get(channel.channel_id, common)
    is_expected = np.isfinite(expected).any()
    return ChannelSeries(
        channel=channel.name,
        unit=channel.unit,
        limit_low=low,
        limit_high=high,
        t=drawn.starts_ms.tolist(),
        mean=_plain(drawn.mean),
        low=[] if is_raw else _plain(drawn.low),
        high=[] if is_raw else _plain(drawn.high),
        expected_low=_plain(expected[:, 0]) if is_expected else [],
        expected_high=_plain(expected[:, 1]) if is_expected else [],
    )


def _incident(one: IncidentSpan) -> IncidentOut:
    return IncidentOut(
        id=one.incident_id,
        from_ms=to_ms(one.started_at),
        until_ms=None if one.ended_at is None else to_ms(one.ended_at),
        state=one.state,
        severity=one.severity,
        symptom=one.symptom,
        channel=one.channel,
        peak_score=one.peak_score,
    )


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    """Return values for JSON, which has no NaN."""
    rounded: list[Any] = np.round(values, _DECIMALS).tolist()
    return [None if value != value else value for value in rounded]  # noqa: PLR0124 - NaN


def _chosen(known: Sequence[Channel], names: str) -> list[Channel]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    missing = sorted(set(wanted) - {channel.name for channel in known})
    if missing:
        raise ProblemError(
            422,
            f"there is no channel {missing[0]!r}",
            where="query channels",
            remedy=f"choose from {', '.join(channel.name for channel in known)}",
        )
    return [channel for channel in known if not wanted or channel.name in wanted]


def detectors_of(settings: Settings) -> tuple[str, ...]:
    """Return the detectors whose scores are a tank's: the alarming one, and that of new tanks."""
    return (settings.detect.detector, _NEWCOMER)


def span_of(begin: str, end: str, kept: Kept | None, *, hours: int = 24) -> tuple[int, int]:
    """Return the span that is asked for, epoch milliseconds; by default a tank's last hours.

    Raises:
        ProblemError: 422, it cannot be read, or ends before it begins.
    """
    until_ms = _moment(end, "to") if end else (kept.last_ms + 1 if kept else DAY_MS)
    from_ms = _moment(begin, "from") if begin else max(until_ms - hours * HOUR_MS, 0)
    if from_ms >= until_ms:
        raise ProblemError(
            422,
            "the span ends before it begins",
            where="query from and to",
            remedy="give a from that is before the to",
        )
    return from_ms, until_ms


def _moment(told: str, where: str) -> int:
    try:
        moment = int(told) if told.lstrip("-").isdecimal() else to_ms(parse_time(told))
    except UsageError as error:
        raise of_usage(error) from error
    except (ValueError, OverflowError) as error:
        message = f"{where} {told!r} is not a time: write {_WHEN}"
        raise of_usage(UsageError(message)) from error
    return min(max(moment, _TIMES[0]), _TIMES[1])
