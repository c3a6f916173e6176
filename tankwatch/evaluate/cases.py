"""Which faults and incidents the report shows from close, and the picture of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.core.times import from_ms, human_duration, to_ms
from tankwatch.evaluate.axes import Panel, Scene, draw_scene
from tankwatch.evaluate.events import Event, EventFigures, raised_within
from tankwatch.evaluate.result import BacktestResult
from tankwatch.notify.wording import channel_label, score_text, unit_label

MOST_FAULTS = 12
MOST_FALSE_ALARMS = 6
_MOST_CHANNELS = 3
_LEAST_MARGIN_STEPS = 45


@dataclass(frozen=True, slots=True)
class Case:
    """A fault or an incident from close.

    Attributes:
        name: unique on the page.
        tank: as the readings name it.
        what: kind of fault, or channel and symptom of an incident.
        outcome: what became of it.
        state: ``found``, ``missed`` or ``false``.
        when: its time, UTC.
        picture: SVG, empty where there is no reading to show.
    """

    name: str
    tank: str
    what: str
    outcome: str
    state: str
    when: str
    picture: str


def fault_cases(result: BacktestResult, figures: EventFigures) -> list[Case]:
    """Return up to twelve faults, half of them missed if there are enough, of as many kinds."""
    missed = _varied([event for event in figures.events if event.raised is None])
    found = _varied([event for event in figures.events if event.raised is not None])
    half = max(MOST_FAULTS // 2, MOST_FAULTS - len(found))
    chosen = missed[:half]
    chosen += found[: MOST_FAULTS - len(chosen)]
    return [_fault_case(result, event, place) for place, event in enumerate(chosen)]


def incident_cases(
    result: BacktestResult, rows: Iterable[int], *, state: str, most: int
) -> list[Case]:
    """Return those of the production path's incidents with the highest peaks.

    Args:
        result: whose incidents.
        rows: positions in the frame of incidents.
        state: what to show them as.
        most: how many.
    """
    frame = result.primary.incidents
    peaks = frame["peak_score"].astype(float).to_numpy()
    highest = sorted(rows, key=lambda row: -peaks[row])[:most]
    return [_incident_case(result, frame.iloc[row], row, state) for row in highest]


def judged_rows(result: BacktestResult) -> list[int]:
    """Return the positions of the incidents that were raised in the time that is judged."""
    frame = result.primary.incidents
    return [
        row for tank in result.tanks for row in raised_within(frame, tank, result.spans)[0].tolist()
    ]


def stretches(
    frame: pd.DataFrame | None, tank: str, *, within: tuple[datetime, datetime]
) -> list[tuple[datetime, datetime]]:
    """Return the parts of a tank's faults or incidents that lie in a stretch of time."""
    if frame is None:
        return []
    mine = frame[frame["tank"] == tank]
    edges = [
        (pd.Timestamp(start).to_pydatetime(), pd.Timestamp(end).to_pydatetime())
        for start, end in zip(mine["start"], mine["end"], strict=True)
    ]
    first, last = within
    return [(max(s, first), min(e, last)) for s, e in edges if s <= last and e >= first]


def period_text(start: datetime, end: datetime) -> str:
    """Return ``2026-03-12 00:55 to 19:48``, with the date again where it is another day."""
    is_short = (end - start) < timedelta(minutes=10)
    clock = "%H:%M:%S" if is_short else "%H:%M"
    if start == end:
        return f"{start:%Y-%m-%d} {start:{clock}}"
    until = f"{end:{clock}}" if start.date() == end.date() else f"{end:%Y-%m-%d} {end:{clock}}"
    return f"{start:%Y-%m-%d} {start:{clock}} to {until}"


def _varied(events: Sequence[Event]) -> list[Event]:
    """Return events so that the first ones are of as many kinds and tanks as possible."""
    groups: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda e: (e.kind or e.tank, e.start)):
        groups.setdefault(event.kind or event.tank, []).append(event)
    rounds = zip_longest(*groups.values())
    return [event for turn in rounds for event in turn if event is not None]


def _fault_case(result: BacktestResult, event: Event, place: int) -> Case:
    outcome, state, end = "missed", "missed", event.end
    before = stretches(result.primary.incidents, event.tank, within=(event.start, event.start))
    if before:
        outcome = "missed: an incident from before was still on"
    if event.raised is not None:
        outcome, state = f"found after {human_duration(event.delay_s or 0.0)}", "found"
        end = max(end, event.raised)
    name = f"fault-{place + 1}"
    return Case(
        name=name,
        tank=event.tank,
        what=event.kind.replace("_", " ") or "fault",
        outcome=outcome,
        state=state,
        when=period_text(event.start, event.end),
        picture=_picture(result, event.tank, stretch=(event.start, end), name=name),
    )


def _incident_case(result: BacktestResult, row: "pd.Series[Any]", place: int, state: str) -> Case:
    start, end = (pd.Timestamp(str(row[name])).to_pydatetime() for name in ("start", "end"))
    name, tank = f"incident-{place + 1}", str(row["tank"])
    symptom = str(row["symptom"]).replace("_", " ")
    return Case(
        name=name,
        tank=tank,
        what=f"{channel_label(str(row['channel']))}: {symptom}",
        outcome=f"peak score {score_text(float(str(row['peak_score'])))}",
        state=state,
        when=period_text(start, end),
        picture=_picture(
            result, tank, stretch=(start, end), name=name, channel=str(row["channel"])
        ),
    )


def _picture(
    result: BacktestResult,
    tank: str,
    *,
    stretch: tuple[datetime, datetime],
    name: str,
    channel: str = "",
) -> str:
    block, series = result.blocks.get(tank), result.primary.scores.get(tank)
    if block is None or series is None:
        return ""
    view = _around(block, stretch)
    if not view.steps:
        return ""
    times_ms = view.times_ms
    shown = from_ms(int(times_ms[0])), from_ms(int(times_ms[-1]) + view.step_ms)
    incidents = result.primary.incidents
    mine = incidents["raised"][incidents["tank"] == tank]
    raised = [pd.Timestamp(moment).to_pydatetime() for moment in mine]
    values = np.where(view.mask[0], view.values[0], np.nan)
    score = np.full(times_ms.size, np.nan)
    _, ours, theirs = np.intersect1d(times_ms, series.times_ms, return_indices=True)
    score[ours] = series.score[theirs]
    first = [result.channels.index(channel)] if channel in result.channels else []
    telling = _telling(series.channel[theirs], series.score[theirs], len(result.channels))
    chosen = list(dict.fromkeys([*first, *telling]))[:_MOST_CHANNELS]
    return draw_scene(
        Scene(
            name=name,
            times_ms=times_ms,
            panels=[Panel(_title(result, place), values[:, place]) for place in sorted(chosen)],
            score=score,
            faults=stretches(result.labels, tank, within=shown),
            incidents=stretches(incidents, tank, within=shown),
            raised=[moment for moment in raised if shown[0] <= moment <= shown[1]],
        )
    )


def _around(block: Block, stretch: tuple[datetime, datetime]) -> Block:
    """Return the readings of a stretch, with half its length before and after."""
    start_ms, end_ms = (to_ms(moment) for moment in stretch)
    margin_ms = max((end_ms - start_ms) // 2, _LEAST_MARGIN_STEPS * block.step_ms)
    first = max(0, (start_ms - margin_ms - block.start_ms) // block.step_ms)
    last = min(block.steps, (end_ms + margin_ms - block.start_ms) // block.step_ms + 1)
    return block.between(first, max(first, last))


def _telling(channel: NDArray[np.int64], score: NDArray[np.float32], channels: int) -> list[int]:
    """Return channels, first those that contributed most while the score was high."""
    weight = np.where((channel >= 0) & (score >= 1.0), 1.0, 0.0)
    votes = np.bincount(np.maximum(channel, 0), weights=weight, minlength=channels)
    return [int(place) for place in np.argsort(-votes, kind="stable")]


def _title(result: BacktestResult, place: int) -> str:
    name, unit = channel_label(result.channels[place]), unit_label(result.units[place])
    return f"{name}, {unit}" if unit else name
