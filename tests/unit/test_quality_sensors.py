"""The rules for sensors that say what no tank does, on readings made by hand."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.quality.chatter import check_chatter, check_limit_chatter
from tankwatch.quality.noise import check_burst, check_collapse, noise_level
from tankwatch.quality.norms import SensorNorms
from tankwatch.quality.rate import check_rate
from tankwatch.quality.rules import ChannelRule, check_range
from tankwatch.scoring.sensors import SENSOR_CONTEXT, judge_sensors, without_bad

NAN = float("nan")
NOISE = 0.02
SCALE, QUIETEST, NOISIEST = (np.array([[v]]) for v in (NOISE, 0.6, 1.5))
Values = NDArray[np.float64]


def column(values: NDArray[np.floating[Any]] | list[float]) -> Block:
    array = np.array(values, dtype=np.float64)[None, :, None]
    return Block(("T",), ("pressure",), 0, 60, array, np.isfinite(array))


def living(steps: int = 600, seed: int = 0) -> Values:
    rng = np.random.default_rng(seed)
    slow = 1.0 + 0.3 * np.sin(np.arange(steps) / 90.0)
    return np.asarray(slow + rng.normal(0.0, NOISE, steps))


def flagged(score: Values) -> NDArray[np.bool_]:
    return np.asarray(np.nan_to_num(score[0, :, 0]) >= 1.0)


def test_a_reading_beyond_the_range_of_its_instrument_is_bad_one_at_its_end_is_not() -> None:
    rule = ChannelRule(None, 0.0, range_low=-1.0, range_high=5.0)
    verdict = check_range(column([0.0, 5.0, 5.1, -1.0, -3.0, NAN]), [rule])
    assert verdict.score[0, :5, 0].tolist() == [
        0.0,
        0.0,
        pytest.approx(1.1 / 1.0, abs=0.1),
        0,
        4 / 3,
    ]
    assert verdict.direction[0, :5, 0].tolist() == [0, 0, 1, 0, -1]
    assert verdict.bad is not None
    assert verdict.bad[0, :, 0].tolist() == [False, False, True, False, True, False]


def test_an_instrument_without_a_range_is_never_beyond_it() -> None:
    verdict = check_range(column([1e9]), [ChannelRule(None, 0.0)])
    assert verdict.score[0, 0, 0] == 0.0


def test_single_spikes_open_nothing_and_three_in_four_hours_do() -> None:
    values = np.ones(300)
    values[[50, 120, 200]] += 9.0
    verdict = check_rate(column(values), [2.0])
    assert flagged(verdict.score).tolist() == [False] * 200 + [True] * 90 + [False] * 10
    assert verdict.bad is not None
    assert np.flatnonzero(verdict.bad).tolist() == [200]
    assert verdict.direction[0, [200, 201], 0].tolist() == [1, 0]


def test_a_jump_is_not_believed_until_it_has_stood_for_three_steps() -> None:
    values = np.concatenate([np.zeros(20), np.full(20, 12.0)])
    verdict = check_rate(column(values), [2.0])
    assert verdict.bad is not None
    # The third reading that is not believed makes the sensor a bad one.
    assert np.flatnonzero(verdict.bad).tolist() == [22]
    assert flagged(verdict.score)[22:].all()
    assert not flagged(verdict.score)[:22].any()


def test_no_ramp_slower_than_the_setting_is_doubted_and_each_faster_one_is() -> None:
    for slope, expected in ((1.9, False), (2.1, True)):
        verdict = check_rate(column(np.arange(40) * slope), [2.0])
        assert flagged(verdict.score).any() == expected


def test_without_a_setting_every_rate_is_believed() -> None:
    verdict = check_rate(column([0.0] * 10 + [99.0] * 10), [None])
    assert np.isnan(verdict.score).all()
    assert verdict.bad is not None
    assert not verdict.bad.any()


def test_a_hole_gives_the_tank_time_to_move() -> None:
    values = np.concatenate([np.zeros(20), np.full(4, NAN), np.full(20, 4.5)])
    verdict = check_rate(column(values), [1.0])
    assert not flagged(verdict.score).any()


def test_a_noise_burst_is_told_within_half_an_hour_and_is_hidden() -> None:
    values = living()
    values[300:480] += np.random.default_rng(1).normal(0.0, 6 * NOISE, 180)
    verdict = check_burst(column(values), SCALE, NOISIEST)
    steps = np.flatnonzero(flagged(verdict.score))
    assert 300 < steps[0] <= 330
    assert steps[-1] < 480 + 60
    assert verdict.bad is not None
    np.testing.assert_array_equal(np.flatnonzero(verdict.bad[0, :, 0]), steps)


@pytest.mark.parametrize("period", [8, 12, 30])
def test_a_swing_is_no_noise_burst(period: int) -> None:
    values = living()
    values[300:480] += 0.6 * np.sin(2 * np.pi * np.arange(180) / period)
    assert not flagged(check_burst(column(values), SCALE, NOISIEST).score).any()


def test_two_spikes_in_an_hour_are_no_noise_burst() -> None:
    values = living()
    values[[300, 340]] += 50 * NOISE
    assert not flagged(check_burst(column(values), SCALE, NOISIEST).score).any()


def test_noise_that_collapses_is_told_and_a_repeated_reading_is_left_to_the_stuck_rule() -> None:
    values = living()
    slow = 1.0 + 0.3 * np.sin(np.arange(600) / 90.0)
    values[300:] = slow[300:]
    found = np.flatnonzero(flagged(check_collapse(column(values), SCALE, QUIETEST).score))
    assert 330 < found[0] < 362
    values[300:] = values[299]
    assert not flagged(check_collapse(column(values), SCALE, QUIETEST).score)[310:].any()


def test_a_channel_that_may_be_almost_still_is_not_judged_for_its_quiet() -> None:
    score = check_collapse(column(np.ones(200)), SCALE, np.array([[0.1]])).score
    assert np.isnan(score).all()


def test_noise_is_measured_in_units_of_its_scale_whatever_the_slope() -> None:
    level = noise_level(column(living() + np.arange(600) * 0.5), SCALE)[0, :, 0]
    assert np.isnan(level[:61]).all()
    assert np.nanmin(level) > 0.6
    assert np.nanmax(level) < 1.5


def test_a_value_that_flips_is_told_and_the_steps_of_a_coarse_sensor_are_not() -> None:
    values = living()
    values[300:420] += np.tile([0.0] * 4 + [1.0] * 4, 15)
    verdict = check_chatter(column(values), SCALE, np.array([[0.0]]))
    assert 315 < np.flatnonzero(flagged(verdict.score))[0] < 340
    coarse = np.tile([0.0] * 4 + [0.1] * 4, 60)
    learned = check_chatter(column(coarse), SCALE, np.array([[0.1]]))
    assert not flagged(learned.score).any()


def test_a_value_at_its_limit_that_crosses_it_again_and_again_is_one_chatter() -> None:
    values = np.ones(120)
    values[40:80:4] = 3.0
    low, high = np.array([[NAN]]), np.array([[2.0]])
    verdict = check_limit_chatter(column(values), low, high)
    assert flagged(verdict.score)[:49].tolist() == [False] * 49
    assert flagged(verdict.score)[49:90].all()
    assert verdict.bad is None
    none = check_limit_chatter(column(values), low, np.array([[NAN]]))
    assert not flagged(none.score).any()


NORMS = SensorNorms(*(np.full((1, 2), v) for v in (3.0, NOISE, 0.6, 1.5, 0.0)))
RULES = [
    ChannelRule(240, 0.0, range_low=-1.0, range_high=5.0, most_per_minute=1.0),
    ChannelRule(240, 0.0),
]
NO_LIMITS = np.full((1, 2), NAN)


def two_channels(steps: int = 900) -> Block:
    values = np.stack([living(steps), living(steps, seed=5)], axis=-1)[None]
    rng = np.random.default_rng(2)
    values[0, 300:400, 0] += rng.normal(0.0, 8 * NOISE, 100)
    values[0, 500:600, 0] += np.tile([0.0] * 5 + [1.0] * 5, 10)
    values[0, [650, 660, 670], 0] += 3.0
    values[0, 700, 0] = 7.0
    values[0, 720:800, 0] = NAN
    return Block(("T",), ("pressure", "temperature"), 0, 60, values, np.isfinite(values))


def test_a_bad_channel_is_hidden_and_the_other_is_still_seen() -> None:
    block = two_channels()
    verdicts = judge_sensors(block, RULES, NORMS, low=NO_LIMITS, high=NO_LIMITS)
    told = {v.name for v in verdicts if (np.nan_to_num(v.score) >= 1.0).any()}
    assert told == {"noise_burst", "chattering", "rate", "out_of_range"}
    seen = without_bad(block, verdicts)
    assert not seen.mask[0, [380, 560, 700], 0].any()
    np.testing.assert_array_equal(seen.mask[:, :, 1], block.mask[:, :, 1])
    assert seen.mask[0, :300, 0].all()


def test_a_part_of_a_block_with_its_context_is_judged_like_the_whole() -> None:
    block = two_channels()
    whole = judge_sensors(block, RULES, NORMS, low=NO_LIMITS, high=NO_LIMITS)
    for first in (260, 333, 555, 690):
        piece = block.between(first - SENSOR_CONTEXT, block.steps)
        again = judge_sensors(piece, RULES, NORMS, low=NO_LIMITS, high=NO_LIMITS)
        for one, other in zip(whole, again, strict=True):
            np.testing.assert_array_equal(
                one.score[:, first:], other.score[:, SENSOR_CONTEXT:], err_msg=one.name
            )


def test_before_anything_is_learned_the_rules_of_the_settings_hold() -> None:
    names = [
        v.name for v in judge_sensors(two_channels(), RULES, None, low=NO_LIMITS, high=NO_LIMITS)
    ]
    assert names == ["out_of_range", "rate", "limit_chatter"]
