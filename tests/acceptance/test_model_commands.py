"""The commands by which an operator follows a model: train, show, shadow, compare, roll back."""

from pathlib import Path

import numpy as np
import pytest

from tests.acceptance.program import inside as run
from tests.acceptance.program import inside_json as run_json

SETTINGS = '[detect]\ndetector = "robust_z"\n[channels.pressure]\nhigh = 5.0\n'


def rows(first: int, last: int) -> str:
    rng = np.random.default_rng(first)
    lines = ["tank,timestamp,pressure"]
    for minute in range(first, last):
        value = 9.0 if 400 <= minute < 410 else 1.0 + 0.02 * rng.normal()
        moment = np.datetime64("2026-01-01T00:00") + np.timedelta64(minute, "m")
        lines.append(f"T1,{moment}Z,{value:.4f}")
    return "\n".join(lines)


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    (tmp_path / "tankwatch.toml").write_text(SETTINGS)
    run(tmp_path, "init")
    run(tmp_path, "ingest", "-", stdin=rows(0, 1500))
    run(tmp_path, "train")
    return tmp_path


def test_show_tells_what_a_version_did_not_learn_and_why(plant: Path) -> None:
    shown = run_json(plant, "models", "show", "1")
    assert (shown["state"], shown["trained_because"]) == ("champion", "asked for")
    assert shown["excluded"] == [
        {
            "tank": "T1",
            "start": "2026-01-01T06:40:00+00:00",
            "end": "2026-01-01T06:50:00+00:00",
            "why": "beyond limits",
        }
    ]
    text = run(plant, "models", "show", "1").stdout
    assert "beyond limits" in text
    assert "first model of this detector" in text


def test_a_version_is_shadowed_compared_promoted_and_rolled_back(plant: Path) -> None:
    run(plant, "detect")
    run(plant, "train")
    run(plant, "models", "rollback", "--to", "1", "--reason", "wait and see", "--by", "kim")
    run(plant, "models", "shadow", "2")
    told = run(plant, "models", "promote", "2", "--reason", "tried", code=2).stderr
    assert "wait for new readings" in told
    run(plant, "ingest", "-", stdin=rows(1500, 2200))
    run(plant, "detect", "--as-of", "2026-01-02T12:40Z")
    (found,) = run_json(plant, "models", "compare")
    assert (found["version"], found["champion"]) == (2, 1)
    assert found["agreement"] == 1.0
    assert found["no_worse"]
    assert "in shadow" in run(plant, "models", "compare").stdout
    run(plant, "models", "promote", "2", "--reason", "tried")
    newest, first = run_json(plant, "models", "list")
    assert (newest["state"], first["state"]) == ("champion", "retired")
    assert newest["reason"].startswith("tried (no worse than the model in use on 0.02 tank-months")
    run(plant, "models", "rollback", "--reason", "the old one was fine")
    newest, first = run_json(plant, "models", "list")
    assert (newest["state"], first["state"]) == ("retired", "champion")


def test_going_back_needs_a_reason_and_somewhere_to_go(plant: Path) -> None:
    run(plant, "models", "rollback", code=2)
    told = run(plant, "models", "rollback", "--to", "1", "--reason", "x", code=1).stderr
    assert "version 1 is no earlier version that was in use" in told
    run(plant, "train")
    assert (
        "say why with --reason" in run(plant, "models", "rollback", "--reason", " ", code=2).stderr
    )


def test_a_shadow_can_be_ended_and_the_champion_cannot_be_one(plant: Path) -> None:
    run(plant, "train")
    run(plant, "models", "shadow", "1")
    assert "already" in run(plant, "models", "shadow", "1", code=2).stderr
    run(plant, "models", "shadow", "1", "--stop")
    assert "nothing is in shadow" in run(plant, "models", "compare").stdout
    assert "already" in run(plant, "models", "shadow", "2", code=2).stderr


def test_show_lists_the_stretches_of_a_history_that_is_too_long(tmp_path: Path) -> None:
    settings = "[grid]\nstep_s = 10\n[train]\nmost_values = 100000\n"
    (tmp_path / "tankwatch.toml").write_text(SETTINGS + settings)
    run(tmp_path, "init")
    moments = np.datetime64("2026-01-01T00:00:00") + 10 * np.arange(110_000).astype("m8[s]")
    values = 1.0 + 0.02 * np.random.default_rng(0).normal(size=moments.size)
    lines = [f"T1,{at}Z,{value:.4f}" for at, value in zip(moments, values, strict=True)]
    run(tmp_path, "ingest", "-", stdin="\n".join(["tank,timestamp,pressure", *lines]))
    run(tmp_path, "train")
    stretches = run_json(tmp_path, "models", "show", "1")["stretches"]
    assert len(stretches) == 3
    newest = stretches[-1]
    assert newest["until"] == str(moments[-1]) + "+00:00"
    text = run(tmp_path, "models", "show", "1").stdout
    assert "learned from" in text
    assert all(one["from"] in text for one in stretches)
