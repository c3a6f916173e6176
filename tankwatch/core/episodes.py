"""From scores to episodes to incidents: a fold over steps that can stop and go on anywhere.

An *episode* is one source (a detector or a rule) at or above its threshold: raised after an
on-delay, ended after an off-delay below a deadband (EEMUA 191, section on alarm suppression;
ISA-18.2 on- and off-delay).  Episodes of a tank that overlap, or lie closer than the merge gap, are
one *incident*, whichever source saw them.  The state is plain numbers, so folding a day in one
piece or step by step gives the same incidents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.incident import Sign, Symptom


@dataclass(frozen=True, slots=True)
class EpisodeRule:
    """When a source's scores begin and end an episode; delays in steps."""

    on_delay: int = 3
    off_delay: int = 10
    deadband: float = 0.2


@dataclass(frozen=True, slots=True)
class SourceScores:
    """One source's judgement of one tank over consecutive steps.

    Attributes:
        name: detector or rule.
        rule: its delays and deadband.
        score: float (steps,), 1.0 is the threshold, NaN where nothing could be judged.
        channel: int (steps,), index of the channel that contributed most.
        share: float (steps,), its contribution, 0 to 1.
        direction: int (steps,), +1 above what was expected, -1 below, 0 neither.
        sign: int (steps,), a `Sign`; None for a source that gives none.
    """

    name: str
    rule: EpisodeRule
    score: NDArray[np.floating[Any]]
    channel: NDArray[np.integer[Any]]
    share: NDArray[np.floating[Any]]
    direction: NDArray[np.integer[Any]]
    sign: NDArray[np.integer[Any]] | None = None


class Change(StrEnum):
    """What happens to a tank's incident."""

    RAISE = "raise"
    JOIN = "join"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class TankEvent:
    """A change of a tank's incident, times in epoch milliseconds.

    `at_ms` is the end of the step at which it happened; `start_ms` the beginning of the first
    flagged step; `end_ms` the end of the last flagged step, for a return.  `course` is what the
    whole stretch looks like, for a return; None for no other than was told when it was raised.
    """

    change: Change
    at_ms: int
    start_ms: int
    end_ms: int
    source: str
    channel: int
    share: float
    symptom: Symptom
    peak: float
    course: Symptom | None = None


@dataclass(slots=True)
class EpisodeState:
    """Where one source of one tank stands."""

    is_open: bool = False
    run: int = 0
    low: int = 0
    start_ms: int = 0
    last_ms: int = 0
    peak: float = 0.0
    channel: int = 0
    share: float = 0.0
    tilt: int = 0
    sign: int = 0

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is under way."""
        return not self.is_open and self.run == 0

    def advance(self, time_ms: int, source: SourceScores, step: int) -> bool:
        """Take in one step, and return whether it opened an episode."""
        score = float(source.score[step])
        if np.isnan(score):
            self.run = self.run if self.is_open else 0
            return False
        if score >= 1.0:
            self._note_high(time_ms, source, step)
            if not self.is_open and self.run >= source.rule.on_delay:
                self.is_open = True
                return True
            return False
        if not self.is_open:
            self.run = 0
        elif score >= 1.0 - source.rule.deadband:
            self.low = 0
        else:
            self.low += 1
            if self.low >= source.rule.off_delay:
                self.is_open, self.run, self.low = False, 0, 0
        return False

    def _note_high(self, time_ms: int, source: SourceScores, step: int) -> None:
        if self.run == 0:
            self.start_ms, self.peak, self.tilt = time_ms, 0.0, 0
        self.run += 1
        self.low = 0
        self.last_ms = time_ms
        self.tilt += int(source.direction[step])
        score = float(source.score[step])
        if score > self.peak:
            self.peak = score
            self.channel = int(source.channel[step])
            self.share = float(source.share[step])
            self.sign = 0 if source.sign is None else int(source.sign[step])


@dataclass(slots=True)
class TankState:
    """Where a tank stands: its sources, and its incident if one is open."""

    sources: dict[str, EpisodeState] = field(default_factory=dict)
    in_incident: bool = False
    quiet: int = 0
    start_ms: int = 0
    end_ms: int = 0
    peak: float = 0.0

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "TankState":
        """Return the state that `to_json` gave."""
        sources = {name: EpisodeState(**state) for name, state in stored["sources"].items()}
        return cls(**{**stored, "sources": sources})

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain values."""
        # dataclasses.asdict copies each value deeply, which a pass over a fleet feels.
        sources = {name: _plain(source) for name, source in self.sources.items()}
        return {**_plain(self), "sources": sources}

    def copy(self) -> "TankState":
        """Return a state that can go on without this one."""
        return replace(self, sources={name: replace(one) for name, one in self.sources.items()})

    def is_open(self, source: str) -> bool:
        """Return whether an episode of a source is under way."""
        return source in self.sources and self.sources[source].is_open

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is under way for any source."""
        return not self.in_incident and all(state.is_idle for state in self.sources.values())


def fold(
    state: TankState,
    times_ms: NDArray[np.int64],
    sources: Sequence[SourceScores],
    *,
    step_ms: int,
    merge_gap: int,
) -> list[TankEvent]:
    """Advance `state` over consecutive steps and return what happened, in order.

    A source that is in `state` and not in `sources` any more (a rule switched off) counts as calm.
    """
    names = {source.name for source in sources}
    state.sources = {
        source.name: state.sources.get(source.name, EpisodeState()) for source in sources
    } | {name: EpisodeState() for name in state.sources if name not in names}
    high = np.zeros(times_ms.size, dtype=bool)
    for source in sources:
        high |= np.nan_to_num(source.score, nan=0.0) >= 1.0
    high_steps = np.flatnonzero(high)
    events: list[TankEvent] = []
    step = 0
    while step < times_ms.size:
        if state.is_idle:
            following = np.searchsorted(high_steps, step)
            if following == high_steps.size:
                break
            step = int(high_steps[following])
        events += _advance_tank(
            state, int(times_ms[step]), sources, step=step, step_ms=step_ms, merge_gap=merge_gap
        )
        step += 1
    return events


def _plain(state: EpisodeState | TankState) -> dict[str, Any]:
    return {one.name: getattr(state, one.name) for one in fields(state)}


TIME_TO_LIMIT = "time_to_limit"
_BY_RULE = {
    "flat_line": Symptom.FLAT_LINE,
    "stuck": Symptom.FLAT_LINE,
    "stale": Symptom.STALE,
    "out_of_range": Symptom.OUT_OF_RANGE,
    "rate": Symptom.SPIKE,
    "noise_burst": Symptom.NOISE,
    "noise_collapse": Symptom.QUIET,
    "chattering": Symptom.CHATTERING,
    "limit_chatter": Symptom.CHATTERING,
}
# Sources that are no detector.
RULES = frozenset({*_BY_RULE, "limit", TIME_TO_LIMIT})


def symptom_of(source: str, tilt: int, run: int, sign: int = Sign.NONE) -> Symptom:
    """Return what a source's flagged run looks like.

    Args:
        source: detector or rule.
        tilt: sum of the run's directions.
        run: flagged steps.
        sign: what the evidence of its highest step was.
    """
    if source in _BY_RULE:
        return _BY_RULE[source]
    if source == TIME_TO_LIMIT:
        return Symptom.TO_HIGH_LIMIT if tilt > 0 else Symptom.TO_LOW_LIMIT
    if source == "limit":
        return Symptom.ABOVE_LIMIT if tilt > 0 else Symptom.BELOW_LIMIT
    if sign == Sign.STAY:
        return Symptom.UNUSUAL_STAY
    if abs(tilt) * 2 <= run:
        return Symptom.DECOUPLED if sign == Sign.TOGETHER else Symptom.UNUSUAL_PATTERN
    return Symptom.ABOVE_EXPECTED if tilt > 0 else Symptom.BELOW_EXPECTED


def _advance_tank(
    state: TankState,
    time_ms: int,
    sources: Sequence[SourceScores],
    *,
    step: int,
    step_ms: int,
    merge_gap: int,
) -> list[TankEvent]:
    events = []
    for source in sources:
        episode = state.sources[source.name]
        if episode.advance(time_ms, source, step):
            change = Change.JOIN if state.in_incident else Change.RAISE
            if not state.in_incident:
                state.in_incident, state.peak = True, 0.0
                state.start_ms = episode.start_ms
            events.append(_event(state, change, time_ms + step_ms, source.name))
        if episode.is_open:
            state.end_ms = max(state.end_ms, episode.last_ms + step_ms)
            state.peak = max(state.peak, episode.peak)
    if not state.in_incident:
        return events
    if any(episode.is_open for episode in state.sources.values()):
        state.quiet = 0
        return events
    state.quiet += 1
    if state.quiet >= max(merge_gap, 1):
        events.append(_event(state, Change.RETURN, time_ms + step_ms, ""))
        state.in_incident, state.quiet, state.end_ms = False, 0, 0
    return events


def _event(state: TankState, change: Change, at_ms: int, source: str) -> TankEvent:
    episode = state.sources.get(source, EpisodeState())
    return TankEvent(
        change=change,
        at_ms=at_ms,
        start_ms=episode.start_ms if change is not Change.RETURN else state.start_ms,
        end_ms=state.end_ms,
        source=source,
        channel=episode.channel,
        share=episode.share,
        symptom=symptom_of(source, episode.tilt, episode.run, episode.sign),
        peak=max(state.peak, episode.peak),
    )
