"""The autoencoder's views, what it leaves out, and how far its thresholds are believed."""

import numpy as np
import pytest

from tankwatch.detectors.autoencoder import LSTMAutoencoder
from tankwatch.detectors.drawn import REBUILT_WORST, draw, merged
from tankwatch.detectors.growth import believed, growth_of, trust_in
from tankwatch.detectors.threshold import Threshold
from tankwatch.detectors.view import LeftOut
from tankwatch.detectors.whitening import Whitening, learn_whitening
from tankwatch.errors import CalibrationWarning, TrainingError
from tankwatch.shaping.windows import sliding_windows


def test_errors_that_move_together_are_whitened_to_unit_size() -> None:
    rng = np.random.default_rng(0)
    mixed = np.array([[2.0, 0.0, 0.0], [1.9, 0.3, 0.0], [0.0, 0.0, 10.0]])
    error = (rng.normal(size=(500, 20, 3)) @ mixed.T).astype(np.float32)
    known = np.ones(error.shape, dtype=bool)
    whitening = learn_whitening(error, known)
    parts = whitening.parts(error, known)
    assert parts.shape == error.shape
    assert float(parts.sum(axis=-1).mean()) == pytest.approx(1.0, rel=0.02)
    # As large as usual, but against each other: what is rare is far.
    usual, odd = (np.array([[2.0, sign * 2.0, 0.0]], np.float32) for sign in (1, -1))
    near, far = (float(whitening.parts(one, known[0, :1]).sum()) for one in (usual, odd))
    assert far > 20 * near


def test_an_unknown_channel_is_no_error_and_does_not_thin_the_others() -> None:
    whitening = Whitening(np.diag([1.0, 4.0]))
    error = np.array([[3.0, 5.0]], np.float32)
    parts = whitening.parts(error, np.array([[True, False]]))
    np.testing.assert_array_equal(parts, [[9.0, 0.0]])
    np.testing.assert_array_equal(whitening.parts(error, np.ones((1, 2), dtype=bool)), [[4.5, 50]])
    np.testing.assert_array_equal(whitening.sharpness, [1.0, 2.0])


def test_whitening_survives_json_and_a_channel_without_error() -> None:
    error = np.zeros((4, 5, 2), np.float32)
    error[..., 0] = np.random.default_rng(0).normal(size=(4, 5))
    whitening = learn_whitening(error, np.ones(error.shape, dtype=bool))
    assert np.isfinite(whitening.precision).all()
    np.testing.assert_array_equal(
        Whitening.from_json(whitening.to_json()).precision, whitening.precision
    )


def test_errors_that_grew_are_expected_to_grow_on_unless_much_was_seen() -> None:
    learned, unseen = np.full((9, 4, 2), 0.5), np.full((9, 4, 2), 4.5)
    assert growth_of(learned, unseen, trust=0.0) == pytest.approx(3.0)
    assert growth_of(learned, unseen, trust=0.5) == pytest.approx(3.0**0.5)
    assert growth_of(learned, unseen, trust=1.0) == 1.0
    assert growth_of(unseen, learned, trust=0.0) == 1.0
    assert trust_in(0.0) == 0.0
    assert 0.2 < trust_in(5.0) < 0.5 < trust_in(50.0) < trust_in(500.0) < 1.0


def test_the_shorter_the_time_the_more_the_highest_peaks_count() -> None:
    tail, peaks = (Threshold(np.array([[level, 1.0]]), 3, 0.5) for level in (2.0, 8.0))
    for trust, level in ((1.0, 2.0), (0.0, 8.0), (0.5, 4.0)):
        found = believed(tail, peaks, trust=trust, growth=1.5)
        np.testing.assert_allclose(found.level, [[1.5 * level, 1.5]])
        assert (found.peaks, found.tank_months) == (3, 0.5)


def test_windows_that_overlap_are_left_out_as_one_stretch() -> None:
    places = np.array([[1, 30], [0, 5], [0, 9], [0, 40], [0, 12]])
    assert merged(places, 6) == (
        LeftOut(0, 5, 18, REBUILT_WORST),
        LeftOut(0, 40, 46, REBUILT_WORST),
        LeftOut(1, 30, 36, REBUILT_WORST),
    )
    assert merged(np.empty((0, 2), np.int64), 6) == ()


def test_windows_are_drawn_for_each_network_from_its_tanks_and_the_given_time() -> None:
    block = np.arange(3 * 40, dtype=np.float32).reshape(3, 40, 1)
    mask = np.ones(block.shape, dtype=bool)
    numbers = np.array([0, 1, 0])
    drawn = draw(block, mask, slice(10, 30), numbers, window=5, count=8, seed=0)
    assert [set(one.places[:, 0].tolist()) for one in drawn] == [{0, 2}, {1}]
    windows = sliding_windows(block, 5)
    for one in drawn:
        assert one.places[:, 1].min() >= 10
        assert one.places[:, 1].max() <= 25
        np.testing.assert_array_equal(
            one.windows.values, windows[one.places[:, 0], one.places[:, 1]]
        )
    mask[1, 10:30] = False
    with pytest.raises(TrainingError, match="no stretch of 5 known steps"):
        draw(block, mask, slice(10, 30), numbers, window=5, count=8, seed=0)


def test_a_fault_in_the_history_is_left_out_and_named() -> None:
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(900) / 60)[None, :, None]
    values = np.array([1.0, 20.0]) + wave + rng.normal(0, 0.05, (2, 900, 2))
    values[1, 200:230] += rng.normal(0, 3.0, (30, 2))
    # A twentieth of the windows; those of the fault are 41 of about 1,060.
    detector = LSTMAutoencoder(window=12, units=(8,), epochs=6, max_windows=2000, trim=0.05)
    detector.fit(values)
    mine = [one for one in detector.left_out_ if one.tank == 1 and one.last > 200]
    assert any(one.first <= 200 and one.last >= 230 for one in mine)
    assert {one.why for one in detector.left_out_} == {REBUILT_WORST}


def test_thresholds_on_too_little_time_come_with_a_warning() -> None:
    values = np.random.default_rng(0).normal(size=(2, 120, 1))
    detector = LSTMAutoencoder(window=10, units=(3,), epochs=1)
    with pytest.warns(CalibrationWarning, match="set on 36 steps, fewer than 5 windows of 10"):
        detector.fit(values)
