"""A trained forecaster as an ONNX graph that carries its state.  For the training child only."""

import keras
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tankwatch.errors import TrainingError
from tankwatch.models.forecaster import SMALLEST_SCALE, run_in_keras
from tankwatch.models.forecaster_spec import ForecasterSpec
from tankwatch.models.graph import IR_VERSION, LARGEST_DIFFERENCE, OPSET, Graph


def export_forecaster(model: keras.Model, spec: ForecasterSpec) -> bytes:
    """Return the network as ONNX.

    Inputs are ``series`` (n, t, features) and ``state`` (n, size), outputs ``mean`` and ``scale``
    (n, t, channels) and ``new_state`` (n, size).
    """
    features = model.get_layer("series").output.shape[-1]
    channels = model.get_layer("mean").units
    parts = 2 if spec.cell == "lstm" else 1
    sizes = [units for units in spec.units for _ in range(parts)]
    graph = Graph()
    names = [f"begin_{index}" for index in range(len(sizes))]
    split = graph.constant("state_sizes", np.array(sizes, dtype=np.int64))
    graph.nodes.append(helper.make_node("Split", ["state", split], names, axis=1))
    hidden = graph.node("Transpose", ["series"], "by_step", perm=[1, 0, 2])
    ends: list[str] = []
    for index in range(len(spec.units)):
        begin = names[index * parts : (index + 1) * parts]
        hidden, new = graph.recurrent_with_state(model.get_layer(f"layer_{index}"), hidden, begin)
        ends += new
    by_series = graph.node("Transpose", [hidden], "by_series", perm=[1, 0, 2])
    for name in ("mean", "raw_scale"):
        kernel, bias = model.get_layer(name).get_weights()
        product = graph.node(
            "MatMul", [by_series, graph.constant(f"{name}_w", kernel)], f"{name}_product"
        )
        graph.node("Add", [product, graph.constant(f"{name}_b", bias)], name)
    soft = graph.node("Softplus", ["raw_scale"], "soft")
    least = graph.constant("least", np.array(SMALLEST_SCALE, dtype=np.float32))
    graph.node("Add", [soft, least], "scale")
    graph.node("Concat", ends, "new_state", axis=1)
    values = ["n", "t", channels]
    info = helper.make_tensor_value_info
    built = helper.make_graph(
        graph.nodes,
        "stateful_forecaster",
        [
            info("series", TensorProto.FLOAT, ["n", "t", features]),
            info("state", TensorProto.FLOAT, ["n", sum(sizes)]),
        ],
        [
            info("mean", TensorProto.FLOAT, values),
            info("scale", TensorProto.FLOAT, values),
            info("new_state", TensorProto.FLOAT, ["n", sum(sizes)]),
        ],
        graph.weights,
    )
    proto = helper.make_model(built, opset_imports=[helper.make_opsetid("", OPSET)])
    proto.ir_version = IR_VERSION
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


def check_forecaster(
    model: keras.Model, spec: ForecasterSpec, graph: bytes, inputs: NDArray[np.float32]
) -> float:
    """Return the largest difference between the graph, run in two parts, and Keras in one.

    Raises:
        TrainingError: it is above 1e-5 of the values' size.
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    size = session.get_inputs()[1].shape[1]
    state = np.zeros((len(inputs), size), np.float32)
    half = inputs.shape[1] // 2
    means, scales = [], []
    for part in (inputs[:, :half], inputs[:, half:]):
        mean, scale, state = session.run(None, {"series": part, "state": state})
        means.append(mean)
        scales.append(scale)
    found = (np.concatenate(means, axis=1), np.concatenate(scales, axis=1), state)
    trained = run_in_keras(model, spec, inputs)
    difference = max(
        float((np.abs(one - other) / np.maximum(np.abs(other), 1.0)).max())
        for one, other in zip(found, trained, strict=True)
    )
    if not difference <= LARGEST_DIFFERENCE:
        message = (
            f"the exported graph differs from the trained network by {difference:.2g}, more than "
            f"{LARGEST_DIFFERENCE:g}: the model is not used; train again with another model.seed"
        )
        raise TrainingError(message)
    return difference
