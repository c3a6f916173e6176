"""Stretches of a long history: which are drawn, and what time each step of the block is."""

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from tankwatch.core.block import Grid
from tankwatch.core.timeline import Timeline
from tankwatch.core.times import from_ms
from tankwatch.jobs.sampling import Sampling, sample
from tankwatch.shaping.windows import split_time, window_validity

DAY, HOLE = 1440, 120
START_MS = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1000)
YEAR = Grid(START_MS, 365 * DAY, 60)


def how(most_steps: int, *, late_share: float = 0.3, seed: int = 0) -> Sampling:
    return Sampling(most_steps, late_share, HOLE, seed)


def times_of(timeline: Timeline) -> np.ndarray:
    """Return the time of each step of the block, -1 in holes."""
    times = np.full(timeline.steps, -1, dtype=np.int64)
    for grid, place in zip(timeline.grids, timeline.places, strict=True):
        times[place] = grid.start_ms + np.arange(grid.steps) * grid.step_s * 1000
    return times


def test_a_history_that_fits_is_one_stretch() -> None:
    timeline = sample(YEAR, how(YEAR.steps))
    assert timeline == Timeline((YEAR,))
    assert (timeline.steps, timeline.start_ms, timeline.seams) == (YEAR.steps, START_MS, ())


@pytest.mark.parametrize("days", [20.3, 60, 300, 364.9])
@pytest.mark.parametrize("late_share", [0.3, 0.8])
def test_block_is_full_and_holds_every_month(days: float, late_share: float) -> None:
    most = int(days * DAY)
    timeline = sample(YEAR, how(most, late_share=late_share))
    assert timeline.steps == most
    times = times_of(timeline)
    months = set(times[times >= 0].astype("datetime64[ms]").astype("datetime64[M]").tolist())
    # Room for four days of stretches, of a year, is too little for a stretch a fortnight.
    assert len(months) == 12 if days * (1 - late_share) > 5 else len(months) >= 10
    ordered = sorted(timeline.grids, key=lambda grid: grid.start_ms)
    assert ordered[0].start_ms >= YEAR.start_ms
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(ordered))
    assert ordered[-1] == timeline.newest


@pytest.mark.parametrize("late_share", [0.1, 0.3, 0.5, 0.73, 0.89])
@pytest.mark.parametrize("most", [5_000, 43_201, 100_003])
def test_late_part_lies_in_the_newest_stretch(late_share: float, most: int) -> None:
    timeline = sample(YEAR, how(most, late_share=late_share))
    late = split_time(timeline.steps, late_share, window=60)[1]
    assert timeline.newest.end_ms == YEAR.end_ms
    assert late.start >= timeline.places[-1].start
    assert timeline.newest.steps >= timeline.steps // 2
    clock_ms = timeline.start_ms + np.arange(timeline.steps) * 60_000
    newest = timeline.places[-1]
    assert clock_ms[newest].tolist() == times_of(timeline)[newest].tolist()


def test_whole_days_where_there_is_room_and_parts_of_days_where_not() -> None:
    lengths = {most: sample(YEAR, how(most * DAY)).grids[0].steps for most in (120, 45, 20)}
    assert lengths == {120: DAY, 45: DAY // 2, 20: DAY // 4}
    assert sample(YEAR, how(700)).grids == (Grid(YEAR.end_ms - 700 * 60_000, 700, 60),)


def test_stretches_are_long_beside_what_a_long_step_makes_of_the_hole() -> None:
    slow = Grid(START_MS, 52_560, 600)
    timeline = sample(slow, how(20_000))
    assert {grid.steps for grid in timeline.grids[:-1]} == {3 * HOLE}


def test_both_halves_of_the_older_part_hold_all_of_the_year() -> None:
    older = [from_ms(grid.start_ms).month for grid in sample(YEAR, how(120 * DAY)).grids[:-1]]
    half = -(-len(older) // 2)
    for part in (older[:half], older[half:]):
        assert part == sorted(part)
        assert {1, 3, 5, 7, 9, 10} <= set(part)


def test_equal_seeds_draw_equal_stretches() -> None:
    assert sample(YEAR, how(90 * DAY, seed=4)) == sample(YEAR, how(90 * DAY, seed=4))
    assert sample(YEAR, how(90 * DAY, seed=4)) != sample(YEAR, how(90 * DAY, seed=5))


def test_time_of_steps_is_that_of_their_stretch() -> None:
    timeline = sample(YEAR, how(60 * DAY))
    times = times_of(timeline)
    for place in timeline.places:
        first, last = place.start + 7, place.stop - 3
        assert timeline.span_ms(first, last) == (times[first], times[last - 1] + 60_000)
        assert timeline.span_ms(first, place.stop + 5)[1] == times[place.stop - 1] + 60_000
    told = timeline.to_json()
    assert [one["from"] for one in told] == sorted(one["from"] for one in told)
    assert told[0]["from"] == from_ms(timeline.first_ms).isoformat()
    assert told[-1]["until"] == from_ms(YEAR.end_ms).isoformat()


@pytest.mark.parametrize("window", [10, 60, 400])
def test_no_window_straddles_a_seam(window: int) -> None:
    timeline = sample(YEAR, how(20 * DAY))
    times = times_of(timeline)
    # All but a few steps of the holes are known: the mask alone would let such windows pass.
    mask = np.ones((1, timeline.steps, 1), dtype=bool)
    valid = window_validity(mask, window, seams=timeline.seams)[0]
    for seam in timeline.seams:
        assert not valid[seam - window + 1 : seam].any()
        assert valid[seam]
        assert valid[seam - window]
    until = timeline.places[-1].start + 500
    hole_free = (times >= 0)[None, :until, None]
    strict = window_validity(hole_free, window, min_share=1.0, seams=timeline.seams)
    assert int(strict.sum()) == timeline.windows(window, until=until)
