"""One contract for every detector."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tankwatch.detectors.autoencoder import LSTMAutoencoder
from tankwatch.detectors.base import Detector
from tankwatch.detectors.baselines import IsolationForestBaseline, PCABaseline, RobustZBaseline
from tankwatch.detectors.catalogue import DETECTORS, build_detector, restore_detector
from tankwatch.detectors.forecaster import LSTMForecaster
from tankwatch.detectors.fused import FusedDetector
from tankwatch.detectors.silence import RESET_STEPS
from tankwatch.detectors.streaming import WARM_STEPS, StreamingDetector
from tankwatch.errors import ModelError, ShapeError
from tankwatch.settings import Settings

TANKS, STEPS, LEARNED = 4, 1800, 1200
FAULT = slice(1500, 1560)


def quiet(seed: int = 0, steps: int = STEPS) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    day = np.sin(2 * np.pi * np.arange(steps) / 400)[None, :, None]
    middle = np.array([[1.0, 20.0]]) + np.arange(TANKS)[:, None] * np.array([[0.3, 5.0]])
    noise = rng.normal(0, 1, (TANKS, steps, 2)) * np.array([0.03, 0.2])
    return np.asarray(middle[:, None, :] + day * np.array([0.3, 2.0]) + noise)


def small_autoencoder() -> LSTMAutoencoder:
    return LSTMAutoencoder(window=12, units=(6,), epochs=3, max_windows=400, random_state=3)


def small_forecaster() -> LSTMForecaster:
    return LSTMForecaster(units=(8,), epochs=4, chunk=60, random_state=3)


def small_fused() -> FusedDetector:
    return FusedDetector(units=(8,), epochs=4, chunk=60, random_state=3)


MAKERS: dict[str, Callable[[], Detector]] = {
    "fused": small_fused,
    "forecaster": small_forecaster,
    "isolation_forest": IsolationForestBaseline,
    "autoencoder": small_autoencoder,
    "robust_z": RobustZBaseline,
    "pca": PCABaseline,
}


@dataclass(frozen=True)
class Case:
    detector: Detector
    faulty: NDArray[np.float64]


STREAMING = sorted(name for name, kind in DETECTORS.items() if issubclass(kind, StreamingDetector))
WINDOWED = sorted(set(MAKERS) - set(STREAMING))


@cache
def made(name: str) -> Case:
    values = quiet()
    detector = MAKERS[name]().fit(values[:, :LEARNED])
    faulty = values.copy()
    faulty[2, FAULT, 1] += 25.0
    return Case(detector, faulty)


@pytest.fixture(params=sorted(MAKERS))
def case(request: pytest.FixtureRequest) -> Case:
    return made(request.param)


@dataclass(frozen=True)
class StreamingCase:
    detector: StreamingDetector
    faulty: NDArray[np.float64]


@pytest.fixture(params=STREAMING)
def streaming(request: pytest.FixtureRequest) -> StreamingCase:
    detector, faulty = made(request.param).detector, made(request.param).faulty
    assert isinstance(detector, StreamingDetector)
    return StreamingCase(detector, faulty)


@pytest.fixture(params=WINDOWED)
def windowed(request: pytest.FixtureRequest) -> Case:
    return made(request.param)


def test_every_detector_is_in_the_contract() -> None:
    assert set(MAKERS) == set(DETECTORS)


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_parameters_are_stored_cloned_and_set(name: str) -> None:
    detector = MAKERS[name]()
    copy = clone(detector)
    assert copy.get_params() == detector.get_params()
    assert copy.set_params(budget=2.0).budget == 2.0
    with pytest.raises(NotFittedError):
        detector.score_samples(quiet())


def test_scores_have_the_shape_and_sign_of_the_contract(case: Case) -> None:
    scores = case.detector.score_samples(case.faulty)
    assert scores.shape == (TANKS, STEPS)
    assert scores.dtype == np.float32
    judged = np.isfinite(scores)
    needed = case.detector.context_steps
    if isinstance(case.detector, StreamingDetector):
        needed = WARM_STEPS
    assert judged[:, needed:].all()
    assert (scores[judged] >= 0).all()
    labels = case.detector.predict(case.faulty)
    assert np.array_equal(labels == -1, np.nan_to_num(scores) >= 1.0)
    assert set(np.unique(labels)) == {-1, 1}


def test_a_plain_fault_is_found_with_its_channel_and_direction(case: Case) -> None:
    judged = case.detector.judge(case.faulty)
    middle = slice(FAULT.start + 5, FAULT.stop - 3)
    if case.detector.name == "forecaster":  # gets used to a shift, as a forecaster must
        middle = slice(FAULT.start, FAULT.start + 10)
    assert (judged.score[2, middle] >= 1.0).all()
    assert (judged.channel[2, middle] == 1).all()
    assert (judged.share[2, middle] > 0.5).all()
    assert judged.direction[2, FAULT.start : FAULT.start + 5].sum() >= 3
    calm = np.delete(judged.score, 2, axis=0)[:, LEARNED:]
    assert (calm >= 1.0).mean() < 0.01


def test_a_stretch_scores_the_same_in_pieces(windowed: Case) -> None:
    detector, faulty = windowed.detector, windowed.faulty
    whole = detector.score_samples(faulty)
    context = detector.context_steps
    for first, last in ((300, 301), (301, 420), (1490, 1500), (1500, 1501), (1501, 1800)):
        piece = detector.score_samples(faulty[:, first - context : last])
        np.testing.assert_allclose(piece[:, context:], whole[:, first:last], rtol=2e-3, atol=1e-4)


def test_a_tanks_scores_do_not_depend_on_its_neighbours(case: Case) -> None:
    whole = case.detector.judge(case.faulty).score
    alone = case.detector.judge(case.faulty[[3, 1]], rows=[3, 1]).score
    np.testing.assert_allclose(alone, whole[[3, 1]], rtol=2e-3, atol=1e-4)


def test_a_memory_continues_a_stretch_wherever_it_is_cut(streaming: StreamingCase) -> None:
    detector, faulty = streaming.detector, streaming.faulty
    mask = np.ones(faulty.shape, dtype=bool)
    mask[1, 400:430] = False
    mask[3, 600 : 600 + 2 * RESET_STEPS] = False
    mask[0, 900:1000, 1] = False
    whole = detector.judge(faulty, mask)
    rng = np.random.default_rng(5)
    cuts = [0, 1, 2, *sorted(rng.integers(3, STEPS, 25).tolist()), STEPS]
    state, pieces, expected = None, [], []
    for first, last in itertools.pairwise(dict.fromkeys(cuts)):
        part = (faulty[:, first:last], mask[:, first:last])
        judged, state = detector.update(*part, state)
        state = state.astype("<f8")
        pieces.append(judged.score)
        assert judged.expected is not None
        expected.append(judged.expected)
    joined = np.concatenate(pieces, axis=1)
    np.testing.assert_array_equal(np.isnan(joined), np.isnan(whole.score))
    np.testing.assert_allclose(joined, whole.score, rtol=1e-4, atol=1e-5)
    assert whole.expected is not None
    band = np.concatenate(expected, axis=1)
    np.testing.assert_allclose(band, whole.expected, rtol=1e-4, atol=1e-4)
    assert np.isnan(whole.score[3, 600 : 600 + 2 * RESET_STEPS + WARM_STEPS]).all()
    assert np.isfinite(whole.score[3, 600 + 2 * RESET_STEPS + WARM_STEPS :]).all()


def test_a_memory_serves_any_order_of_tanks(streaming: StreamingCase) -> None:
    detector, faulty = streaming.detector, streaming.faulty
    half = STEPS // 2
    whole = detector.judge(faulty).score
    _, state = detector.update(faulty[:, :half])
    order = [2, 0]
    judged, _ = detector.update(faulty[order, half:], None, state[order], rows=order)
    np.testing.assert_allclose(judged.score, whole[order, half:], rtol=1e-4, atol=1e-5)


def test_unknown_tanks_and_unknown_steps_are_not_judged(case: Case) -> None:
    judged = case.detector.judge(case.faulty[:2], rows=[-1, 0]).score
    assert np.isnan(judged[0]).all()
    mask = np.ones(case.faulty.shape, dtype=bool)
    mask[:, 700:800] = False
    scores = case.detector.judge(case.faulty, mask).score
    assert np.isnan(scores[:, 700:800]).all()
    later = 800 + WARM_STEPS + 40
    assert np.isfinite(scores[:, later:]).all()


def test_a_stored_detector_scores_as_before(case: Case) -> None:
    manifest: dict[str, Any] = json.loads(json.dumps(case.detector.to_manifest(), allow_nan=False))
    graph = getattr(case.detector, "onnx_", None)
    restored = restore_detector(case.detector.name, manifest, graph)
    before, after = case.detector.judge(case.faulty), restored.judge(case.faulty)
    np.testing.assert_array_equal(before.score, after.score)
    for edge, again in zip(
        case.detector.expected_band(case.faulty), restored.expected_band(case.faulty), strict=True
    ):
        np.testing.assert_array_equal(edge, again)


def test_the_expected_band_holds_most_normal_readings(case: Case) -> None:
    values = quiet(seed=9)
    low, high = case.detector.expected_band(values)
    known = np.isfinite(low)
    inside = (values >= low) & (values <= high)
    assert inside[known].mean() > 0.97
    assert (high[known] > low[known]).all()
    expected = case.detector.judge(values).expected
    assert expected is not None
    half = case.detector.half_width(np.arange(values.shape[0]))[:, None, :]
    np.testing.assert_allclose(expected - half, low, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(expected + half, high, rtol=1e-5, atol=1e-5)


def test_the_calibrated_threshold_is_not_crossed_on_calibration_time_beyond_its_budget(
    case: Case,
) -> None:
    assert case.detector.calibration_rate_ * case.detector.threshold_.tank_months <= 1


def test_blocks_of_the_wrong_shape_are_refused(case: Case) -> None:
    with pytest.raises(ShapeError, match="a detector takes a block"):
        case.detector.score_samples(case.faulty[0])
    with pytest.raises(ShapeError, match="learned 2 channels, the block has 1"):
        case.detector.score_samples(case.faulty[:, :, :1])
    with pytest.raises(ShapeError, match="say with `rows`"):
        case.detector.judge(np.concatenate([case.faulty, case.faulty]))
    with pytest.raises(ShapeError, match="does not fit the block"):
        case.detector.judge(case.faulty, np.ones((1, 1, 1), dtype=bool))


@pytest.mark.parametrize("name", ["robust_z", "pca", "isolation_forest"])
def test_too_little_history_is_refused(name: str) -> None:
    with pytest.raises(ShapeError, match="give more history"):
        MAKERS[name]().fit(quiet()[:, :12])


def test_the_same_seed_gives_the_same_scores(case: Case) -> None:
    again = MAKERS[case.detector.name]().fit(quiet()[:, :LEARNED])
    np.testing.assert_allclose(
        again.score_samples(case.faulty), case.detector.score_samples(case.faulty), rtol=1e-3
    )


def test_detectors_are_built_from_settings_and_unknown_ones_refused() -> None:
    settings = Settings(
        model={"window": 24, "units": (8, 4)},  # type: ignore[arg-type]
        train={"false_alarms_per_tank_month": 2.0},  # type: ignore[arg-type]
    )
    built = build_detector("autoencoder", settings)
    assert isinstance(built, LSTMAutoencoder)
    assert (built.window, built.units, built.budget, built.merge_gap) == (24, (8, 4), 2.0, 40)
    with pytest.raises(ModelError, match="choose one of fused, forecaster, autoencoder"):
        build_detector("magic", settings)
    manifest = RobustZBaseline().fit(quiet()).to_manifest()
    with pytest.raises(ModelError, match="train again"):
        restore_detector("autoencoder", {**manifest, "parameters": {}, "learned": _LEARNED}, None)
    old = {name: value for name, value in _LEARNED.items() if name != "growth"}
    with pytest.raises(ModelError, match="of another version of tankwatch, it has no 'growth'"):
        restore_detector("autoencoder", {**manifest, "parameters": {}, "learned": old}, b"")
    of_four_views = {"stays": [[{"width": 0.1, "lowest": 0, "longest": [5.0]}]]}
    with pytest.raises(ModelError, match="it has no 'fusion'"):
        restore_detector("fused", {**manifest, "parameters": {}, "learned": of_four_views}, b"")


_LEARNED = {
    "held_out_error": 0.1,
    "networks": [0, 0, 0, 0],
    "whitening": {"precision": [[1.0, 0.0], [0.0, 1.0]]},
    "growth": 1.0,
    "epochs_run": 1,
    "versions": {},
    "export_difference": 0.0,
}
