"""Training in a child process that ends, so that no other process ever loads TensorFlow."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from tankwatch.errors import TrainingError
from tankwatch.models.forecaster_spec import ForecasterSpec, SeriesSet
from tankwatch.models.spec import AutoencoderSpec

_ERROR_LINES = 12
_POLL_S = 0.2


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
    warm_start: bytes | None = None,
) -> TrainedNetwork:
    """Train in a child process, and return the network.

    Args:
        train: windows to learn.
        held_out: windows of later time, which end the training early.
        spec: network and training.
        on_progress: called after each epoch, in the caller's thread; what it raises ends the child.
        should_stop: asked about five times a second; true ends the child.
        timeout_s: a longer training is ended.
        warm_start: a `.keras` archive whose weights training starts from, if they fit the network.

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
    arrays: dict[str, NDArray[np.generic]] = {}
    for part, windows in (("train", train), ("held_out", held_out)):
        arrays |= {part: windows.values, f"{part}_mask": windows.mask}
    run = Run(on_progress, should_stop or (lambda: False), timeout_s)
    return _train({"kind": "autoencoder", "spec": spec.to_json()}, arrays, run, warm_start)


def train_forecaster(
    train: SeriesSet,
    held_out: SeriesSet,
    *,
    spec: ForecasterSpec,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    timeout_s: float = float("inf"),
    warm_start: bytes | None = None,
) -> TrainedNetwork:
    """Train a stateful forecaster in a child process, and return the network.

    Args:
        train: series to learn.
        held_out: series of later time, which end the training early.
        spec: network and training.
        on_progress: called after each epoch, in the caller's thread; what it raises ends the child.
        should_stop: asked about five times a second; true ends the child.
        timeout_s: a longer training is ended.
        warm_start: a ``.keras`` archive whose weights training starts from, if they fit.

    Raises:
        TrainingError: no target counts, TensorFlow is missing, the training failed, took too long
            or was stopped.
    """
    if not train.counted or not held_out.counted:
        message = (
            f"{train.counted} training and {held_out.counted} held-out values are too few to train "
            "a forecaster on: give more history"
        )
        raise TrainingError(message)
    arrays: dict[str, NDArray[np.generic]] = {}
    for part, series in (("train", train), ("held_out", held_out)):
        arrays |= {part: series.inputs, f"{part}_targets": series.targets}
        arrays[f"{part}_mask"] = series.mask
    run = Run(on_progress, should_stop or (lambda: False), timeout_s)
    return _train({"kind": "forecaster", "spec": spec.to_json()}, arrays, run, warm_start)


@dataclass(frozen=True, slots=True)
class Run:
    """How a training is watched over: see `train_autoencoder`."""

    on_progress: Callable[[Progress], None] | None
    should_stop: Callable[[], bool]
    timeout_s: float


def _train(
    task: dict[str, object],
    arrays: Mapping[str, NDArray[np.generic]],
    run: Run,
    warm_start: bytes | None,
) -> TrainedNetwork:
    with tempfile.TemporaryDirectory(prefix="tankwatch-train-") as name:
        folder = Path(name)
        (folder / "spec.json").write_text(json.dumps(task), "utf-8")
        if warm_start is not None:
            (folder / "initial.keras").write_bytes(warm_start)
        for part, values in arrays.items():
            np.save(folder / f"{part}.npy", values)
        history = _run(folder, run.on_progress, run.should_stop, run.timeout_s)
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
    command = [sys.executable, "-m", "tankwatch.models.worker", str(folder), str(os.getpid())]
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
        lines: SimpleQueue[str] = SimpleQueue()
        reader = threading.Thread(target=_pass_on, args=(child, lines), daemon=True)
        reader.start()
        reason = ""
        try:
            while child.poll() is None and not reason:
                if should_stop():
                    reason = "training was stopped"
                elif time.monotonic() > deadline_s:
                    reason = f"training took longer than {timeout_s:g} s: raise train.timeout_s"
                else:
                    _follow(lines, history, on_progress, wait_s=_POLL_S)
        finally:
            _end(child)
            reader.join()
        _follow(lines, history, on_progress, wait_s=0.0)
    reason = reason or _failure(folder, child.returncode)
    if reason:
        raise TrainingError(reason)
    return history


def _pass_on(child: "subprocess.Popen[str]", lines: "SimpleQueue[str]") -> None:
    for line in child.stdout or ():
        if line.startswith("{"):
            lines.put(line)


def _follow(
    lines: "SimpleQueue[str]",
    history: list[Progress],
    on_progress: Callable[[Progress], None] | None,
    *,
    wait_s: float,
) -> None:
    """Take the lines that come within `wait_s`, or those that are there already for 0.

    The wait is one for all lines: epochs that follow each other faster must not keep the caller
    from asking whether to stop.
    """
    deadline_s = time.monotonic() + wait_s
    while (left_s := deadline_s - time.monotonic()) > 0 or not wait_s:
        try:
            line = lines.get(timeout=left_s) if wait_s else lines.get_nowait()
        except Empty:
            return
        progress = Progress(**json.loads(line))
        history.append(progress)
        if on_progress is not None:
            on_progress(progress)


def _failure(folder: Path, exit_code: int) -> str:
    """Return why the child failed, empty if it did not."""
    if not exit_code:
        return ""
    told = folder / "error.txt"
    if told.exists():
        return told.read_text("utf-8")
    end = f"exit code {exit_code}" if exit_code > 0 else signal.Signals(-exit_code).name
    if exit_code == -signal.SIGKILL:
        end += " (is the machine out of memory? lower model.max_windows or model.batch)"
    stderr = (folder / "stderr.txt").read_text("utf-8", "replace").strip().splitlines()
    return "\n".join([f"training failed: {end}", *stderr[-_ERROR_LINES:]])


def _end(child: "subprocess.Popen[str]") -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=3)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
