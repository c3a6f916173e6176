"""The training child: reads a task from a folder, trains, writes the results, ends.

Run as ``python -m tankwatch.models.worker FOLDER PARENT`` by `child.py`, with the
parent's process id.  Progress goes to standard output, a JSON object a line; an error that has a
remedy goes to ``FOLDER/error.txt``, because TensorFlow writes its own notes to standard error.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tankwatch.errors import TrainingError
from tankwatch.models.forecaster_spec import ForecasterSpec, SeriesSet
from tankwatch.models.spec import AutoencoderSpec
from tankwatch.parent import end_with_parent

_PROBES = 256  # windows of each kind, held-out ones and noise, on which the export is checked
_PROBE_STEPS = 60
_SERIES = ("", "_targets", "_mask", "_resets")


def main(folder: Path, parent: int) -> int:
    """Run the task in `folder` for the process `parent`, and return the exit code."""
    end_with_parent(parent)
    try:
        from tankwatch.models import training  # noqa: PLC0415 - loads tensorflow
    except ImportError as error:
        message = f"training needs TensorFlow ({error}): pip install 'tankwatch[train]'"
        return _fail(folder, message)
    task = json.loads((folder / "task.json").read_text("utf-8"))
    train = _forecaster if task["kind"] == "forecaster" else _autoencoder
    each = 2 if task["spec"].get("trim") else 1
    initial = folder / "initial.keras"
    start = initial if initial.exists() else None
    try:
        for index in range(task["networks"]):
            part, report = folder / str(index), _Reporter(index * each, task["networks"] * each)
            trained = train(part, task["spec"], report, start)
            trained.model.save(part / "network.keras")
            (part / "network.onnx").write_bytes(trained.graph)
            result = {
                "export_difference": trained.difference,
                "versions": training.package_versions(),
                "dropped": trained.dropped,
            }
            (part / "result.json").write_text(json.dumps(result), "utf-8")
    except TrainingError as error:
        return _fail(folder, str(error))
    return 0


@dataclass(frozen=True, slots=True)
class _Trained:
    """A Keras model, its exported graph, how they differ, and training windows left out."""

    model: Any
    graph: bytes
    difference: float
    dropped: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Reporter:
    """Tells the parent of each epoch, and which of the fits it belongs to."""

    done: int
    fits: int

    def __call__(self, progress: Mapping[str, float]) -> None:
        left = self.fits - self.done - 1
        whole_s = progress["seconds"] + progress["seconds_left"]
        told = {**progress, "seconds_left": progress["seconds_left"] + left * whole_s}
        told |= {"fit": self.done + 1, "fits": self.fits}
        print(json.dumps(told), flush=True)  # noqa: T201 - the parent reads it

    def next(self) -> "_Reporter":
        """Return the reporter of the next fit."""
        return _Reporter(self.done + 1, self.fits)


def _autoencoder(
    folder: Path, stored: dict[str, Any], report: _Reporter, initial: Path | None
) -> _Trained:
    from tankwatch.models import export, training  # noqa: PLC0415 - loads tensorflow

    spec = AutoencoderSpec.from_json(stored)
    train, held_out = (
        training.Windows(np.load(folder / f"{part}.npy"), np.load(folder / f"{part}_mask.npy"))
        for part in ("train", "held_out")
    )
    model = training.fit_autoencoder(spec, train, held_out, report, initial=initial)
    dropped: list[int] = []
    if spec.trim:
        dropped = training.worst_windows(model, train, share=spec.trim)
        kept = train.without(dropped)
        model = training.fit_autoencoder(spec, kept, held_out, report.next(), initial=initial)
    graph = export.export_onnx(model, spec)
    seen = held_out.values[:_PROBES]
    noise = np.random.default_rng(spec.seed).normal(size=(_PROBES, *seen.shape[1:]))
    probes = np.concatenate([seen, noise.astype(np.float32)])
    return _Trained(model, graph, export.check_export(model, graph, probes), dropped)


def _forecaster(
    folder: Path, stored: dict[str, Any], report: _Reporter, initial: Path | None
) -> _Trained:
    from tankwatch.models import forecaster, forecaster_export  # noqa: PLC0415 - loads tensorflow

    spec = ForecasterSpec.from_json(stored)
    train, held_out = (
        SeriesSet(*(np.load(folder / f"{part}{what}.npy") for what in _SERIES))
        for part in ("train", "held_out")
    )
    model = forecaster.fit_forecaster(spec, train, held_out, report, initial=initial)
    graph = forecaster_export.export_forecaster(model, spec)
    seen = held_out.inputs[:_PROBES, :_PROBE_STEPS]
    noise = np.random.default_rng(spec.seed).normal(size=seen.shape).astype(np.float32)
    probes = np.concatenate([seen, noise])
    return _Trained(model, graph, forecaster_export.check_forecaster(model, spec, graph, probes))


def _fail(folder: Path, message: str) -> int:
    (folder / "error.txt").write_text(message, "utf-8")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
