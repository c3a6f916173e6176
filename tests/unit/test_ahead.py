"""Trends carried on, and how likely a limit is reached in time."""

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.detectors.ahead import ROLL_EVERY, LimitsAhead, Roll, look_ahead
from tankwatch.detectors.trend import UsualRange, learn_usual, trend_crossings

STEPS, R = 600, 30


def ramp(slope: float, noise: float = 0.01) -> NDArray[np.float64]:
    """Return a channel that stands at 1 and begins to rise at step 500."""
    values = 1.0 + np.random.default_rng(0).normal(0, noise, STEPS)
    values[500:] += slope * np.arange(STEPS - 500)
    return np.asarray(values)


def block_of(values: NDArray[np.float64], start_step: int = 0) -> Block:
    part = values[None, start_step:, None]
    return Block(("T",), ("pressure",), start_step * 60_000, 60, part, np.isfinite(part))


def asked_of(block: Block, first: int, *, usual: float, limit: float) -> LimitsAhead:
    wanted = np.zeros(block.values.shape[:2], dtype=bool)
    wanted[:, first:] = True
    edge = np.array([[limit]])
    low = np.full((1, 1), np.nan)
    return LimitsAhead(
        low, edge, UsualRange(np.array([[0.5]]), np.array([[usual]])), np.array([R]), wanted
    )


def test_a_steady_rise_crosses_when_it_must() -> None:
    values = ramp(0.02)
    known = np.ones(STEPS, dtype=bool)
    now = np.array([530])
    crossings = trend_crossings(values, known, now, limit=1.85, above=True, horizon=R)
    assert crossings.shape == (1, 240)
    # 0.25 kPa are left at 0.02 kPa a step; a damped trend takes a little longer.
    assert 10 <= np.median(crossings) <= 21
    never = trend_crossings(values, known, np.array([450]), limit=1.85, above=True, horizon=R)
    assert not np.isfinite(never).any()
    falling = trend_crossings(-values, known, now, limit=-1.85, above=False, horizon=R)
    np.testing.assert_array_equal(falling, crossings)


def test_little_history_says_nothing() -> None:
    values = ramp(0.02)
    known = np.ones(STEPS, dtype=bool)
    known[:490] = False
    crossings = trend_crossings(values, known, np.array([530]), limit=1.85, above=True, horizon=R)
    assert np.isnan(crossings).all()


def test_the_usual_range_is_what_was_reached_and_a_little_more() -> None:
    values = np.stack([ramp(0.0), ramp(0.01)])[..., None]
    usual = learn_usual(values, np.isfinite(values))
    assert 1.0 < usual.high[0, 0] < 1.02
    assert 1.97 < usual.high[1, 0] < 2.05
    assert UsualRange.from_json(usual.to_json()).high.tolist() == usual.high.tolist()
    chosen = usual.of([1, -1], [0, None])
    assert np.isfinite(chosen.high).tolist() == [[True, False], [False, False]]


def test_a_trend_counts_only_beyond_what_is_usual() -> None:
    block = block_of(ramp(0.02))
    beyond = look_ahead(block, asked_of(block, 400, usual=1.1, limit=1.9), None)
    likely = np.flatnonzero(np.nan_to_num(beyond.probability[0]) >= 0.9)
    assert 510 <= likely[0] <= 530
    assert beyond.latest[0, likely[0]] <= R
    assert beyond.direction[0, likely[0]] == 1
    # Beyond the limit there is nothing to forecast: the limit rule speaks.
    assert np.isnan(beyond.probability[0, 560:]).all()
    usual = look_ahead(block, asked_of(block, 400, usual=3.0, limit=1.9), None)
    assert np.nanmax(usual.probability) == 0.0
    unknown = look_ahead(block, asked_of(block, 400, usual=np.nan, limit=1.9), None)
    assert np.nanmax(unknown.probability) == 0.0


def test_within_the_usual_the_forecast_is_asked_and_cuts_change_nothing() -> None:
    values = ramp(0.02)
    ends = []

    def roll_from(start: int, block: Block) -> Roll:
        def roll(
            rows: NDArray[np.int64], steps: NDArray[np.int64], horizon: int
        ) -> NDArray[np.float64]:
            ends.extend((steps + start).tolist())
            latest = block.values[rows, steps]
            walk = np.random.default_rng(0).normal(0.02, 0.02, (50, horizon)).cumsum(axis=1)
            return np.asarray(latest[:, None, None, :] + walk[None, ..., None])

        return roll

    whole = block_of(values)
    at_once = look_ahead(whole, asked_of(whole, 400, usual=3.0, limit=1.9), roll_from(0, whole))
    assert ends
    assert all(end % ROLL_EVERY == 0 for end in ends)
    assert np.nanmax(at_once.probability) == 1.0
    for cut in (531, 538):
        part = block_of(values, 200)
        later = look_ahead(
            part, asked_of(part, cut - 200, usual=3.0, limit=1.9), roll_from(200, part)
        )
        np.testing.assert_array_equal(
            later.probability[0, cut - 200 :], at_once.probability[0, cut:]
        )
        np.testing.assert_array_equal(later.earliest[0, cut - 200 :], at_once.earliest[0, cut:])
