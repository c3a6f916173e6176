import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.quality.rules import (
    ChannelRule,
    check_flat_line,
    check_limits,
    check_stale,
    context_steps,
)

NAN = float("nan")


def block(values: NDArray[np.float64] | list[list[list[float]]]) -> Block:
    array = np.array(values, dtype=np.float64)
    names = tuple(f"c{i}" for i in range(array.shape[2]))
    tanks = tuple(f"T{i}" for i in range(array.shape[0]))
    return Block(tanks, names, 0, 60, array, np.isfinite(array))


def column(*values: float) -> Block:
    return block([[[value] for value in values]])


def test_a_limit_is_crossed_by_as_much_as_the_score_says() -> None:
    verdict = check_limits(column(1.0, 4.0, 5.0, -2.0, NAN), np.array([[0.0]]), np.array([[4.0]]))
    np.testing.assert_array_equal(verdict.score[0, :, 0], [0.0, 0.0, 1.25, 1.5, NAN])
    assert verdict.direction[0, :4, 0].tolist() == [0, 0, 1, -1]


def test_a_single_limit_and_no_limit() -> None:
    high_only = check_limits(column(6.0), np.array([[NAN]]), np.array([[4.0]]))
    assert high_only.score[0, 0, 0] == 1.5
    none = check_limits(column(6.0), np.array([[NAN]]), np.array([[NAN]]))
    assert none.score[0, 0, 0] == 0.0


def test_a_flat_line_takes_its_steps_and_ends_with_a_movement() -> None:
    values = [1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0]
    verdict = check_flat_line(column(*values), [ChannelRule(3, 0.0)])
    assert verdict.score[0, :, 0].tolist() == [0, 0, 0, 1, 1, 0, 0]


def test_movement_within_the_tolerance_is_flat_and_a_hole_does_not_end_it() -> None:
    values = [2.0, 2.1, NAN, 2.05, 2.0]
    score = check_flat_line(column(*values), [ChannelRule(4, 0.15)]).score[0, :, 0]
    np.testing.assert_array_equal(score, [0, 0, NAN, 1, 1])
    off = check_flat_line(column(*values), [ChannelRule(None, 0.0)]).score
    assert np.isnan(off).all()


def test_a_channel_is_stale_after_its_steps_and_one_never_seen_is_not() -> None:
    values = block([[[1.0, NAN], [NAN, NAN], [NAN, NAN], [1.0, NAN]]])
    unseen = check_stale(values, 2, np.array([[False, False]])).score
    assert unseen[0, :, 0].tolist() == [0, 0, 1, 0]
    assert np.isnan(unseen[0, :, 1]).all()
    seen = check_stale(values, 2, np.array([[True, True]])).score
    assert seen[0, :, 1].tolist() == [1, 1, 1, 1]


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([1.0, 1.0, 1.0, 2.0, NAN]), min_size=30, max_size=60),
    st.integers(0, 10),
)
def test_a_piece_with_its_context_is_judged_like_the_whole(values: list[float], after: int) -> None:
    rules, stale = [ChannelRule(6, 0.0)], 4
    before = context_steps(rules, stale)
    first = before + after
    whole = column(*values)
    piece = whole.between(first - before, len(values))
    seen = np.array([[bool(np.isfinite(values[: first - before]).any())]])
    never = np.array([[False]])
    for judged, again in (
        (check_flat_line(whole, rules), check_flat_line(piece, rules)),
        (check_stale(whole, stale, never), check_stale(piece, stale, seen)),
    ):
        np.testing.assert_array_equal(judged.score[:, first:], again.score[:, before:])
