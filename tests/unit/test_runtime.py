import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tankwatch.detectors.networks import networks
from tankwatch.detectors.runtime import BATCH, OnnxNetwork

WINDOW, CHANNELS, UNITS = 5, 2, 2


def recurrent_graph() -> bytes:
    """Return an LSTM of two cells over windows (n, 5, 2), output (n, 5, 2)."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in (("w", (1, 8, CHANNELS)), ("r", (1, 8, UNITS)), ("b", (1, 16)))
    ]
    axis = numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")
    shape: list[str | int | None] = ["n", WINDOW, CHANNELS]
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["windows"], ["by_step"], perm=[1, 0, 2]),
            helper.make_node("LSTM", ["by_step", "w", "r", "b"], ["every"], hidden_size=UNITS),
            helper.make_node("Squeeze", ["every", "axis"], ["steps"]),
            helper.make_node("Transpose", ["steps"], ["reconstruction"], perm=[1, 0, 2]),
        ],
        "one_layer",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("reconstruction", TensorProto.FLOAT, shape)],
        [*weights, axis],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def graph() -> bytes:
    return recurrent_graph()


def some_windows(count: int) -> NDArray[np.float32]:
    drawn = np.random.default_rng(1).normal(size=(count, WINDOW, CHANNELS))
    return drawn.astype(np.float32)


def by_hand(graph: bytes, window: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what the LSTM gives for one window, from the equations of the ONNX operator."""
    stored = {
        item.name: numpy_helper.to_array(item).astype(np.float64)
        for item in onnx.load_from_string(graph).graph.initializer
    }
    w, r, b = stored["w"][0], stored["r"][0], stored["b"][0]
    hidden, cell, steps = np.zeros(UNITS), np.zeros(UNITS), []
    for step in window.astype(np.float64):
        i, o, f, c = (w @ step + r @ hidden + b[:8] + b[8:]).reshape(4, UNITS)
        i, o, f = (1 / (1 + np.exp(-gate)) for gate in (i, o, f))
        cell = f * cell + i * np.tanh(c)
        hidden = o * np.tanh(cell)
        steps.append(hidden)
    return np.array(steps)


def test_the_graph_is_computed_as_its_operator_is_defined(graph: bytes) -> None:
    windows = some_windows(3)
    output = OnnxNetwork(graph).reconstruct(windows)
    assert output.dtype == np.float32
    assert_allclose(output, np.stack([by_hand(graph, each) for each in windows]), atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 7, BATCH + 1])
def test_any_number_of_windows_keeps_its_shape(graph: bytes, count: int) -> None:
    assert OnnxNetwork(graph).reconstruct(some_windows(count)).shape == (count, WINDOW, CHANNELS)


def test_the_same_windows_give_the_same_bits(graph: bytes) -> None:
    windows = some_windows(300)
    first, second = OnnxNetwork(graph), OnnxNetwork(graph, threads=1)
    assert_array_equal(first.reconstruct(windows), first.reconstruct(windows))
    assert_array_equal(first.reconstruct(windows), second.reconstruct(windows))


def test_a_window_is_scored_alike_alone_and_in_company(graph: bytes) -> None:
    windows, runtime = some_windows(50), OnnxNetwork(graph)
    together = runtime.reconstruct(windows)
    alone = np.concatenate([runtime.reconstruct(windows[i : i + 1]) for i in range(50)])
    assert_allclose(alone, together, atol=1e-6)


def test_windows_may_be_views_and_of_another_float_type(graph: bytes) -> None:
    windows, runtime = some_windows(20), OnnxNetwork(graph)
    expected = runtime.reconstruct(windows)[::2]
    assert_allclose(runtime.reconstruct(windows[::2]), expected, atol=1e-6)
    assert_allclose(
        runtime.reconstruct(windows[::2].astype(np.float64)),
        expected,
        atol=1e-6,
    )


def test_a_graph_is_loaded_once(graph: bytes) -> None:
    assert networks(graph) is networks(bytes(graph))
