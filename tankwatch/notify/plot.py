"""The picture of an incident: a panel for each channel, and the score below them."""

import io
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from matplotlib.typing import RcKeyType
from numpy.typing import NDArray

from tankwatch.core.incident import Evidence, Incident
from tankwatch.core.times import from_ms, to_ms
from tankwatch.notify import wording

Floats = NDArray[np.float64]

# Okabe and Ito's palette: told apart with any colour vision.
_READING = "#0b3d66"
_EXPECTED = "#56b4e9"
_LIMIT = "#d55e00"
_FLAGGED = "#e69f00"
_QUIET = "#5a6270"
_WIDTH_IN = 6.0
_DPI = 200
_STYLE: Final[dict[RcKeyType, Any]] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10.5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": _QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titlepad": 4.0,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "grid.color": "#d9dde3",
    "grid.linewidth": 0.5,
    "text.parse_math": False,
}


def plot_incident(incident: Incident, evidence: Evidence, time_zone: str) -> bytes:
    """Return a PNG, 1200 pixels wide, that is meant to be shown at half its size.

    Each channel has a panel with its readings, the expected band and the limits; the score stands
    below, its threshold at 1.0; the flagged stretch is shaded in all of them.  Times are shown in
    `time_zone`.  The same input gives the same bytes.
    """
    zone = wording.zone_of(time_zone)
    start, end = _shown_time(incident, evidence)
    # The defaults, so that no matplotlibrc of the machine changes the mail.
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure, panels = _panels(len(evidence.channels))
        for column, axes in enumerate(panels[:-1]):
            _draw_channel(axes, evidence, column)
        _draw_score(panels[-1], evidence)
        for axes in panels:
            _shade_flagged(axes, incident, end)
            axes.set_xlim(_axis_time(start), _axis_time(end))
        _label_time(panels[-1], end, zone)
        _draw_legend(figure, incident, evidence)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def channel_view(
    values: Floats, low: Floats, high: Floats, limits: tuple[float | None, float | None]
) -> tuple[float, float]:
    """Return the bottom and top of a channel's panel.

    Every reading is inside.  The expected band and the limits are too as long as they lie within
    one span of the readings, so that a far limit does not press the readings into a line.

    Args:
        values: float (steps,), readings, NaN where nothing was read.
        low: float (steps,), lower edge of the expected band, NaN where unknown.
        high: float (steps,), upper edge of the expected band, NaN where unknown.
        limits: engineering limits, None where there is none.
    """
    edges = np.concatenate([low, high])
    edges = edges[np.isfinite(edges)]
    basis = values[np.isfinite(values)]
    if not basis.size:
        basis = edges if edges.size else np.array([x for x in limits if x is not None])
    if not basis.size:
        return 0.0, 1.0
    bottom, top = float(basis.min()), float(basis.max())
    size = max(top - bottom, 0.02 * max(abs(bottom), abs(top)), 1e-6)
    if edges.size:
        reach = (bottom - size, top + size)
        bottom = min(bottom, float(np.clip(edges.min(), *reach)))
        top = max(top, float(np.clip(edges.max(), *reach)))
    size = max(top - bottom, size)
    near = [x for x in limits if x is not None and bottom - size <= x <= top + size]
    bottom, top = min([bottom, *near]), max([top, *near])
    margin = 0.06 * max(top - bottom, size)
    return bottom - margin, top + margin


def _panels(channels: int) -> tuple[Figure, list[Axes]]:
    each = 1.5 if channels <= 2 else 1.1
    height = 1.5 + each * max(channels, 1)
    figure = Figure(figsize=(_WIDTH_IN, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(
        channels + 1, 1, sharex=True, squeeze=False, height_ratios=[each] * channels + [0.9]
    )
    return figure, [row[0] for row in grid]


def _draw_channel(axes: Axes, evidence: Evidence, column: int) -> None:
    times = evidence.times_ms.astype("datetime64[ms]")
    values = _finite(evidence.values[:, column])
    low, high = (
        _finite(evidence.expected_low[:, column]),
        _finite(evidence.expected_high[:, column]),
    )
    limits = (evidence.limit_low[column], evidence.limit_high[column])
    bottom, top = channel_view(values, low, high, limits)
    axes.fill_between(times, low, high, color=_EXPECTED, alpha=0.35, linewidth=0, zorder=2)
    _draw_line(axes, times, values)
    unit = wording.unit_label(evidence.units[column])
    far = []
    for name, limit in zip(("low", "high"), limits, strict=True):
        if limit is None:
            continue
        if bottom <= limit <= top:
            axes.axhline(limit, color=_LIMIT, linewidth=1.2, linestyle=(0, (5, 3)), zorder=3)
        else:
            far.append(f"{name} limit {wording.quantity(limit, unit)} off scale")
    axes.set_ylim(bottom, top)
    name = wording.channel_label(evidence.channels[column])
    axes.set_title(_drawable(f"{name}, {unit}" if unit else name), loc="left", color="black")
    axes.set_title(_drawable("; ".join(far)), loc="right", color=_LIMIT, fontsize=9.5)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.grid(visible=True, axis="y")
    if not np.isfinite(values).any():
        _say(axes, "no readings")


def _draw_score(axes: Axes, evidence: Evidence) -> None:
    score = _finite(evidence.score)
    known = score[np.isfinite(score)]
    positive = known[known > 0]
    is_log = positive.size > 0 and max(positive.max(), 1.0) > 100 * min(positive.min(), 1.0)
    times = evidence.times_ms.astype("datetime64[ms]")
    floor = 0.0
    if is_log:
        floor = max(float(positive.min()), float(positive.max()) * 1e-6, 1e-3)
        score = np.where(np.isnan(score), np.nan, np.maximum(score, floor))
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
        axes.yaxis.set_minor_locator(LogLocator(subs=(), numticks=5))
        axes.set_ylim(min(floor, 1.0) / 1.3, max(float(known.max()), 1.0) * 1.6)
    else:
        axes.set_ylim(0.0, max(1.25, 1.12 * float(known.max()) if known.size else 0.0))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    with np.errstate(invalid="ignore"):  # not scored is not above
        above = score >= 1.0
    axes.fill_between(times, 1.0, score, where=above, color=_LIMIT, alpha=0.3, linewidth=0)
    _draw_line(axes, times, score)
    axes.axhline(1.0, color=_LIMIT, linewidth=1.2, linestyle=(0, (1, 1.5)))
    axes.set_title("score, threshold 1.0 (dotted)", loc="left", color="black")
    axes.grid(visible=True, axis="y")
    if known.size:
        peak = wording.score_text(float(known.max()))
        axes.set_title(f"peak {peak}", loc="right", color="black")
    else:
        _say(axes, "not scored")


def _draw_line(axes: Axes, times: NDArray[np.datetime64], values: Floats) -> None:
    """Draw `values`; a gap stays a gap, and a reading alone between gaps is a dot."""
    known = np.pad(np.isfinite(values), 1)
    alone = known[1:-1] & ~known[2:] & ~known[:-2]
    axes.plot(times, values, color=_READING, linewidth=1.1, zorder=4)
    axes.plot(times[alone], values[alone], ".", color=_READING, markersize=2.5, zorder=4)


def _shade_flagged(axes: Axes, incident: Incident, shown_end: datetime) -> None:
    first, last = _axis_time(incident.started_at), _axis_time(incident.ended_at or shown_end)
    axes.axvspan(first, last, color=_FLAGGED, alpha=0.22, linewidth=0, zorder=1)
    # A stretch of minutes in a picture of days would be too thin to see without its edge.
    axes.axvline(first, color=_FLAGGED, linewidth=1.0, zorder=1)


def _label_time(axes: Axes, end: datetime, zone: ZoneInfo) -> None:
    locator = AutoDateLocator(tz=zone, minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator,
        tz=zone,
        zero_formats=["", "%Y", "%b", "%d %b", "%H:%M", "%H:%M"],
        offset_formats=["", "%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d %H:%M"],
    )
    axes.xaxis.set_major_formatter(formatter)
    label = wording.zone_label(end, zone)
    axes.set_xlabel(f"local time, {label}", loc="left", color=_QUIET, fontsize=9.5)


def _draw_legend(figure: Figure, incident: Incident, evidence: Evidence) -> None:
    """Draw the keys at the top, with the picture's title above them."""
    keys: list[Artist] = [Line2D([], [], color=_READING, linewidth=1.6, label="reading")]
    if np.isfinite(evidence.expected_low).any() or np.isfinite(evidence.expected_high).any():
        keys.append(Patch(color=_EXPECTED, alpha=0.35, linewidth=0, label="expected"))
    if any(limit is not None for limit in (*evidence.limit_low, *evidence.limit_high)):
        keys.append(Line2D([], [], color=_LIMIT, linestyle=(0, (5, 3)), label="limit"))
    keys.append(Patch(color=_FLAGGED, alpha=0.3, linewidth=0, label="flagged"))
    tank, channel = wording.clean_name(incident.tank), wording.channel_label(incident.channel)
    figure.legend(
        handles=keys,
        loc="outside upper left",
        ncols=len(keys),
        frameon=False,
        fontsize=10.0,
        alignment="left",
        title=_drawable(f"{tank}: {channel} {wording.SYMPTOM_WORDS[incident.symptom]}"),
        title_fontproperties={"size": 13.0, "weight": "bold"},
    )


def _shown_time(incident: Incident, evidence: Evidence) -> tuple[datetime, datetime]:
    """Return the stretch of time in the picture: the evidence, or else the incident."""
    if evidence.times_ms.size:
        first, last = int(evidence.times_ms[0]), int(evidence.times_ms[-1])
        return from_ms(first), from_ms(last + evidence.step_s * 1000)
    margin = timedelta(minutes=30)
    return incident.started_at - margin, (incident.ended_at or incident.raised_at) + margin


def _axis_time(moment: datetime) -> float:
    """Return `moment` as matplotlib counts it: days since 1970."""
    return to_ms(moment) / 86_400_000


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def _say(axes: Axes, words: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none"}
    middle = axes.text(0.5, 0.5, words, transform=axes.transAxes, color=_QUIET, bbox=box)
    middle.set(ha="center", va="center")


def _drawable(text: str) -> str:
    """Return `text` with a box in place of each character that the font cannot draw."""
    glyphs = get_font(findfont(FontProperties(family=["DejaVu Sans"]))).get_charmap()
    return "".join(char if ord(char) in glyphs else "\u25a1" for char in text)
