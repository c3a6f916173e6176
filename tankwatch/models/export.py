"""A trained autoencoder as an ONNX graph, checked against Keras.  For the training child only.

The graph is written from the weights with the fused ``LSTM`` and ``GRU`` operators of ONNX (opset
17): no converter is needed, and ``docs/decisions/0003-onnx-from-weights.md`` has the speed beside a
traced conversion of the same network.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tankwatch.errors import TrainingError
from tankwatch.models.spec import AutoencoderSpec

OPSET = 17
IR_VERSION = 9
LARGEST_DIFFERENCE = 1e-5


class Graph:
    """Nodes and weights of a graph under construction; tensors run (steps, n, features)."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add a weight, and return its name."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node with one output, and return the output's name."""
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def recurrent(self, layer: keras.Layer, source: str, *, last_only: bool) -> str:
        """Add a recurrent layer: (steps, n, units) comes out, or (n, units) of the last step."""
        every, last = f"{layer.name}_every", f"{layer.name}_last"
        self._cell(layer, [source], ["", last] if last_only else [every])
        return self._squeeze(last if last_only else every, 0 if last_only else 1)

    def recurrent_with_state(
        self, layer: keras.Layer, source: str, begin: Sequence[str]
    ) -> tuple[str, list[str]]:
        """Add a recurrent layer that begins with a state: outputs of every step, and the end state.

        Args:
            layer: LSTM or GRU.
            source: (steps, n, features).
            begin: names of its state tensors (n, units), two for an LSTM.
        """
        name = layer.name
        axis = self.constant(f"{name}_new_axis", np.array([0], dtype=np.int64))
        initial = [self.node("Unsqueeze", [part, axis], f"{part}_first") for part in begin]
        ends = [f"{name}_end_{index}" for index in range(len(begin))]
        self._cell(layer, [source, *initial], [f"{name}_every", *ends])
        return self._squeeze(f"{name}_every", 1), [self._squeeze(end, 0) for end in ends]

    def _cell(self, layer: keras.Layer, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Add the fused operator; behind the source, `inputs` may name initial states."""
        is_lstm = isinstance(layer, keras.layers.LSTM)
        kernel, recurrent, bias = layer.get_weights()
        name, units = layer.name, layer.units
        gates = _lstm_gates(units) if is_lstm else np.arange(3 * units)
        biases = np.stack([bias, np.zeros_like(bias)]) if is_lstm else bias
        weights = [
            self.constant(f"{name}_w", kernel.T[gates][None]),
            self.constant(f"{name}_r", recurrent.T[gates][None]),
            self.constant(f"{name}_b", biases[:, gates].reshape(1, -1)),
        ]
        attributes = {"hidden_size": units} | ({} if is_lstm else {"linear_before_reset": 1})
        initial = ["", *inputs[1:]] if len(inputs) > 1 else []
        operator = "LSTM" if is_lstm else "GRU"
        everything = [inputs[0], *weights, *initial]
        self.nodes.append(helper.make_node(operator, everything, list(outputs), **attributes))

    def _squeeze(self, source: str, axis: int) -> str:
        name = self.constant(f"{source}_axis", np.array([axis], dtype=np.int64))
        return self.node("Squeeze", [source, name], f"{source}_out")


def export_onnx(model: keras.Model, spec: AutoencoderSpec) -> bytes:
    """Return the network as ONNX, from ``windows`` (n, w, c) to ``reconstruction`` (n, w, c)."""
    channels = model.input_shape[-1]
    graph = Graph()
    hidden = graph.node("Transpose", ["windows"], "by_step", perm=[1, 0, 2])
    for index in range(len(spec.units)):
        layer = model.get_layer(f"encoder_{index}")
        hidden = graph.recurrent(layer, hidden, last_only=index == len(spec.units) - 1)
    axis = graph.constant("repeat_axis", np.array([0], dtype=np.int64))
    times = graph.constant("repeat_times", np.array([spec.window, 1, 1], dtype=np.int64))
    hidden = graph.node("Unsqueeze", [hidden, axis], "code")
    hidden = graph.node("Tile", [hidden, times], "repeated")
    for index in range(len(spec.units)):
        hidden = graph.recurrent(model.get_layer(f"decoder_{index}"), hidden, last_only=False)
    head = model.get_layer("head")
    if spec.head == "dense":
        kernel, bias = head.get_weights()
        hidden = graph.node("MatMul", [hidden, graph.constant("head_w", kernel)], "head_product")
        hidden = graph.node("Add", [hidden, graph.constant("head_b", bias)], "head_out")
    else:
        hidden = graph.recurrent(head, hidden, last_only=False)
    graph.node("Transpose", [hidden], "reconstruction", perm=[1, 0, 2])
    shape = ["n", spec.window, channels]
    built = helper.make_graph(
        graph.nodes,
        "sequence_autoencoder",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("reconstruction", TensorProto.FLOAT, shape)],
        graph.weights,
    )
    proto = helper.make_model(built, opset_imports=[helper.make_opsetid("", OPSET)])
    proto.ir_version = IR_VERSION
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


def check_export(model: keras.Model, graph: bytes, windows: NDArray[np.float32]) -> float:
    """Return the largest difference between the graph and Keras on `windows` (n, w, c).

    Raises:
        TrainingError: it is above 1e-5.
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    exported = session.run(None, {"windows": windows})[0]
    trained = np.asarray(model(windows, training=False))
    difference = float(np.abs(exported - trained).max())
    if not difference <= LARGEST_DIFFERENCE:
        message = (
            f"the exported graph differs from the trained network by {difference:.2g}, more than "
            f"{LARGEST_DIFFERENCE:g}: the model is not used; train again with another model.seed"
        )
        raise TrainingError(message)
    return difference


def _lstm_gates(units: int) -> NDArray[np.int64]:
    """Return where ONNX's gates (input, output, forget, cell) stand in Keras (i, f, c, o)."""
    i, f, c, o = np.arange(4 * units).reshape(4, units)
    return np.concatenate([i, o, f, c])
