"""Training in a child process that ends, so that no other process ever loads TensorFlow."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tankwatch.errors import TrainingError
from tankwatch.models.spec import AutoencoderSpec

_ERROR_LINES = 12


@dataclass(frozen=True, slots=True)
class Progress:
    """One epoch of a training under way; times in seconds, losses in squared scaled units."""

    epoch: int
    epochs: int
    loss: float
    held_out_loss: float
    seconds: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """What a training child leaves behind."""

    keras: bytes
    onnx: bytes
    history: tuple[Progress, ...]
    versions: dict[str, str]
    export_difference: float


@dataclass(frozen=True, slots=True)
class WindowSet:
    """Scaled windows, float32 (n, window, channels), and their mask."""

    values: NDArray[np.float32]
    mask: NDArray[np.bool_]


def train_autoencoder(
    train: WindowSet,
    held_out: WindowSet,
    *,
    spec: AutoencoderSpec,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    timeout_s: float = float("inf"),
) -> TrainedNetwork:
    """Train in a child process, and return the network.

    Args:
        train: windows to learn.
        held_out: windows of later time, which end the training early.
        spec: network and training.
        on_progress: called after each epoch.
        should_stop: asked about five times a second; true ends the child.
        timeout_s: a longer training is ended.

    Raises:
        TrainingError: there are no windows, TensorFlow is missing, the training failed, took too
            long or was stopped.
    """
    if not len(train.values) or not len(held_out.values):
        message = (
            f"{len(train.values)} training and {len(held_out.values)} held-out windows are too few "
            "to train on: give more history or a shorter model.window"
        )
        raise TrainingError(message)
    with tempfile.TemporaryDirectory(prefix="tankwatch-train-") as name:
        folder = Path(name)
        (folder / "spec.json").write_text(json.dumps(spec.to_json()), "utf-8")
        for part, windows in (("train", train), ("held_out", held_out)):
            np.save(folder / f"{part}.npy", windows.values)
            np.save(folder / f"{part}_mask.npy", windows.mask)
        history = _run(folder, on_progress, should_stop or (lambda: False), timeout_s)
        result = json.loads((folder / "result.json").read_text("utf-8"))
        return TrainedNetwork(
            keras=(folder / "network.keras").read_bytes(),
            onnx=(folder / "network.onnx").read_bytes(),
            history=tuple(history),
            versions=result["versions"],
            export_difference=result["export_difference"],
        )


def _run(
    folder: Path,
    on_progress: Callable[[Progress], None] | None,
    should_stop: Callable[[], bool],
    timeout_s: float,
) -> list[Progress]:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "tankwatch.models.worker", str(folder)]
    deadline_s = time.monotonic() + timeout_s
    history: list[Progress] = []
    with (
        (folder / "stderr.txt").open("w+b") as errors,
        subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **quiet},
            start_new_session=True,
        ) as child,
    ):
        reader = threading.Thread(target=_follow, args=(child, history, on_progress), daemon=True)
        reader.start()
        reason = ""
        try:
            while child.poll() is None and not reason:
                if should_stop():
                    reason = "training was stopped"
                elif time.monotonic() > deadline_s:
                    reason = f"training took longer than {timeout_s:g} s: raise train.timeout_s"
                else:
                    time.sleep(0.2)
        finally:
            _end(child)
            reader.join()
        if not reason and child.returncode:
            errors.seek(0)
            lines = errors.read().decode("utf-8", "replace").strip().splitlines()
            reason = "\n".join(lines[-_ERROR_LINES:]) or f"exit code {child.returncode}"
            reason = f"training failed: {reason}"
    if reason:
        raise TrainingError(reason)
    return history


def _follow(
    child: "subprocess.Popen[str]",
    history: list[Progress],
    on_progress: Callable[[Progress], None] | None,
) -> None:
    for line in child.stdout or ():
        if not line.startswith("{"):
            continue
        progress = Progress(**json.loads(line))
        history.append(progress)
        if on_progress is not None:
            on_progress(progress)


def _end(child: "subprocess.Popen[str]") -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=3)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
