"""Training in a child process, on sine waves that a tiny network can learn in seconds."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import psutil
import pytest

from tankwatch.errors import TrainingError
from tankwatch.models.child import Progress, Run, TrainedNetwork, WindowSet, train_autoencoders
from tankwatch.models.spec import AutoencoderSpec

SPEC = AutoencoderSpec(window=12, units=(16, 8), epochs=8, batch=32, learning_rate=0.01, seed=3)
ENDLESS = AutoencoderSpec(window=12, units=(4,), epochs=100_000, patience=100_000)


def sines(count: int, seed: int) -> WindowSet:
    """Return windows of two sine waves of one period; a tenth of the values is unknown and wild."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    angle = np.linspace(0, 2 * np.pi, 12)[None, :, None] + phase
    values = np.concatenate([np.sin(angle), np.cos(angle)], axis=2).astype(np.float32)
    mask = rng.random(values.shape) >= 0.1
    return WindowSet(np.where(mask, values, np.float32(1.5)), mask)


def fit(
    given: WindowSet, held_out: WindowSet, *, spec: AutoencoderSpec, **run: Any
) -> TrainedNetwork:
    return train_autoencoders([(given, held_out)], spec=spec, run=Run(**run))[0]


def train(spec: AutoencoderSpec, on_progress: Callable[[Progress], None]) -> TrainedNetwork:
    return fit(sines(800, 0), sines(200, 1), spec=spec, on_progress=on_progress)


@pytest.fixture(scope="module")
def reported() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def trained(reported: list[Progress]) -> TrainedNetwork:
    return train(SPEC, reported.append)


def still_running() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it may end while we look
            if "tankwatch.models.worker" in child.cmdline():
                found.append(child)
    return found


def test_the_network_learns_sines_it_has_not_seen(trained: TrainedNetwork) -> None:
    unseen = sines(200, 2)
    session = onnxruntime.InferenceSession(trained.onnx, providers=["CPUExecutionProvider"])
    output = session.run(None, {"windows": unseen.values})[0]
    error = float(((output - unseen.values)[unseen.mask] ** 2).mean())
    assert error < 0.1 * float(unseen.values[unseen.mask].var())


def test_each_epoch_is_reported_as_it_ends(
    trained: TrainedNetwork, reported: list[Progress]
) -> None:
    assert tuple(reported) == trained.history
    assert [each.epoch for each in reported] == list(range(1, len(reported) + 1))
    assert {each.epochs for each in reported} == {SPEC.epochs}
    assert reported[-1].held_out_loss < reported[0].held_out_loss
    seconds = [each.seconds for each in reported]
    assert seconds == sorted(seconds)
    assert all(each.seconds_left >= 0 for each in reported)


def test_the_export_agrees_with_keras_and_versions_are_stored(trained: TrainedNetwork) -> None:
    assert 0 < trained.export_difference <= 1e-5
    assert {"tensorflow", "keras", "onnx"} <= set(trained.versions)
    assert trained.keras[:2] == b"PK"


def test_the_same_seed_gives_the_same_network_to_the_bit(trained: TrainedNetwork) -> None:
    again = train(SPEC, lambda _: None)
    assert again.onnx == trained.onnx
    losses = [(each.loss, each.held_out_loss) for each in again.history]
    assert losses == [(each.loss, each.held_out_loss) for each in trained.history]


def test_several_networks_are_trained_in_one_child_each_on_its_own(trained: TrainedNetwork) -> None:
    mirrored = [WindowSet(-given.values, given.mask) for given in (sines(800, 0), sines(200, 1))]
    sets = [(sines(800, 0), sines(200, 1)), (mirrored[0], mirrored[1])]
    spec = replace(SPEC, epochs=2)
    first, second = train_autoencoders(sets, spec=spec, run=Run())
    assert [epoch.epoch for epoch in (*first.history, *second.history)] == [1, 2, 1, 2]
    assert [epoch.fit for epoch in (*first.history, *second.history)] == [1, 1, 2, 2]
    assert first.history[0].loss == trained.history[0].loss
    assert second.history[0].loss != first.history[0].loss
    assert first.onnx != second.onnx


def test_a_second_fit_leaves_out_what_the_first_rebuilt_worst() -> None:
    given = sines(400, 0)
    wild = np.arange(0, 400, 20)
    given.values[wild] += np.random.default_rng(3).normal(0, 3, (20, 12, 2)).astype(np.float32)
    spec = replace(SPEC, trim=0.05)
    once, trimmed = (
        fit(given, sines(200, 1), spec=spec) for spec in (replace(spec, trim=0.0), spec)
    )
    assert set(trimmed.dropped) == set(wild.tolist())
    assert {epoch.fit for epoch in trimmed.history} == {1, 2}
    assert once.dropped == ()
    assert trimmed.held_out_error < once.held_out_error


def test_the_child_ends_with_its_task(trained: TrainedNetwork) -> None:
    assert trained.onnx
    assert not still_running()


def test_the_parent_never_loads_tensorflow() -> None:
    script = (
        "import sys; import tankwatch.models.child, tankwatch.models.spec, tankwatch.models.worker,"
        "tankwatch.detectors.runtime;"
        "print(sorted({'tensorflow', 'keras', 'onnx', 'tf2onnx'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_training_that_is_told_to_stop_ends() -> None:
    seen: list[Progress] = []
    with pytest.raises(TrainingError, match="stopped"):
        fit(
            sines(64, 0),
            sines(16, 1),
            spec=ENDLESS,
            on_progress=seen.append,
            should_stop=lambda: bool(seen),
        )
    assert seen
    assert not still_running()


def test_what_the_caller_raises_ends_the_child() -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(sines(64, 0), sines(16, 1), spec=ENDLESS, should_stop=interrupt)
    assert not still_running()


def test_a_training_that_takes_too_long_is_ended() -> None:
    with pytest.raises(TrainingError, match=r"longer than 0\.5 s: raise train\.timeout_s"):
        fit(sines(64, 0), sines(16, 1), spec=ENDLESS, timeout_s=0.5)
    assert not still_running()


def test_values_that_are_no_numbers_are_reported_with_the_remedy() -> None:
    broken = sines(64, 0)
    broken.values[:] = np.nan
    spec = AutoencoderSpec(window=12, units=(4,), epochs=2)
    with pytest.raises(TrainingError, match=r"^training diverged .* lower model\.learning_rate"):
        fit(broken, sines(16, 1), spec=spec)


def test_an_error_in_the_child_reaches_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keras.py").write_text("raise ValueError('this keras is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(TrainingError, match=r"exit code 1(.|\n)*ValueError: this keras is broken"):
        fit(sines(64, 0), sines(16, 1), spec=SPEC)


def test_a_missing_tensorflow_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError('no tensorflow here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(
        TrainingError, match=r"no tensorflow here.*pip install 'tankwatch\[train\]'"
    ):
        fit(sines(64, 0), sines(16, 1), spec=SPEC)


def test_no_windows_are_refused_before_a_child_is_started() -> None:
    none = WindowSet(np.zeros((0, 12, 2), np.float32), np.zeros((0, 12, 2), dtype=bool))
    with pytest.raises(TrainingError, match="0 training and 16 held-out windows"):
        fit(none, sines(16, 1), spec=SPEC)


def test_a_killed_child_is_reported_with_its_signal() -> None:
    def kill_the_child() -> bool:
        for child in still_running():
            child.kill()
        return False

    with pytest.raises(TrainingError, match=r"training failed: SIGKILL .*out of memory"):
        fit(sines(64, 0), sines(16, 1), spec=ENDLESS, should_stop=kill_the_child)


TRAIN_FOR_EVER = """
import numpy as np
from tankwatch.models.child import Run, WindowSet, train_autoencoders
from tankwatch.models.spec import AutoencoderSpec
ones = WindowSet(np.ones((64, 12, 2), np.float32), np.ones((64, 12, 2), dtype=bool))
spec = AutoencoderSpec(window=12, units=(4,), epochs=100_000, patience=100_000)
train_autoencoders([(ones, ones)], spec=spec, run=Run())
"""

WATCH_PARENT = """
import os, subprocess, sys
child = "import sys, time, tankwatch.parent as parent;"
child += "parent.end_with_parent(int(sys.argv[1])); print('watching', flush=True); time.sleep(600)"
command = [sys.executable, "-c", child, str(os.getpid())]
subprocess.run(command)
"""


@contextmanager
def python(script: str, environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Run `script`, and kill it at the latest when the test is over."""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def ends(process: psutil.Process) -> bool:
    """Return whether `process` ends within 20 s; one that nobody has waited for has ended too."""
    deadline_s = time.monotonic() + 20
    with suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline_s:
                process.kill()
                return False
            time.sleep(0.05)
    return True


def test_a_child_that_is_just_starting_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    with python(TRAIN_FOR_EVER, {**os.environ, "TMPDIR": str(tmp_path)}) as parent:
        while not (workers := still_running()):
            assert parent.poll() is None
            time.sleep(0.05)
    assert all(ends(worker) for worker in workers)


def test_a_child_at_work_ends_when_its_parent_is_killed() -> None:
    with python(WATCH_PARENT, dict(os.environ)) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "watching\n"
        (worker,) = psutil.Process(parent.pid).children()
    assert ends(worker)


def test_process_one_may_be_the_parent() -> None:
    script = (
        "import os, tankwatch.parent as parent\n"
        "parent.end_with_parent(os.getppid())\n"
        "print('runs on')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "runs on\n"
