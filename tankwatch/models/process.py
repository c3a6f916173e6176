"""A training child under watch: started, listened to, and ended whatever happens."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from tankwatch.errors import TrainingError

_ERROR_LINES = 12
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Watch:
    """How a training is watched over.

    Attributes:
        on_line: called with each line that the child writes for its parent; what it raises ends it.
        should_stop: asked about five times a second; true ends the child.
        timeout_s: a longer training is ended.
    """

    on_line: Callable[[str], None]
    should_stop: Callable[[], bool]
    timeout_s: float


def run_child(folder: Path, watch: Watch) -> None:
    """Run the task in `folder` to its end.

    Raises:
        TrainingError: it failed, took too long or was stopped.
    """
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "tankwatch.models.worker", str(folder), str(os.getpid())]
    deadline_s = time.monotonic() + watch.timeout_s
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
                if watch.should_stop():
                    reason = "training was stopped"
                elif time.monotonic() > deadline_s:
                    reason = (
                        f"training took longer than {watch.timeout_s:g} s: raise train.timeout_s"
                    )
                else:
                    _follow(lines, watch.on_line, wait_s=_POLL_S)
        finally:
            _end(child)
            reader.join()
        _follow(lines, watch.on_line, wait_s=0.0)
    reason = reason or _failure(folder, child.returncode)
    if reason:
        raise TrainingError(reason)


def _pass_on(child: "subprocess.Popen[str]", lines: "SimpleQueue[str]") -> None:
    for line in child.stdout or ():
        if line.startswith("{"):
            lines.put(line)


def _follow(lines: "SimpleQueue[str]", on_line: Callable[[str], None], *, wait_s: float) -> None:
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
        on_line(line)


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
