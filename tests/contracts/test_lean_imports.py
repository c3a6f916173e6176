"""Whatever does not train never loads TensorFlow."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import tankwatch

HEAVY = ("tensorflow", "keras", "tf2onnx", "torch", "jax")
TRAINING_CHILD = {
    f"tankwatch.models.{name}"
    for name in (
        "network",
        "training",
        "export",
        "graph",
        "worker",
        "forecaster",
        "forecaster_export",
        "decoder",
    )
}

_PROBE = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""


def loaded_by(modules: Iterable[str], *, path: Path | None = None) -> list[str]:
    """Return the heavy libraries that a new interpreter has loaded after importing `modules`."""
    environment = dict(os.environ) | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, "-c", _PROBE, json.dumps(list(modules)), json.dumps(HEAVY)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    heavy: list[str] = json.loads(done.stdout)
    return heavy


def every_module() -> list[str]:
    """Return the modules of tankwatch that other processes than the training child import."""
    folder = Path(tankwatch.__file__).parent
    parts = (file.relative_to(folder.parent).with_suffix("").parts for file in folder.rglob("*.py"))
    found = {".".join(part).removesuffix(".__init__") for part in parts}
    return sorted(
        name
        for name in found - TRAINING_CHILD
        if not name.endswith("__main__") and "._" not in name
    )


@pytest.mark.parametrize("modules", [["tankwatch", "tankwatch.cli"], every_module()], ids=len)
def test_nothing_but_the_training_child_loads_tensorflow(modules: list[str]) -> None:
    assert loaded_by(modules) == []


def test_every_layer_is_looked_at() -> None:
    packages = {name.split(".")[1] for name in every_module() if "." in name}
    assert {"cli", "jobs", "ingest", "store", "detectors", "notify", "models", "core"} <= packages


def test_heavy_import_is_found(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").touch()
    (tmp_path / "careless.py").write_text("import tensorflow")
    assert loaded_by(["careless"], path=tmp_path) == ["tensorflow"]
