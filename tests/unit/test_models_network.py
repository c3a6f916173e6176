"""Networks of every cell and head, built in a process of their own as in production."""

import json
import subprocess
import sys
from typing import Any

import pytest

KINDS = [
    (cell, decoder, head)
    for cell in ("lstm", "gru")
    for decoder in ("repeat", "feedback")
    for head in ("dense", "lstm")
]

BUILD = """
import json, sys
from collections import Counter

import keras, numpy as np, onnx

from tankwatch.errors import TrainingError
from tankwatch.models.export import check_export, export_onnx
from tankwatch.models.network import build_autoencoder, masked_error
from tankwatch.models.spec import AutoencoderSpec

windows = np.random.default_rng(0).normal(size=(17, 9, 3)).astype(np.float32)
found = {}
for cell, decoder, head in json.loads(sys.argv[1]):
    keras.utils.set_random_seed(1)
    spec = AutoencoderSpec(window=9, units=(7, 5, 4), cell=cell, decoder=decoder, head=head)
    model = build_autoencoder(spec, channels=3)
    # Biases start as zeros, which would hide a wrong order of gates.
    model.set_weights([w + np.random.normal(0, 0.3, w.shape) for w in model.get_weights()])
    graph = export_onnx(model, spec)
    model.save(sys.argv[2])
    again = keras.models.load_model(sys.argv[2], compile=False)
    found[f"{cell} {decoder} {head}"] = {
        "shapes": {layer.name: list(layer.output.shape) for layer in model.layers},
        "reloaded": float(np.abs(np.asarray(again(windows)) - np.asarray(model(windows))).max()),
        "difference": check_export(model, graph, windows),
        "single": check_export(model, graph, windows[:1]),
        "nodes": Counter(node.op_type for node in onnx.load_from_string(graph).graph.node),
        "spread": float(np.std(model(windows))),
    }
first = model.get_weights()
first[0] = first[0] + 0.1
model.set_weights(first)
try:
    check_export(model, graph, windows)
except TrainingError as error:
    found["drifted"] = str(error)

values = np.array([[[1.0, 5.0], [2.0, 9.0]]], np.float32)
known = np.array([[[1.0, 1.0], [1.0, 0.0]]], np.float32)
output = np.array([[[0.0, 5.0], [2.0, -99.0]]], np.float32)
found["error"] = float(masked_error(np.concatenate([values, known], -1), output))
found["nothing known"] = float(masked_error(np.concatenate([values, 0 * known], -1), output))
print(json.dumps(found))
"""


ENCODER = {
    "windows": [None, 9, 3],
    "encoder_0": [None, 9, 7],
    "encoder_1": [None, 9, 5],
    "encoder_2": [None, 4],
}
DECODER = {
    "repeat": {
        "repeat": [None, 9, 4],
        "decoder_0": [None, 9, 4],
        "decoder_1": [None, 9, 5],
        "decoder_2": [None, 9, 7],
        "head": [None, 9, 3],
    },
    "feedback": {"feedback": [None, 9, 3]},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    archive = tmp_path_factory.mktemp("networks") / "network.keras"
    done = subprocess.run(
        [sys.executable, "-c", BUILD, json.dumps(KINDS), str(archive)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_the_encoder_is_many_to_one_and_the_decoder_mirrors_it(
    built: dict[str, Any], kind: tuple[str, str, str]
) -> None:
    assert built[" ".join(kind)]["shapes"] == ENCODER | DECODER[kind[1]]


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_the_exported_graph_and_the_archive_equal_the_network(
    built: dict[str, Any], kind: tuple[str, str, str]
) -> None:
    found = built[" ".join(kind)]
    assert found["difference"] <= 1e-5
    assert found["single"] <= 1e-5
    assert found["reloaded"] == 0.0
    assert found["spread"] > 0.01


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_layers_are_fused_operators_and_only_feedback_takes_a_step_at_a_time(
    built: dict[str, Any], kind: tuple[str, str, str]
) -> None:
    cell, decoder, head = kind
    nodes = built[" ".join(kind)]["nodes"]
    assert "Loop" not in nodes
    if decoder == "repeat":
        assert nodes[cell.upper()] == 6 + (head == "lstm")
        assert "Scan" not in nodes
    else:
        assert nodes[cell.upper()] == 3  # the rest is in the body of the scan
        assert nodes["Scan"] == 1


def test_a_graph_that_differs_from_its_network_is_refused(built: dict[str, Any]) -> None:
    assert "differs from the trained network" in built["drifted"]


def test_unknown_values_weigh_nothing_in_the_loss(built: dict[str, Any]) -> None:
    assert built["error"] == pytest.approx(1 / 3)


def test_a_batch_without_known_values_has_no_error(built: dict[str, Any]) -> None:
    assert built["nothing known"] == 0.0
