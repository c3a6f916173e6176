"""An ONNX graph written from Keras weights.  For the training child only.

Layers become the fused ``LSTM`` and ``GRU`` operators of ONNX (opset 17); no converter is needed.
``docs/decisions/0003-onnx-from-weights.md`` has the speed beside that of a traced conversion.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9
LARGEST_DIFFERENCE = 1e-5

Shape = tuple[int | str, ...]


class Graph:
    """Nodes and weights of a graph under construction; tensors run (steps, n, features)."""

    def __init__(self, weights: list[onnx.TensorProto] | None = None) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = [] if weights is None else weights

    def body(self) -> "Graph":
        """Return a graph for a body of a loop, whose weights are those of this one."""
        return Graph(self.weights)

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add a weight, and return its name."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node with one output, and return the output's name."""
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def dense(self, layer: keras.Layer, source: str) -> str:
        """Add a dense layer over the last axis, at every step alike, and return its output."""
        kernel, bias = (
            self.constant(f"{layer.name}_{part}", value)
            for part, value in zip("wb", layer.get_weights(), strict=True)
        )
        product = self.node("MatMul", [source, kernel], f"{layer.name}_product")
        return self.node("Add", [product, bias], f"{layer.name}_out")

    def recurrent(self, layer: keras.Layer, source: str, *, last_only: bool) -> str:
        """Add a recurrent layer: (steps, n, units) comes out, or (n, units) of the last step."""
        every, last = f"{layer.name}_every", f"{layer.name}_last"
        self.cell(layer, [source], ["", last] if last_only else [every])
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
        self.cell(layer, [source, *initial], [f"{name}_every", *ends])
        return self._squeeze(f"{name}_every", 1), [self._squeeze(end, 0) for end in ends]

    def cell(self, layer: keras.Layer, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Add the fused operator of a layer or of a single cell.

        Args:
            layer: LSTM or GRU, or a cell of either.
            inputs: names of the source (steps, n, features) and, if any, of the first states, each
                (1, n, units).
            outputs: names of every output and of the last states.
        """
        is_lstm = isinstance(layer, keras.layers.LSTM | keras.layers.LSTMCell)
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

    def serialized(
        self, name: str, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]
    ) -> bytes:
        """Return the checked model.

        Args:
            name: of the graph.
            inputs: shape of each input by name; an axis of any length has a name.
            outputs: likewise.
        """
        built = helper.make_graph(
            self.nodes, name, _declared(inputs), _declared(outputs), self.weights
        )
        proto = helper.make_model(built, opset_imports=[helper.make_opsetid("", OPSET)])
        proto.ir_version = IR_VERSION
        onnx.checker.check_model(proto)
        return bytes(proto.SerializeToString())

    def scan(self, body: "Graph", states: Sequence[str], clock: str, output: str) -> str:
        """Run `body` once for each step of `clock`, and return what it gave at each, on one axis.

        The states of the body are named ``before_<index>`` and ``after_<index>``, what it gives at
        a step ``step_output``.

        Args:
            body: nodes of one step.
            states: names of the states before the first step.
            clock: name of a tensor (steps, 1) that only counts.
            output: name of what is returned, with a new first axis of steps.
        """
        before = [f"before_{index}" for index in range(len(states))]
        after = [f"after_{index}" for index in range(len(states))]
        inner = helper.make_graph(
            body.nodes,
            "step",
            [_undeclared(name) for name in (*before, "tick")],
            [_undeclared(name) for name in (*after, "step_output")],
        )
        ends = [f"{output}_{name}" for name in after]
        node = helper.make_node(
            "Scan", [*states, clock], [*ends, output], body=inner, num_scan_inputs=1
        )
        self.nodes.append(node)
        return output


def _declared(shapes: Mapping[str, Shape]) -> list[onnx.ValueInfoProto]:
    info = helper.make_tensor_value_info
    return [info(name, TensorProto.FLOAT, list(shape)) for name, shape in shapes.items()]


def _undeclared(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def _lstm_gates(units: int) -> NDArray[np.int64]:
    """Return where ONNX's gates (input, output, forget, cell) stand in Keras (i, f, c, o)."""
    i, f, c, o = np.arange(4 * units).reshape(4, units)
    return np.concatenate([i, o, f, c])
