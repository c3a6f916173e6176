"""Training in a child process that ends, so that no other process ever loads TensorFlow."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tankwatch.errors import TrainingError
from tankwatch.models.forecaster_spec import ForecasterSpec, SeriesSet
from tankwatch.models.process import Watch, run_child
from tankwatch.models.spec import AutoencoderSpec

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Progress:
    """One epoch of a training under way; times in seconds, losses in squared scaled units.

    A training may hold several fits: one for each network, two for a network whose worst training
    windows are left out of a second fit.
    """

    epoch: int
    epochs: int
    loss: float
    held_out_loss: float
    seconds: float
    seconds_left: float
    fit: int = 1
    fits: int = 1


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """What a training child leaves behind of a network.

    Attributes:
        keras: the ``.keras`` archive.
        onnx: the exported graph.
        history: every epoch.
        versions: of the packages that trained it.
        export_difference: largest difference between the graph and Keras.
        dropped: positions of the training windows that the second fit left out.
    """

    keras: bytes
    onnx: bytes
    history: tuple[Progress, ...]
    versions: dict[str, str]
    export_difference: float
    dropped: tuple[int, ...] = ()

    @property
    def held_out_error(self) -> float:
        """Return the lowest held-out loss of the last fit."""
        last = self.history[-1].fit
        return min(epoch.held_out_loss for epoch in self.history if epoch.fit == last)


@dataclass(frozen=True, slots=True)
class WindowSet:
    """Scaled windows, float32 (n, window, channels), and their mask."""

    values: NDArray[np.float32]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Run:
    """How trainings are run, and watched over.

    Attributes:
        on_progress: called after each epoch, in the caller's thread; what it raises ends the child.
        should_stop: asked about five times a second; true ends the child.
        timeout_s: a longer training is ended.
        warm_start: a `.keras` archive whose weights training starts from, if they fit the network.
    """

    on_progress: Callable[[Progress], None] | None = None
    should_stop: Callable[[], bool] | None = None
    timeout_s: float = float("inf")
    warm_start: bytes | None = None


def train_autoencoders(
    sets: Sequence[tuple[WindowSet, WindowSet]], *, spec: AutoencoderSpec, run: Run
) -> list[TrainedNetwork]:
    """Train a network on each set of windows, in one child process, and return the networks.

    Args:
        sets: for each network windows to learn, and windows of later time, which end the training.
        spec: network and training, the same for all.
        run: how it is watched over.

    Raises:
        TrainingError: a set has no windows, TensorFlow is missing, the training failed, took too
            long or was stopped.
    """
    arrays: list[Arrays] = []
    for train, held_out in sets:
        if not len(train.values) or not len(held_out.values):
            message = (
                f"{len(train.values)} training and {len(held_out.values)} held-out windows are too "
                "few to train on: give more history or a shorter model.window"
            )
            raise TrainingError(message)
        parts = (("train", train), ("held_out", held_out))
        values = {part: windows.values for part, windows in parts}
        arrays.append({**values, **{f"{part}_mask": windows.mask for part, windows in parts}})
    return _train({"kind": "autoencoder", "spec": spec.to_json()}, arrays, run)


def train_forecasters(
    sets: Sequence[tuple[SeriesSet, SeriesSet]], *, spec: ForecasterSpec, run: Run
) -> list[TrainedNetwork]:
    """Train a stateful forecaster on each set of series, in one child, and return the networks.

    Args:
        sets: for each network series to learn, and series of later time, which end the training.
        spec: network and training, the same for all.
        run: how it is watched over.

    Raises:
        TrainingError: no target of a set counts, TensorFlow is missing, the training failed, took
            too long or was stopped.
    """
    arrays: list[Arrays] = []
    for train, held_out in sets:
        if not train.counted or not held_out.counted:
            message = (
                f"{train.counted} training and {held_out.counted} held-out values are too few to "
                "train a forecaster on: give more history"
            )
            raise TrainingError(message)
        parts = (("train", train), ("held_out", held_out))
        arrays.append(
            {
                f"{part}{what}": values
                for part, series in parts
                for what, values in (
                    ("", series.inputs),
                    ("_targets", series.targets),
                    ("_mask", series.mask),
                    ("_resets", series.begins()),
                )
            }
        )
    return _train({"kind": "forecaster", "spec": spec.to_json()}, arrays, run)


def _train(task: dict[str, object], arrays: Sequence[Arrays], run: Run) -> list[TrainedNetwork]:
    history: list[Progress] = []

    def follow(line: str) -> None:
        progress = Progress(**json.loads(line))
        history.append(progress)
        if run.on_progress is not None:
            run.on_progress(progress)

    with tempfile.TemporaryDirectory(prefix="tankwatch-train-") as name:
        folder = Path(name)
        (folder / "task.json").write_text(json.dumps({**task, "networks": len(arrays)}), "utf-8")
        if run.warm_start is not None:
            (folder / "initial.keras").write_bytes(run.warm_start)
        parts = [folder / str(index) for index in range(len(arrays))]
        for part, named in zip(parts, arrays, strict=True):
            part.mkdir()
            for what, values in named.items():
                np.save(part / f"{what}.npy", values)
        run_child(folder, Watch(follow, run.should_stop or (lambda: False), run.timeout_s))
        return [_trained(part, history, of=len(parts)) for part in parts]


def _trained(part: Path, history: Sequence[Progress], *, of: int) -> TrainedNetwork:
    """Return the network that the child left in `part`, with its share of the fits."""
    result = json.loads((part / "result.json").read_text("utf-8"))
    each = history[-1].fits // of
    own = [epoch for epoch in history if (epoch.fit - 1) // each == int(part.name)]
    return TrainedNetwork(
        keras=(part / "network.keras").read_bytes(),
        onnx=(part / "network.onnx").read_bytes(),
        history=tuple(own),
        versions=result["versions"],
        export_difference=result["export_difference"],
        dropped=tuple(result["dropped"]),
    )
