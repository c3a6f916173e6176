"""Faults and incidents of every tank on one time axis, as places in percent of its width."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tankwatch.core.times import EPOCH, human_duration
from tankwatch.evaluate.cases import period_text, stretches
from tankwatch.evaluate.result import BacktestResult

_TICK_STEPS = (
    *(timedelta(seconds=s) for s in (10, 30)),
    *(timedelta(minutes=m) for m in (1, 2, 5, 10, 30)),
    *(timedelta(hours=h) for h in (1, 2, 6, 12)),
    *(timedelta(days=d) for d in (1, 2, 3, 5, 7, 14, 28, 91, 182, 364)),
)
_MOST_TICKS = 6
# Further right a tick's text would leave the page.
_LAST_TICK = 92.0
_MOST_TANKS = 60


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch on the axis: left edge and width in percent, and what it is."""

    left: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Track:
    """A tank's line: what of the axis is judged, its faults, and its incidents."""

    tank: str
    judged: Bar
    faults: tuple[Bar, ...]
    incidents: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lines under one axis.

    Attributes:
        tracks: the tanks with most to show, in order of their names.
        ticks: place in percent and text.
        hidden: tanks for which there is no room.
        is_relative: whether each line begins with its own tank's time.
    """

    tracks: tuple[Track, ...]
    ticks: tuple[tuple[float, str], ...]
    hidden: int
    is_relative: bool


def build_timeline(result: BacktestResult) -> Timeline:
    """Return the timeline of the production path.

    Tanks share one axis of time.  Where their spans lie so far apart that hardly anything could be
    seen, as with recordings of an experiment made one after the other, each begins at zero.
    """
    spans = result.spans
    first, last = min(s for s, _ in spans.values()), max(e for _, e in spans.values())
    longest = max(end - start for start, end in spans.values())
    is_relative = (last - first) > 3 * longest
    length = longest if is_relative else last - first
    shown = _busiest(result)
    tracks = [
        _track(result, tank, spans[tank][0] if is_relative else first, length) for tank in shown
    ]
    ticks = _relative_ticks(length) if is_relative else _ticks(first, length)
    ticks = [(left, text) for left, text in ticks if left <= _LAST_TICK]
    return Timeline(tuple(tracks), tuple(ticks), len(spans) - len(shown), is_relative)


def _busiest(result: BacktestResult) -> list[str]:
    """Return the tanks with most faults and incidents, as many as there is room for, by name."""
    tanks = [tank for tank in result.tanks if tank in result.spans]
    frames = [frame for frame in (result.labels, result.primary.incidents) if frame is not None]
    counts = {tank: sum(int((frame["tank"] == tank).sum()) for frame in frames) for tank in tanks}
    chosen = sorted(tanks, key=lambda tank: -counts[tank])[:_MOST_TANKS]
    return [tank for tank in tanks if tank in set(chosen)]


def _track(result: BacktestResult, tank: str, origin: datetime, length: timedelta) -> Track:
    span = result.spans[tank]
    faults = stretches(result.labels, tank, within=span)
    incidents = stretches(result.primary.incidents, tank, within=span)
    return Track(
        tank,
        _bar(span, origin, length, "judged"),
        tuple(_bar(edges, origin, length, "fault") for edges in faults),
        tuple(_bar(edges, origin, length, "incident") for edges in incidents),
    )


def _bar(edges: tuple[datetime, datetime], origin: datetime, length: timedelta, what: str) -> Bar:
    start, end = edges
    left, width = _percent(start - origin, length), _percent(end - start, length)
    return Bar(left, width, f"{what}, {period_text(start, end)}")


def _ticks(first: datetime, length: timedelta) -> list[tuple[float, str]]:
    step = _tick_step(length)
    count = -(-(first - EPOCH) // step)
    ticks: list[tuple[float, str]] = []
    while EPOCH + count * step <= first + length:
        moment = EPOCH + count * step
        ticks.append(
            (_percent(moment - first, length), _tick_text(moment, step, is_first=not ticks))
        )
        count += 1
    return ticks


def _relative_ticks(length: timedelta) -> list[tuple[float, str]]:
    step = _tick_step(length)
    moments = [count * step for count in range(length // step + 1)]
    return [(_percent(m, length), human_duration(m.total_seconds())) for m in moments]


def _tick_step(length: timedelta) -> timedelta:
    fitting = (step for step in _TICK_STEPS if length / step <= _MOST_TICKS)
    return next(fitting, length / _MOST_TICKS)


def _tick_text(moment: datetime, step: timedelta, *, is_first: bool) -> str:
    if step >= timedelta(days=1) or (moment.hour, moment.minute) == (0, 0):
        return f"{moment.day} {moment:%b}"
    clock = "%H:%M" if step >= timedelta(minutes=1) else "%H:%M:%S"
    return f"{moment.day} {moment:%b} {moment:{clock}}" if is_first else f"{moment:{clock}}"


def _percent(part: timedelta, whole: timedelta) -> float:
    return round(100 * part / whole, 3) if whole else 0.0
