"""Pictures of a report, as inline PNG."""

import base64
import io
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tankwatch.core.times import from_ms, to_ms
from tankwatch.evaluate.result import BacktestResult

BLUE, RED, AMBER, GREY = "#1f5f99", "#b3261e", "#c77700", "#6b7280"
_MOST_TANKS = 60
_MOST_POINTS = 3000


def timeline(result: BacktestResult) -> str:
    """Return faults and incidents of each tank on one time axis, as a data address."""
    tanks = result.tanks[:_MOST_TANKS]
    figure = Figure(figsize=(11, 1.2 + 0.32 * len(tanks)), layout="constrained")
    axes = figure.subplots()
    for row, tank in enumerate(tanks):
        start = result.spans[tank][0] if _is_moved(result) else _first(result)
        for begin, end in _stretches(result.labels, tank):
            axes.barh(row, _width(begin, end), left=_at(begin, start), height=0.7, color="#f3c9a5")
        for begin, end in _stretches(result.primary.incidents, tank):
            axes.barh(row, _width(begin, end), left=_at(begin, start), height=0.28, color=RED)
    axes.set_yticks(range(len(tanks)), tanks)
    axes.invert_yaxis()
    axes.set_xlabel("days since the end of training")
    axes.set_title("known faults (wide, light) and incidents (narrow, dark)", loc="left")
    return _data_address(figure)


def close_up(result: BacktestResult, tank: str, begin: datetime, end: datetime) -> str:
    """Return readings and score of a tank around a stretch, as a data address."""
    pad = max(end - begin, timedelta(seconds=120 * result.step_s)) / 2
    block, series = result.blocks[tank], result.primary.scores[tank]
    first, last = to_ms(begin - pad), to_ms(end + pad)
    chosen = np.flatnonzero((block.times_ms >= first) & (block.times_ms < last))
    chosen = chosen[:: max(1, chosen.size // _MOST_POINTS)]
    shown = range(min(len(result.channels), 4))
    figure = Figure(figsize=(7.2, 1.25 * (len(shown) + 1) + 0.5), layout="constrained")
    panels: list[Axes] = list(np.atleast_1d(figure.subplots(len(shown) + 1, 1, sharex=True)))
    times = block.times_ms[chosen].astype("datetime64[ms]")
    ordered = _most_telling(result, tank, chosen)
    for axes, channel in zip(panels, ordered[: len(shown)], strict=False):
        values = np.where(block.mask[0, chosen, channel], block.values[0, chosen, channel], np.nan)
        axes.plot(times, values, color=BLUE, linewidth=0.9)
        axes.set_ylabel(_short(result.channels[channel], result.units[channel]), fontsize=8)
    place = np.clip(
        np.searchsorted(series.times_ms, block.times_ms[chosen]), 0, series.score.size - 1
    )
    panels[-1].plot(times, series.score[place], color=GREY, linewidth=0.9)
    panels[-1].axhline(1.0, color=RED, linewidth=0.9, linestyle="--")
    panels[-1].set_ylabel("score", fontsize=8)
    for axes in panels:
        _mark(axes, result, tank, (first, last))
        axes.tick_params(labelsize=8)
        axes.margins(x=0)
    locator = AutoDateLocator(maxticks=7)  # type: ignore[no-untyped-call]
    panels[-1].xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    panels[-1].xaxis.set_major_formatter(formatter)
    return _data_address(figure)


def recall_chart(kinds: dict[str, tuple[int, int]]) -> str:
    """Return found and missed faults by kind, as a data address."""
    names = sorted(kinds, key=lambda kind: (-kinds[kind][0] / kinds[kind][1], kind))
    figure = Figure(figsize=(7.2, 0.9 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    found = [kinds[name][0] for name in names]
    missed = [kinds[name][1] - kinds[name][0] for name in names]
    axes.barh(range(len(names)), found, color=BLUE, label="found")
    axes.barh(range(len(names)), missed, left=found, color="#d1d5db", label="missed")
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.invert_yaxis()
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _data_address(figure)


def _most_telling(
    result: BacktestResult, tank: str, chosen: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> list[int]:
    """Return the channels, those first that contributed most to the score while it was high."""
    series = result.primary.scores[tank]
    known = chosen[chosen < series.score.size]
    high = known[np.nan_to_num(series.score[known]) >= 1.0]
    votes = np.bincount(np.maximum(series.channel[high], 0), minlength=len(result.channels))
    return list(np.argsort(-votes, kind="stable"))


def _mark(axes: Axes, result: BacktestResult, tank: str, shown: tuple[int, int]) -> None:
    for frame, colour, depth in (
        (result.labels, AMBER, 0.18),
        (result.primary.incidents, RED, 0.14),
    ):
        for begin, end in _stretches(frame, tank):
            first, last = max(to_ms(begin), shown[0]), min(to_ms(end), shown[1])
            if last > first:
                edges = np.array([first, last]).astype("datetime64[ms]")
                axes.axvspan(edges[0], edges[1], color=colour, alpha=depth, linewidth=0)


def _stretches(frame: pd.DataFrame | None, tank: str) -> list[tuple[datetime, datetime]]:
    if frame is None:
        return []
    mine = frame[frame["tank"] == tank]
    return [
        (pd.Timestamp(start).to_pydatetime(), pd.Timestamp(end).to_pydatetime())
        for start, end in zip(mine["start"], mine["end"], strict=True)
    ]


def _is_moved(result: BacktestResult) -> bool:
    starts = [span[0] for span in result.spans.values()]
    longest = max(span[1] - span[0] for span in result.spans.values())
    return max(starts) - min(starts) > 2 * longest


def _first(result: BacktestResult) -> datetime:
    return min(span[0] for span in result.spans.values())


def _at(moment: datetime, start: datetime) -> float:
    return (moment - start) / timedelta(days=1)


def _width(begin: datetime, end: datetime) -> float:
    return max((end - begin) / timedelta(days=1), 0.002)


def _short(channel: str, unit: str) -> str:
    name = channel if len(channel) <= 16 else f"{channel[:15]}…"
    return f"{name}\n{unit}" if unit else name


def _data_address(figure: Figure) -> str:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()


def span_text(begin: datetime, end: datetime) -> str:
    """Return a stretch as text."""
    return f"{from_ms(to_ms(begin)):%Y-%m-%d %H:%M} to {from_ms(to_ms(end)):%Y-%m-%d %H:%M} UTC"
