"""A small picture of readings and score around a moment, as SVG that follows the page's colours."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from matplotlib.typing import RcKeyType
from numpy.typing import NDArray

from tankwatch.core.times import to_ms

Floats = NDArray[np.float64]

# Colours that stand for the page's own, which differ by day and by night.
_INK, _QUIET, _GRID = "#010101", "#020202", "#030303"
_READING, _FAULT, _ALARM = "#040404", "#050505", "#060606"
_VARIABLES = {
    _INK: "var(--ink)",
    _QUIET: "var(--quiet)",
    _GRID: "var(--line)",
    _READING: "var(--reading)",
    _FAULT: "var(--fault)",
    _ALARM: "var(--alarm)",
}
_STYLE: Final[dict[RcKeyType, Any]] = {
    "svg.fonttype": "none",
    "font.size": 8.5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": _QUIET,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8.5,
    "axes.titlepad": 3.0,
    "axes.titlecolor": _INK,
    "text.color": _INK,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "grid.color": _GRID,
    "grid.linewidth": 0.5,
    "text.parse_math": False,
}
_WIDTH_IN = 4.8
_MOST_POINTS = 500
_LOG_FROM = 10.0


@dataclass(frozen=True, slots=True)
class Panel:
    """Readings of one channel: title and float (steps,), NaN where nothing was read."""

    title: str
    values: Floats


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows.

    Attributes:
        name: keeps its parts apart from those of other pictures of the page.
        times_ms: int64 (steps,), beginning of each step.
        panels: channels, from the top down.
        score: float64 (steps,), 1.0 is the threshold, NaN where not scored.
        faults: labelled stretches.
        incidents: flagged stretches.
        raised: when they were raised.
    """

    name: str
    times_ms: NDArray[np.int64]
    panels: Sequence[Panel]
    score: Floats
    faults: Sequence[tuple[datetime, datetime]]
    incidents: Sequence[tuple[datetime, datetime]]
    raised: Sequence[datetime]


def draw_scene(scene: Scene) -> str:
    """Return a picture as an SVG element: a panel for each channel, and the score below them.

    Faults are shaded over the height of each panel, incidents are bars along its top, and a line
    stands where one was raised.  The same scene gives the same text.
    """
    rows = len(scene.panels) + 1
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": scene.name})
        size = (_WIDTH_IN, 0.95 * rows + 0.45)
        figure = Figure(figsize=size, layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        grid = figure.subplots(rows, 1, sharex=True, squeeze=False)
        every = [row[0] for row in grid]
        for axes, panel in zip(every, scene.panels, strict=False):
            _draw_line(axes, scene.times_ms, panel.values, _READING)
            axes.set_title(panel.title, loc="left")
            axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
        _draw_score(every[-1], scene)
        for axes in every:
            _mark(axes, scene)
            axes.grid(visible=True, axis="y")
            axes.set_xlim(*_shown(scene.times_ms))
        _label_time(every[-1])
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return _for_page(text.getvalue(), scene.name)


def envelope(
    times_ms: NDArray[np.int64], values: Floats, most: int
) -> tuple[NDArray[np.int64], Floats]:
    """Return at most about `most` of the points, among them every peak and dip.

    The lowest and the highest value of each stretch of points are kept, in their order; a stretch
    without any value stays a gap.
    """
    width = -(-2 * values.size // most)
    if width <= 2:
        return times_ms, values
    filled = np.full(-(-values.size // width) * width, np.nan)
    filled[: values.size] = values
    bins = filled.reshape(-1, width)
    low = np.where(np.isnan(bins), np.inf, bins).argmin(axis=1)
    high = np.where(np.isnan(bins), -np.inf, bins).argmax(axis=1)
    within = np.sort(np.stack([low, high], axis=1), axis=1)
    kept = np.unique((within + np.arange(bins.shape[0])[:, None] * width).ravel())
    kept = kept[kept < values.size]
    return times_ms[kept], values[kept]


def _draw_line(axes: Axes, times_ms: NDArray[np.int64], values: Floats, colour: str) -> None:
    finite = np.where(np.isfinite(values), values, np.nan)
    if not np.isfinite(finite).any():
        axes.text(0.5, 0.5, "nothing known", transform=axes.transAxes, ha="center", color=_QUIET)
        return
    shown_ms, shown = envelope(times_ms, finite, _MOST_POINTS)
    axes.plot(shown_ms.astype("datetime64[ms]"), shown, color=colour, linewidth=1.0, zorder=3)


def _draw_score(axes: Axes, scene: Scene) -> None:
    known = scene.score[np.isfinite(scene.score)]
    peak = float(known.max()) if known.size else 0.0
    score = scene.score
    if peak >= _LOG_FROM:
        # What lies far below the threshold is of no interest and would press the rest together.
        score = np.where(np.isnan(score), np.nan, np.maximum(score, 0.1))
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
        axes.yaxis.set_minor_locator(LogLocator(subs=(), numticks=4))
        axes.set_ylim(0.09, 1.5 * peak)
    else:
        axes.set_ylim(0.0, max(1.3, 1.15 * peak))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    _draw_line(axes, scene.times_ms, score, _INK)
    axes.axhline(1.0, color=_ALARM, linewidth=1.0, linestyle=(0, (4, 2)), zorder=2)
    axes.set_title("score", loc="left")


def _mark(axes: Axes, scene: Scene) -> None:
    for start, end in scene.faults:
        # A fault of a moment is seen by its edge.
        axes.axvspan(_day(start), _day(end), color=_FAULT, alpha=0.22, linewidth=0.5, zorder=0)
    for start, end in scene.incidents:
        axes.axvspan(_day(start), _day(end), ymin=0.94, color=_ALARM, linewidth=0.5, zorder=1)
    for moment in scene.raised:
        axes.axvline(_day(moment), color=_ALARM, linewidth=1.0, zorder=1)


def _label_time(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator,
        zero_formats=["", "%Y", "%b", "%d %b", "%H:%M", "%H:%M"],
        offset_formats=["", "%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d %H:%M"],
    )
    axes.xaxis.set_major_formatter(formatter)


def _shown(times_ms: NDArray[np.int64]) -> tuple[float, float]:
    step_ms = int(times_ms[1] - times_ms[0]) if times_ms.size > 1 else 1000
    return int(times_ms[0]) / 86_400_000, (int(times_ms[-1]) + step_ms) / 86_400_000


def _day(moment: datetime) -> float:
    """Return `moment` as matplotlib counts it: days since 1970."""
    return to_ms(moment) / 86_400_000


def _for_page(svg: str, name: str) -> str:
    """Return the element without what a page does not need, in the page's font and colours."""
    text = svg[svg.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # The rule that matplotlib sets for everything would reach the whole page.
    text = re.sub(r"<style.*?</style>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    text = re.sub(r"font(-family)?: ([\d.]+px )?[^;\"]*sans-serif;? ?", _font_size, text)
    text = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', rf'<svg viewBox="\1" {_ROLE}>', text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text.replace("PICTURE", name).replace(" \n", " ").strip()


_ROLE = 'role="img" aria-labelledby="PICTURE" xmlns:xlink="http://www.w3.org/1999/xlink"'


def _font_size(match: "re.Match[str]") -> str:
    return f"font-size: {match[2].strip()}; " if match[2] else ""
