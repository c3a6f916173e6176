"""Episodes and incidents from scores that can be followed by hand; a step is 1 ms at its index."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tankwatch.core.episodes import (
    Change,
    EpisodeRule,
    SourceScores,
    TankEvent,
    TankState,
    fold,
    symptom_of,
)
from tankwatch.core.incident import Sign, Symptom

NAN = float("nan")
RULE = EpisodeRule(on_delay=2, off_delay=2, deadband=0.2)


def source(
    *scores: float,
    name: str = "autoencoder",
    rule: EpisodeRule = RULE,
    channel: Sequence[int] | None = None,
    direction: Sequence[int] | None = None,
) -> SourceScores:
    steps = len(scores)
    return SourceScores(
        name=name,
        rule=rule,
        score=np.array(scores, dtype=np.float64),
        channel=np.array([0] * steps if channel is None else channel, dtype=np.int64),
        share=np.linspace(0.5, 0.6, steps),
        direction=np.array([0] * steps if direction is None else direction, dtype=np.int64),
    )


def cut(whole: SourceScores, first: int, last: int) -> SourceScores:
    parts = (whole.score, whole.channel, whole.share, whole.direction)
    return SourceScores(whole.name, whole.rule, *(part[first:last] for part in parts))  # type: ignore[arg-type]


def events_of(
    *sources: SourceScores, merge_gap: int = 1, state: TankState | None = None
) -> list[TankEvent]:
    times = np.arange(sources[0].score.size, dtype=np.int64)
    state = TankState() if state is None else state
    return fold(state, times, sources, step_ms=1, merge_gap=merge_gap)


def changes(events: Sequence[TankEvent]) -> list[tuple[Change, int]]:
    return [(event.change, event.at_ms) for event in events]


def test_run_as_long_as_the_on_delay_raises_at_the_end_of_its_last_step() -> None:
    (raised,) = events_of(source(0.5, 1.0, 1.5))
    assert (raised.change, raised.start_ms, raised.at_ms) == (Change.RAISE, 1, 3)
    assert (raised.peak, raised.source) == (1.5, "autoencoder")


def test_shorter_run_raises_nothing() -> None:
    assert events_of(source(0.0, 9.0, 0.99, 9.0, 0.0)) == []


def test_nothing_is_raised_below_the_threshold() -> None:
    assert events_of(source(*[float(np.nextafter(1.0, 0.0))] * 9)) == []


def test_unknown_score_breaks_a_run_that_has_not_raised() -> None:
    assert events_of(source(1.0, NAN, 1.0)) == []


def test_unknown_score_neither_ends_an_episode_nor_counts_towards_its_end() -> None:
    events = events_of(source(1.0, 1.0, NAN, NAN, NAN, 0.0, NAN, 0.0))
    assert changes(events) == [(Change.RAISE, 2), (Change.RETURN, 8)]


def test_episode_ends_after_the_off_delay_below_the_deadband() -> None:
    events = events_of(source(1.0, 1.0, 0.79, 0.79, 0.0))
    assert changes(events) == [(Change.RAISE, 2), (Change.RETURN, 4)]
    assert (events[1].start_ms, events[1].end_ms) == (0, 2)


def test_score_within_the_deadband_keeps_an_episode_open() -> None:
    assert changes(events_of(source(1.0, 1.0, 0.7, 0.8, 0.7, 0.8, 0.7))) == [(Change.RAISE, 2)]


def test_score_within_the_deadband_raises_nothing() -> None:
    assert events_of(source(0.9, 1.0, 0.9, 1.0, 0.9)) == []


def test_high_score_restarts_the_off_delay() -> None:
    events = events_of(source(1.0, 1.0, 0.0, 3.0, 0.0, 0.0))
    assert changes(events) == [(Change.RAISE, 2), (Change.RETURN, 6)]
    assert (events[1].end_ms, events[1].peak) == (4, 3.0)


def test_episodes_within_the_merge_gap_are_one_incident() -> None:
    scores = source(1.0, 1.0, 0.0, 0.0, 0.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    events = events_of(scores, merge_gap=4)
    assert changes(events) == [(Change.RAISE, 2), (Change.JOIN, 7), (Change.RETURN, 12)]
    _, joined, returned = events
    assert (joined.start_ms, returned.start_ms, returned.end_ms) == (5, 0, 7)
    assert returned.peak == 5.0


def test_episodes_further_apart_are_two_incidents() -> None:
    scores = source(4.0, 4.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0)
    events = events_of(scores, merge_gap=2)
    assert changes(events) == [(Change.RAISE, 2), (Change.RETURN, 5), (Change.RAISE, 7)]
    assert (events[2].start_ms, events[2].peak) == (5, 2.0)


def test_second_source_joins_the_incident_of_the_first() -> None:
    limit = source(0.0, 0.0, 2.0, 2.0, 2.0, 0.0, 0.0, name="limit", direction=[1] * 7)
    events = events_of(source(1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0), limit)
    assert changes(events) == [(Change.RAISE, 2), (Change.JOIN, 4), (Change.RETURN, 7)]
    assert [event.source for event in events] == ["autoencoder", "limit", ""]
    assert (events[1].start_ms, events[1].symptom) == (2, Symptom.ABOVE_LIMIT)
    assert (events[2].start_ms, events[2].end_ms, events[2].peak) == (0, 5, 2.0)


def test_two_sources_that_open_in_one_step_are_one_incident() -> None:
    events = events_of(source(1.0, 1.0), source(3.0, 3.0, name="limit"))
    assert changes(events) == [(Change.RAISE, 2), (Change.JOIN, 2)]


def test_merge_gap_goes_on_where_a_chunk_ended() -> None:
    state = TankState()
    events_of(source(1.0, 1.0, 0.0, 0.0, 0.0), merge_gap=4, state=state)
    assert changes(events_of(source(0.0, 0.0, 0.0), merge_gap=4, state=state)) == [
        (Change.RETURN, 2)
    ]


def test_source_that_is_switched_off_counts_as_calm() -> None:
    state = TankState()
    events_of(source(1.0, 1.0), source(1.0, 1.0, name="limit"), state=state)
    both = events_of(source(0.0, 0.0, 0.0), state=state)
    assert changes(both) == [(Change.RETURN, 2)]
    assert state.is_idle


def test_event_names_the_channel_and_share_of_the_highest_score() -> None:
    (raised,) = events_of(source(1.0, 3.0, 2.0, rule=EpisodeRule(on_delay=3), channel=[0, 2, 1]))
    assert (raised.channel, raised.peak) == (2, 3.0)
    assert raised.share == pytest.approx(0.55)


def test_quiet_tank_is_idle_and_a_run_is_not() -> None:
    state = TankState()
    events_of(source(0.5, NAN), state=state)
    assert state.is_idle
    events_of(source(1.0), state=state)
    assert not state.is_idle


@pytest.mark.parametrize(
    ("name", "tilt", "run", "symptom"),
    [
        ("flat_line", 9, 9, Symptom.FLAT_LINE),
        ("stale", 0, 9, Symptom.STALE),
        ("limit", 1, 9, Symptom.ABOVE_LIMIT),
        ("limit", -1, 9, Symptom.BELOW_LIMIT),
        ("pca", 5, 10, Symptom.UNUSUAL_PATTERN),
        ("pca", -5, 10, Symptom.UNUSUAL_PATTERN),
        ("pca", 6, 10, Symptom.ABOVE_EXPECTED),
        ("pca", -6, 10, Symptom.BELOW_EXPECTED),
    ],
)
def test_symptom_follows_from_source_and_direction(
    name: str, tilt: int, run: int, symptom: Symptom
) -> None:
    assert symptom_of(name, tilt, run) is symptom


@pytest.mark.parametrize(
    ("tilt", "sign", "symptom"),
    [
        (0, Sign.STAY, Symptom.UNUSUAL_STAY),
        (9, Sign.STAY, Symptom.UNUSUAL_STAY),
        (0, Sign.TOGETHER, Symptom.DECOUPLED),
        (9, Sign.TOGETHER, Symptom.ABOVE_EXPECTED),
        (0, Sign.NONE, Symptom.UNUSUAL_PATTERN),
    ],
)
def test_symptom_follows_from_what_the_evidence_was(
    tilt: int, sign: Sign, symptom: Symptom
) -> None:
    assert symptom_of("fused", tilt, 10, sign) is symptom


# Scores stay where they are for some steps, so that delays and gaps are passed now and then.
stretch = st.tuples(st.sampled_from([0.0, 0.9, 1.5, 3.0, NAN]), st.integers(1, 6))
rule = st.builds(
    EpisodeRule, st.integers(1, 4), st.integers(1, 4), st.sampled_from([0.0, 0.2, 0.5])
)


@st.composite
def tank(draw: st.DrawFn) -> list[SourceScores]:
    """Draw what one to three sources say of a tank over up to forty steps."""
    steps = draw(st.integers(0, 40))

    def scores() -> list[float]:
        stretches = draw(st.lists(stretch, min_size=steps, max_size=steps))
        return [score for score, length in stretches for _ in range(length)][:steps]

    names = draw(st.sampled_from([["pca"], ["pca", "limit"], ["stale", "pca", "flat_line"]]))
    each: dict[str, Any] = {"min_size": steps, "max_size": steps}
    return [
        source(
            *scores(),
            name=name,
            rule=draw(rule),
            channel=draw(st.lists(st.integers(0, 2), **each)),
            direction=draw(st.lists(st.integers(-1, 1), **each)),
        )
        for name in names
    ]


@given(
    sources=tank(),
    cuts=st.lists(st.integers(0, 40), max_size=12),
    merge_gap=st.integers(0, 6),
)
def test_folding_in_chunks_through_json_is_folding_at_once(
    sources: list[SourceScores], cuts: list[int], merge_gap: int
) -> None:
    steps = sources[0].score.size
    times = 1_000_000 + 60_000 * np.arange(steps, dtype=np.int64)

    def advance(state: TankState, first: int, last: int) -> list[TankEvent]:
        part = [cut(whole, first, last) for whole in sources]
        return fold(state, times[first:last], part, step_ms=60_000, merge_gap=merge_gap)

    whole_state, state = TankState(), TankState()
    whole = advance(whole_state, 0, steps)
    events: list[TankEvent] = []
    edges = [0, *sorted(min(at, steps) for at in cuts), steps]
    for first, last in pairwise(edges):
        state = TankState.from_json(json.loads(json.dumps(state.to_json())))
        events += advance(state, first, last)
    assert events == whole
    assert state == whole_state


@given(sources=tank(), merge_gap=st.integers(0, 6))
def test_incidents_open_and_close_in_turn(sources: list[SourceScores], merge_gap: int) -> None:
    state = TankState()
    events = events_of(*sources, merge_gap=merge_gap, state=state)
    is_open = False
    for event in events:
        assert (event.change is Change.RAISE) is not is_open
        is_open = event.change is not Change.RETURN
        assert event.start_ms < event.at_ms
        assert event.peak >= 1.0
    assert state.in_incident is is_open
    times: list[Any] = [event.at_ms for event in events]
    assert times == sorted(times)
