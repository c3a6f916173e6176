"""The training child: reads a task from a folder, trains, writes the results, ends.

Run as ``python -m tankwatch.models.worker FOLDER`` by `child.train_autoencoder`.  Progress goes to
standard output, a JSON object a line.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from tankwatch.errors import TrainingError
from tankwatch.models.spec import AutoencoderSpec


def main(folder: Path) -> int:
    """Run the task in `folder`, and return the exit code."""
    _end_with_parent()
    try:
        from tankwatch.models import export, training  # noqa: PLC0415 - loads tensorflow
    except ImportError as error:
        return _fail(f"training needs TensorFlow ({error}): pip install 'tankwatch[train]'")
    spec = AutoencoderSpec.from_json(json.loads((folder / "spec.json").read_text("utf-8")))
    train, held_out = (
        training.Windows(np.load(folder / f"{part}.npy"), np.load(folder / f"{part}_mask.npy"))
        for part in ("train", "held_out")
    )
    try:
        model = training.fit_autoencoder(spec, train, held_out, _report)
        graph = export.export_onnx(model, spec)
        difference = export.check_export(model, graph, held_out.values[:256])
    except TrainingError as error:
        return _fail(str(error))
    model.save(folder / "network.keras")
    (folder / "network.onnx").write_bytes(graph)
    result = {"export_difference": difference, "versions": training.library_versions()}
    (folder / "result.json").write_text(json.dumps(result), "utf-8")
    return 0


def _report(progress: dict[str, float]) -> None:
    print(json.dumps(progress), flush=True)  # noqa: T201 - the parent reads it


def _fail(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201 - the parent reads it
    return 1


def _end_with_parent() -> None:
    """Have the kernel end this process if the one that started it dies (Linux)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
        if os.getppid() == 1:
            sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
