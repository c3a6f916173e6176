"""Backtests over files: the production path, labels of both kinds, tanks of different times."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tankwatch.jobs.contenders import cheap_baselines
from tests.acceptance.program import inside, inside_json
from tests.integration.plant import quiet_values

STEPS, LEARNED = 2000, 1300


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Two tanks; the first loses pressure for an hour and a half after the training."""
    values = quiet_values(2, STEPS)
    values[0, 1500:1590, 0] -= 3.0
    moments = pd.date_range("2026-05-01", periods=STEPS, freq="min", tz="UTC")
    parts = [
        pd.DataFrame(
            {
                "tank": f"TK-{tank + 1}",
                "timestamp": moments.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "pressure": values[tank, :, 0].round(3),
                "temperature": values[tank, :, 1].round(2),
            }
        )
        for tank in range(2)
    ]
    folder = tmp_path / "history"
    folder.mkdir()
    pd.concat(parts).to_csv(folder / "readings.csv", index=False)
    (folder / "labels.csv").write_text(
        "tank,start,end,kind\nTK-1,2026-05-02T01:00:00Z,2026-05-02T02:30:00Z,leak\n"
    )
    return folder


def test_a_backtest_finds_the_labelled_fault_and_writes_its_files(
    history: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("--train-until", "2026-05-01T21:40:00Z", "--detector", "robust_z")
    labels = ("--labels", str(history / "labels.csv"))
    told = inside_json(tmp_path, "backtest", str(history), *words, *labels, "--out", str(out))
    assert told == json.loads((out / "report.json").read_text())
    names = [row["name"] for row in told["detectors"]]
    assert names[:2] == ["tankwatch (robust_z and rules)", "robust_z"]
    assert set(names[2:-2]) == set(cheap_baselines()) - {"robust_z"}
    assert names[-2:] == ["always alarm", "random"]
    assert all(row["average_precision"] and row["vus_pr"] for row in told["detectors"])
    assert told["detectors"][0]["found"] == 1
    scores = pd.read_csv(out / "scores.csv")
    assert list(scores) == ["tank", "timestamp", "score", "flag", "channel"]
    assert scores["timestamp"].min() == "2026-05-01T21:40:00Z"
    assert len(scores) == 2 * (STEPS - LEARNED - 1)
    assert (scores["flag"] == (scores["score"] >= 1)).all()
    incidents = pd.read_csv(out / "incidents.csv")
    assert list(incidents) == ["tank", "start", "end", "peak_score", "channel", "symptom"]
    first = incidents[incidents["tank"] == "TK-1"].iloc[0]
    assert first["start"].startswith("2026-05-02T01:0")
    assert (first["channel"], first["symptom"]) == ("pressure", "step")
    page = (out / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert told["verdict"].split()[0] in page


def test_files_recorded_one_after_the_other_are_judged_in_their_own_time(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    values = quiet_values(2, 700, seed=4)
    values[:, 520:580, 1] += 12.0
    for number, start in enumerate(("2025-01-05", "2026-07-09")):
        moments = pd.date_range(start, periods=700, freq="10s", tz="UTC")
        wrong = np.zeros(700, dtype=int)
        wrong[520:580] = 1
        pd.DataFrame(
            {
                "timestamp": moments.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "Oil Temp": values[number, :, 1],
                "flow_m3h": values[number, :, 0],
                "bad": wrong,
            }
        ).to_csv(folder / f"run{number}.csv", index=False)
    words = ("--train-rows", "400", "--label-column", "bad", "--channels", "Oil Temp,flow_m3h")
    out = tmp_path / "out"
    told = inside_json(
        tmp_path, "backtest", str(folder), *words, "--detector", "pca", "--out", str(out)
    )
    assert told["step_s"] == 10
    assert told["channels"] == ["oil_temp", "flow_m3h"]
    assert told["detectors"][0]["found"] == 2
    scores = pd.read_csv(out / "scores.csv").groupby("tank")["timestamp"].min()
    assert scores["run0"].startswith("2025-01-05T01:06:4")
    assert scores["run1"].startswith("2026-07-09T01:06:4")


def test_without_labels_a_backtest_says_what_would_have_been_raised(
    history: Path, tmp_path: Path
) -> None:
    words = ("--train-until", "2026-05-01T21:40:00Z", "--detector", "pca", "--budget", "2")
    done = inside(tmp_path, "backtest", str(history), *words, "--out", str(tmp_path / "out"))
    assert "report.html" in done.stdout
    assert json.loads((tmp_path / "out" / "report.json").read_text())["budget"] == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--train-until", "2020-01-01"), "no reading lies before the end of training"),
        (("--train-until", "2030-01-01"), "both before and after the end of training"),
        (("--train-rows", "9", "--train-until", "2026-01-01"), "one of the two"),
        (("--train-rows", "9", "--beside", "pca,oracle"), "there is no detector 'oracle'"),
        (("--train-rows", "9", "--label-column", "nope"), "has no column 'nope'"),
        (("--train-rows", "9", "--label-column", "pressure"), "must hold 0 and 1 only"),
        (("--train-rows", "9", "--label-column", "x", "--labels", "y"), "once"),
    ],
)
def test_a_backtest_that_cannot_be_says_why(
    history: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    more = (*words, "--detector", "robust_z", "--out", str(tmp_path / "out"))
    done = inside(tmp_path, "backtest", str(history / "readings.csv"), *more, code=2)
    assert told in done.stderr


def test_an_empty_folder_holds_no_history(tmp_path: Path) -> None:
    words = ("--train-rows", "9", "--out", str(tmp_path / "out"))
    done = inside(tmp_path, "backtest", str(tmp_path), *words, code=2)
    assert "no CSV, Parquet or JSON lines files" in done.stderr
