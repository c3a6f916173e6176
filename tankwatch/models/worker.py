"""The training child: reads a task from a folder, trains, writes the results, ends.

Run as ``python -m tankwatch.models.worker FOLDER PARENT`` by `child.py`, with the
parent's process id.  Progress goes to standard output, a JSON object a line; an error that has a
remedy goes to ``FOLDER/error.txt``, because TensorFlow writes its own notes to standard error.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tankwatch.errors import TrainingError
from tankwatch.models.forecaster_spec import ForecasterSpec, SeriesSet
from tankwatch.models.spec import AutoencoderSpec

_PROBES = 256  # windows of each kind, held-out ones and noise, on which the export is checked
_PROBE_STEPS = 60


def main(folder: Path, parent: int) -> int:
    """Run the task in `folder` for the process `parent`, and return the exit code."""
    _end_with_parent(parent)
    try:
        from tankwatch.models import training  # noqa: PLC0415 - loads tensorflow
    except ImportError as error:
        message = f"training needs TensorFlow ({error}): pip install 'tankwatch[train]'"
        return _fail(folder, message)
    task = json.loads((folder / "spec.json").read_text("utf-8"))
    try:
        if task["kind"] == "forecaster":
            model, graph, difference = _forecaster(folder, task["spec"])
        else:
            model, graph, difference = _autoencoder(folder, task["spec"])
    except TrainingError as error:
        return _fail(folder, str(error))
    model.save(folder / "network.keras")
    (folder / "network.onnx").write_bytes(graph)
    result = {"export_difference": difference, "versions": training.package_versions()}
    (folder / "result.json").write_text(json.dumps(result), "utf-8")
    return 0


def _autoencoder(folder: Path, stored: dict[str, Any]) -> tuple[Any, bytes, float]:
    from tankwatch.models import export, training  # noqa: PLC0415 - loads tensorflow

    spec = AutoencoderSpec.from_json(stored)
    train, held_out = (
        training.Windows(np.load(folder / f"{part}.npy"), np.load(folder / f"{part}_mask.npy"))
        for part in ("train", "held_out")
    )
    model = training.fit_autoencoder(spec, train, held_out, _report, initial=_initial(folder))
    graph = export.export_onnx(model, spec)
    seen = held_out.values[:_PROBES]
    noise = np.random.default_rng(spec.seed).normal(size=(_PROBES, *seen.shape[1:]))
    probes = np.concatenate([seen, noise.astype(np.float32)])
    return model, graph, export.check_export(model, graph, probes)


def _forecaster(folder: Path, stored: dict[str, Any]) -> tuple[Any, bytes, float]:
    from tankwatch.models import forecaster, forecaster_export  # noqa: PLC0415 - loads tensorflow

    spec = ForecasterSpec.from_json(stored)
    train, held_out = (
        SeriesSet(*(np.load(folder / f"{part}{what}.npy") for what in ("", "_targets", "_mask")))
        for part in ("train", "held_out")
    )
    model = forecaster.fit_forecaster(spec, train, held_out, _report, initial=_initial(folder))
    graph = forecaster_export.export_forecaster(model, spec)
    seen = held_out.inputs[:_PROBES, :_PROBE_STEPS]
    noise = np.random.default_rng(spec.seed).normal(size=seen.shape).astype(np.float32)
    probes = np.concatenate([seen, noise])
    return model, graph, forecaster_export.check_forecaster(model, spec, graph, probes)


def _initial(folder: Path) -> Path | None:
    """Return the archive whose weights training starts from, None if there is none."""
    initial = folder / "initial.keras"
    return initial if initial.exists() else None


def _report(progress: dict[str, float]) -> None:
    print(json.dumps(progress), flush=True)  # noqa: T201 - the parent reads it


def _fail(folder: Path, message: str) -> int:
    (folder / "error.txt").write_text(message, "utf-8")
    return 1


def _end_with_parent(parent: int) -> None:
    """Have the kernel end this process if the one that started it dies (Linux)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
        # The parent may have died before the line above; it may also rightly be process 1.
        if os.getppid() != parent:
            sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
