"""The stateful forecaster: shapes, carried state, export, and a problem that it must learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tankwatch.detectors.runtime import OnnxForecaster
from tankwatch.errors import ModelError, TrainingError
from tankwatch.models.child import Run, train_forecasters
from tankwatch.models.forecaster import build_forecaster, fit_forecaster, run_in_keras, zero_state
from tankwatch.models.forecaster_export import check_forecaster, export_forecaster
from tankwatch.models.forecaster_spec import ForecasterSpec, SeriesSet

Floats = NDArray[np.float32]
SPECS = [
    ForecasterSpec(units=(5,), cell="lstm"),
    ForecasterSpec(units=(6, 4), cell="lstm"),
    ForecasterSpec(units=(5,), cell="gru"),
    ForecasterSpec(units=(4, 3), cell="gru"),
]


def draws(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_pieces_with_a_carried_state_are_the_whole(spec: ForecasterSpec) -> None:
    model, series = build_forecaster(spec, 3, 2), draws(4, 30, 3)
    mean, scale, state = run_in_keras(model, spec, series)
    assert mean.shape == scale.shape == (4, 30, 2)
    assert (scale > 0).all()
    first = model([tf.constant(series[:, :11]), *zero_state(spec, 4)])
    second = model([tf.constant(series[:, 11:]), *first[2:]])
    pieces = np.concatenate([first[0], second[0]], axis=1)
    np.testing.assert_allclose(pieces, mean, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(second[2:], axis=1), state, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_the_exported_graph_streams_what_keras_gives_at_once(
    spec: ForecasterSpec, tmp_path: Path
) -> None:
    model, series = build_forecaster(spec, 3, 2), draws(4, 20, 3, seed=1)
    graph = export_forecaster(model, spec)
    assert check_forecaster(model, spec, graph, series) <= 1e-5
    mean, scale, end = run_in_keras(model, spec, series)
    network = OnnxForecaster(graph)
    state: Any = np.zeros((4, network.state_size), np.float32)
    order = np.array([2, 0, 3, 1])
    for step in range(20):
        np.save(tmp_path / "state.npy", state)
        state = np.load(tmp_path / "state.npy")
        now, width, state = network.run(series[order, step : step + 1], state)
        np.testing.assert_allclose(now[:, 0], mean[order, step], atol=1e-5)
        np.testing.assert_allclose(width[:, 0], scale[order, step], atol=1e-5)
    np.testing.assert_allclose(state, end[order], atol=1e-5)
    alone, _, _ = network.run(series[2:3], np.zeros((1, network.state_size), np.float32))
    np.testing.assert_allclose(alone[0], mean[2], atol=1e-5)
    for rows, steps in ((0, 5), (2, 0)):
        nothing, _, same = network.run(
            np.zeros((rows, steps, 3), np.float32), np.zeros((rows, network.state_size), np.float32)
        )
        assert nothing.shape == (rows, steps, 2)
        assert same.shape == (rows, network.state_size)


@pytest.mark.parametrize("steps", [1, 7, 13, 100])
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_chunks_of_any_length_give_what_each_stretch_gives_in_one_piece(
    spec: ForecasterSpec, steps: int
) -> None:
    model, inputs = build_forecaster(spec, 3, 2), draws(4, 30, 3, seed=2)
    resets = np.zeros((4, 30), dtype=bool)
    resets[1, 13] = resets[2, 9] = resets[2, 20] = True
    mask = np.ones((4, 30, 2), dtype=bool)
    series = SeriesSet(inputs, draws(4, 30, 2), mask, resets)
    means, counted, state = [], [], zero_state(spec, 4)
    for chunk in series.chunks(steps):
        goes_on = (~chunk.fresh[:, None]).astype(np.float32)
        mean, _, *state = model([tf.constant(chunk.inputs), *(part * goes_on for part in state)])
        means.append(np.asarray(mean))
        counted.append(chunk.mask)
    found, judged = np.concatenate(means, axis=1), np.concatenate(counted, axis=1)
    for row, begins in ((0, [0]), (1, [0, 13]), (2, [0, 9, 20]), (3, [0])):
        # After a reset nothing counts until the next chunk, which begins anew.
        starts = [min(-(-begin // steps) * steps, 30) for begin in begins]
        for begin, start, end in zip(begins, starts, [*begins[1:], 30], strict=True):
            assert not judged[row, begin : min(start, end)].any()
            if start < end:
                alone, _, after = run_in_keras(model, spec, inputs[[row], start:end])
                assert judged[row, start:end].all()
                np.testing.assert_allclose(found[row, start:end], alone[0], atol=1e-5)
                if end == 30:
                    packed = np.concatenate([np.asarray(part)[row] for part in state])
                    np.testing.assert_allclose(packed, after[0], atol=1e-5)


def wave(rows: int, steps: int, seed: int) -> SeriesSet:
    """Return series whose next value follows from their past."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6.28, (rows, 1))
    values = np.sin(np.arange(steps + 1)[None] / 5.0 + phase) + rng.normal(
        0, 0.02, (rows, steps + 1)
    )
    series = values[..., None].astype(np.float32)
    return SeriesSet(series[:, :-1], series[:, 1:], np.ones((rows, steps, 1), dtype=bool))


def test_a_wave_is_learned_and_masked_targets_do_not_count() -> None:
    spec = ForecasterSpec(units=(8,), chunk=40, epochs=15, learning_rate=0.02, seed=1)
    train, later = wave(16, 200, 0), wave(8, 120, 1)
    spoiled = train.targets.copy()
    spoiled[:, 50:60] = 99.0
    mask = train.mask.copy()
    mask[:, 50:60] = False
    losses: list[float] = []
    model = fit_forecaster(
        spec,
        SeriesSet(train.inputs, spoiled, mask),
        later,
        lambda told: losses.append(told["held_out_loss"]),
    )
    mean, _, _ = run_in_keras(model, spec, later.inputs)
    error = float(np.abs(mean[:, 20:] - later.targets[:, 20:]).mean())
    constant = float(np.abs(later.targets[:, 20:] - later.targets.mean()).mean())
    assert error < 0.25 * constant
    assert losses[-1] < losses[0] - 0.5


def test_specs_and_tasks_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ModelError, match="no forecaster can be built"):
        ForecasterSpec(units=())
    with pytest.raises(ModelError, match="no forecaster can be built"):
        ForecasterSpec(cell="rnn")
    with pytest.raises(ModelError, match="a spec has the keys"):
        ForecasterSpec.from_json({"units": [3]})
    assert ForecasterSpec.from_json(SPECS[1].to_json()) == SPECS[1]
    empty = wave(2, 10, 0)
    nothing = SeriesSet(empty.inputs, empty.targets, np.zeros_like(empty.mask))
    with pytest.raises(TrainingError, match="give more history"):
        train_forecasters([(nothing, empty)], spec=SPECS[0], run=Run())
