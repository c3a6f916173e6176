"""Curves as SVG paths, for pages that are read without scripts and for the sparklines of tiles.

Nothing here has a colour: shapes carry classes, and the style sheet paints them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from tankwatch.core.times import from_ms
from tankwatch.web.schemas_forecast import ChannelForecast, ForecastOut
from tankwatch.web.schemas_series import ChannelSeries, Series

Values = Sequence[float | None]
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 860, 190, 62, 22, 8
_TICKS = 4
_NEAR = 0.6  # of the height of the curve: a limit that close is drawn, a far one would flatten it


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a place of an axis, in the picture's units."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture of one curve over time.

    Attributes:
        name, unit: what is drawn.
        line: path of the means or readings.
        band: path around the lowest and highest; empty for readings.
        expected: path around what was expected; empty if that is not known.
        ahead, ahead_line: path around what is expected next, and its median; empty for none.
        limits: levels of the limits that are drawn.
        flagged: beginning and width of each flagged stretch.
        x_ticks, y_ticks: labels of the axes.
        summary: the same in words.
    """

    name: str
    unit: str
    line: str
    band: str
    expected: str
    ahead: str
    ahead_line: str
    limits: tuple[float, ...]
    flagged: tuple[tuple[float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    summary: str


def panels(series: Series, zone: ZoneInfo, ahead: ForecastOut | None = None) -> list[Panel]:
    """Return a picture of each channel that has values, and of the score.

    Args:
        series: what is drawn, and over which span.
        zone: in which times are shown.
        ahead: what is expected next; None for nothing.
    """
    paths = {one.channel: _Ahead.of(ahead, one) for one in ahead.channels} if ahead else {}
    drawn = [
        _panel(
            series,
            zone,
            one,
            limits=(one.limit_low, one.limit_high),
            ahead=paths.get(one.channel, _NOTHING),
        )
        for one in series.channels
        if one.t
    ]
    if series.score.t:
        score = ChannelSeries(
            channel="score",
            unit="",
            limit_low=None,
            limit_high=1.0,
            t=series.score.t,
            mean=series.score.high,
            low=[],
            high=[],
            expected_low=[],
            expected_high=[],
        )
        drawn.append(_panel(series, zone, score, limits=(None, 1.0), at_zero=True))
    return drawn


def sparkline(values: Values, *, width: int, height: int, top: float) -> str:
    """Return the path of evenly spaced values from 0 to `top`; None is a gap."""
    step = width / max(len(values) - 1, 1)
    places = [place * step for place in range(len(values))]
    return _path(places, values, lambda value: height - min(value / top, 1.0) * height)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What is expected next of a channel: times in epoch milliseconds, and values at each."""

    t: Sequence[int] = ()
    low: Sequence[float] = ()
    median: Sequence[float] = ()
    high: Sequence[float] = ()

    @classmethod
    def of(cls, found: ForecastOut, one: ChannelForecast) -> "_Ahead":
        return cls(found.t, one.low, one.median, one.high)


_NOTHING = _Ahead()


def _panel(
    series: Series,
    zone: ZoneInfo,
    one: ChannelSeries,
    *,
    limits: tuple[float | None, float | None],
    ahead: _Ahead = _NOTHING,
    at_zero: bool = False,
) -> Panel:
    known = [value for value in (*one.mean, *one.low, *one.high) if value is not None]
    least, most = min(known), max(known)
    # A wide band may be cut off, so that it does not flatten the curve.
    beyond = most - least or abs(most) or 1.0
    expected = [
        min(max(value, least - beyond), most + beyond)
        for value in (*one.expected_low, *one.expected_high, *ahead.low, *ahead.high)
        if value is not None
    ]
    room = (most - least or abs(most) or 1.0) * _NEAR
    near = [
        limit
        for limit in limits
        if limit is not None and (at_zero or least - room <= limit <= most + room)
    ]
    edges = [*near, *expected]
    ticks = _levels(0.0 if at_zero else min([least, *edges]), max([most, *edges]))
    bottom, top = ticks[0], ticks[-1]
    span = series.until_ms - series.from_ms
    floor = HEIGHT - BOTTOM

    def x(moment: float) -> float:
        return LEFT + (WIDTH - LEFT) * min(max((moment - series.from_ms) / span, 0.0), 1.0)

    def y(value: float) -> float:
        share = min(max((value - bottom) / (top - bottom), 0.0), 1.0)
        return floor - (floor - TOP) * share

    places = [x(moment) for moment in one.t]
    return Panel(
        name=one.channel,
        unit=one.unit,
        line=_path(places, one.mean, y),
        band=_band(places, one.low, one.high, y),
        expected=_band(places, one.expected_low, one.expected_high, y),
        ahead=_band([x(moment) for moment in ahead.t], ahead.low, ahead.high, y),
        ahead_line=_path([x(moment) for moment in ahead.t], ahead.median, y),
        limits=tuple(y(limit) for limit in near),
        flagged=tuple((x(first), max(x(last) - x(first), 1.5)) for first, last in series.flagged),
        x_ticks=tuple(Tick(x(at), label) for at, label in _moments(series, zone)),
        y_ticks=tuple(Tick(y(level), f"{level:g}") for level in ticks),
        summary=f"from {least:.4g} to {most:.4g} {one.unit}".strip(),
    )


def _path(places: Sequence[float], values: Values, y: Callable[[float], float]) -> str:
    """Return a path that lifts the pen at gaps."""
    parts = []
    pen = "M"
    for place, value in zip(places, values, strict=True):
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{place:.1f} {y(value):.1f}")
        pen = "L"
    return "".join(parts)


def _band(places: Sequence[float], low: Values, high: Values, y: Callable[[float], float]) -> str:
    """Return closed paths around what lies between lowest and highest, one between gaps."""
    if not low:
        return ""
    runs: list[list[tuple[float, float, float]]] = [[]]
    for place, least, most in zip(places, low, high, strict=True):
        if least is None or most is None:
            runs.append([])
        else:
            runs[-1].append((place, y(least), y(most)))
    paths = []
    for run in runs:
        if run:
            above = [f"{place:.1f} {top:.1f}" for place, _, top in run]
            below = [f"{place:.1f} {bottom:.1f}" for place, bottom, _ in reversed(run)]
            paths.append("M" + "L".join([*above, *below]) + "Z")
    return "".join(paths)


def _levels(least: float, most: float) -> list[float]:
    """Return round levels around a range."""
    width = most - least or abs(most) or 1.0
    raw = width / _TICKS
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = np.floor(least / step), np.ceil(most / step)
    last = max(last, first + 1)
    return [round(float(n * step), 10) for n in np.arange(first, last + 1)]


def _moments(series: Series, zone: ZoneInfo) -> list[tuple[float, str]]:
    """Return some times of a span with their labels, in the plant's zone."""
    begin, end = (from_ms(moment).astimezone(zone) for moment in (series.from_ms, series.until_ms))
    hours = (series.until_ms - series.from_ms) / 3_600_000
    step = next((n for n in (1, 2, 3, 4, 6, 12) if hours / n <= 8), 24)
    if hours / step > 8:
        return [_dated(begin + (end - begin) * part / 6) for part in range(1, 6)]
    first = begin.replace(minute=0, second=0, microsecond=0)
    first += timedelta(hours=step - first.hour % step)
    found = []
    while first < end:
        found.append(first)
        first += timedelta(hours=step)
    return [
        (one.timestamp() * 1000, one.strftime("%H:%M" if one.hour else "%d %b")) for one in found
    ]


def _dated(moment: datetime) -> tuple[float, str]:
    return moment.timestamp() * 1000, moment.strftime("%d %b %Y")
