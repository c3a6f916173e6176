"""A trained autoencoder as an ONNX graph, checked against Keras.  For the training child only."""

import keras
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tankwatch.errors import TrainingError
from tankwatch.models.decoder import FeedbackDecoder
from tankwatch.models.graph import LARGEST_DIFFERENCE, Graph
from tankwatch.models.spec import AutoencoderSpec


def export_onnx(model: keras.Model, spec: AutoencoderSpec) -> bytes:
    """Return the network as ONNX, from ``windows`` (n, w, c) to ``reconstruction`` (n, w, c)."""
    graph = Graph()
    hidden = graph.node("Transpose", ["windows"], "by_step", perm=[1, 0, 2])
    for index in range(len(spec.units)):
        layer = model.get_layer(f"encoder_{index}")
        hidden = graph.recurrent(layer, hidden, last_only=index == len(spec.units) - 1)
    first = graph.constant("first_axis", np.array([0], dtype=np.int64))
    code = graph.node("Unsqueeze", [hidden, first], "code")
    decode = _repeated if spec.decoder == "repeat" else _fed_back
    rebuilt = decode(graph, model, spec, code)
    graph.node("Transpose", [rebuilt], "reconstruction", perm=[1, 0, 2])
    shape = ("n", spec.window, model.input_shape[-1])
    return graph.serialized("sequence_autoencoder", {"windows": shape}, {"reconstruction": shape})


def _repeated(graph: Graph, model: keras.Model, spec: AutoencoderSpec, code: str) -> str:
    """Add the decoder that is given the code at every step; (1, n, units) becomes (w, n, c)."""
    times = graph.constant("repeat_times", np.array([spec.window, 1, 1], dtype=np.int64))
    hidden = graph.node("Tile", [code, times], "repeated")
    for index in range(len(spec.units)):
        hidden = graph.recurrent(model.get_layer(f"decoder_{index}"), hidden, last_only=False)
    head = model.get_layer("head")
    if spec.head == "dense":
        return graph.dense(head, hidden)
    return graph.recurrent(head, hidden, last_only=False)


def _fed_back(graph: Graph, model: keras.Model, spec: AutoencoderSpec, code: str) -> str:
    """Add the decoder whose output is its next input; (1, n, units) becomes (w, n, c).

    A ``Scan`` runs the step; in it every tensor is (1, n, features), a series of one step, which is
    what the fused operators take for a source, give, and take for a state.
    """
    decoder: FeedbackDecoder = model.get_layer("feedback")
    step = decoder.step
    rows = graph.node("Shape", [code], "rows", start=1, end=2)
    one = graph.constant("one_step", np.array([1], dtype=np.int64))
    states = []
    for index, size in enumerate(step.state_size):
        width = graph.constant(f"width_{index}", np.array([size], dtype=np.int64))
        shape = graph.node("Concat", [one, rows, width], f"shape_{index}", axis=0)
        states.append(graph.node("ConstantOfShape", [shape], f"blank_{index}"))
    states[1] = code  # the code is the first hidden state; all else begins as zeros
    body = graph.body()
    output = "before_0"
    for index, layer in enumerate(step.layers):
        places = [1 + index * step.parts + part for part in range(step.parts)]
        before, after = ([f"{when}_{place}" for place in places] for when in ("before", "after"))
        # The output of a cell is its new hidden state.
        body.cell(layer, [output, *before], ["", *after])
        output = after[0]
    if step.dense is not None:
        output = body.dense(step.dense, output)
    body.node("Identity", [output], "after_0")
    body.node("Identity", [output], "step_output")
    clock = graph.constant("clock", np.zeros((spec.window, 1), dtype=np.float32))
    every = graph.scan(body, states, clock, "decoded")
    single = graph.constant("single_axis", np.array([1], dtype=np.int64))
    return graph.node("Squeeze", [every, single], "decoded_out")


def check_export(model: keras.Model, graph: bytes, windows: NDArray[np.float32]) -> float:
    """Return the largest difference between the graph and Keras on `windows` (n, w, c).

    Raises:
        TrainingError: it is above 1e-5, or above 1e-5 of values beyond 1.
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    exported = session.run(None, {"windows": windows})[0]
    trained = np.asarray(model(windows, training=False))
    difference = float((np.abs(exported - trained) / np.maximum(np.abs(trained), 1.0)).max())
    if not difference <= LARGEST_DIFFERENCE:
        message = (
            f"the exported graph differs from the trained network by {difference:.2g}, more than "
            f"{LARGEST_DIFFERENCE:g}: the model is not used; train again with another model.seed"
        )
        raise TrainingError(message)
    return difference
