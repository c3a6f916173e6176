"""The files of a backtest, read back."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tankwatch.core.block import Block
from tankwatch.core.times import to_ms
from tankwatch.evaluate.references import random_alarm
from tankwatch.evaluate.report import write_report
from tankwatch.evaluate.result import BacktestResult, DetectorRun, ScoreSeries

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
STEPS = 600
COLUMNS = ["tank", "start", "raised", "end", "peak_score", "channel", "symptom"]
TIMES_MS = to_ms(BEGIN) + np.arange(STEPS, dtype=np.int64) * 60_000


def at(minute: float) -> datetime:
    return BEGIN + timedelta(minutes=minute)


def run(name: str, role: str, incidents: Sequence[tuple[str, int, int]]) -> DetectorRun:
    """Return a run whose incidents are raised three minutes after their start."""
    scores = {}
    for tank in ("T1", "T2"):
        score = np.full(STEPS, 0.25, dtype=np.float32)
        score[:10] = np.nan
        for other, start, end in incidents:
            if other == tank:
                score[start:end] = 4.0
        scores[tank] = ScoreSeries(TIMES_MS, score, np.where(np.isnan(score), -1, 1))
    rows = [
        (tank, at(start), at(start + 3), at(end), 4.0, "temperature", "above_expected")
        for tank, start, end in incidents
    ]
    return DetectorRun(name, role, scores, pd.DataFrame(rows, columns=COLUMNS))


def labels() -> pd.DataFrame:
    rows = [
        ("T1", at(100), at(160), "leak"),
        ("T1", at(300), at(360), "drift"),
        ("T2", at(200), at(260), "leak"),
        ("T2", at(9000), at(9060), "leak"),
        ("T9", at(100), at(160), "leak"),
    ]
    return pd.DataFrame(rows, columns=["tank", "start", "end", "kind"])


def result(**changes: Any) -> BacktestResult:
    ours = [("T1", 110, 150), ("T2", 220, 250), ("T2", 500, 520)]
    values = np.stack([np.sin(np.arange(STEPS) / 50), np.full(STEPS, 20.0)], axis=1)[None]
    known = np.ones_like(values, dtype=bool)
    made = BacktestResult(
        title="autoencoder on <2> files",
        tanks=("T1", "T2"),
        channels=("pressure", "temperature"),
        units=("kPa", "degC"),
        step_s=60,
        spans={tank: (BEGIN, at(STEPS)) for tank in ("T1", "T2")},
        budget=0.5,
        labels=labels(),
        runs=(
            run("tankwatch", "tankwatch", ours),
            run("autoencoder", "detector", ours),
            run("pca", "baseline", [("T1", 110, 150)]),
        ),
        blocks={
            tank: Block((tank,), ("pressure", "temperature"), int(TIMES_MS[0]), 60, values, known)
            for tank in ("T1", "T2")
        },
        settings={"detect": {"detector": "autoencoder"}},
        seconds={"ingest": 1.234, "train": 90.0, "detect": 5.0},
    )
    return replace(made, **changes)


@dataclass(frozen=True, slots=True)
class Written:
    """A report, written once for all tests that only read it."""

    folder: Path
    document: dict[str, Any]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("report")
    return Written(folder, write_report(folder, result()))


def rows_in(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


class Reader(HTMLParser):
    """Collects the text of a page, its classes, and whatever it would load."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.words: list[str] = []
        self.classes: list[str] = []
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.classes.append(found.get("class") or "")
        address = found.get("src") or found.get("href") or found.get("xlink:href") or ""
        self.loaded += [address] if address and not address.startswith("#") else []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_scores_are_those_of_the_production_path(written: Written) -> None:
    rows = rows_in(written.folder / "scores.csv")
    assert rows[0] == ["tank", "timestamp", "score", "flag", "channel"]
    assert rows[1] == ["T1", "2026-03-02T00:10:00Z", "0.25", "0", "temperature"]
    assert len(rows) == 1 + 2 * (STEPS - 10)
    assert sum(row[3] == "1" for row in rows[1:]) == 40 + 30 + 20


def test_scores_keep_milliseconds_odd_names_and_missing_channels(tmp_path: Path) -> None:
    series = ScoreSeries(
        TIMES_MS[:2] + 500, np.array([0.1, 1.0], dtype=np.float32), np.array([-1, 0])
    )
    odd = 'T,"1"'
    incidents = pd.DataFrame(columns=COLUMNS)
    changed = result(
        tanks=(odd,),
        spans={odd: (BEGIN, at(1))},
        labels=None,
        runs=(DetectorRun("tankwatch", "tankwatch", {odd: series}, incidents),),
        blocks={},
    )
    write_report(tmp_path, changed)
    assert rows_in(tmp_path / "scores.csv")[1:] == [
        [odd, "2026-03-02T00:00:00.500Z", "0.1", "0", ""],
        [odd, "2026-03-02T00:01:00.500Z", "1", "1", "pressure"],
    ]


def test_incidents_have_the_agreed_columns(written: Written) -> None:
    rows = rows_in(written.folder / "incidents.csv")
    assert rows[0] == ["tank", "start", "end", "peak_score", "channel", "symptom"]
    first = ["T1", "2026-03-02T01:50:00Z", "2026-03-02T02:30:00Z", "4.0"]
    assert rows[1] == [*first, "temperature", "above_expected"]
    assert len(rows) == 4


def test_document_is_what_the_file_holds(written: Written) -> None:
    document = written.document
    stored = json.loads((written.folder / "report.json").read_text(encoding="utf-8"))
    assert stored == document
    assert [len(row) for row in stored["rows"]] == [len(stored["columns"])] * 5


def test_document_tells_the_figures_of_every_detector(written: Written) -> None:
    document = written.document
    names = [(row["name"], row["role"]) for row in document["detectors"]]
    assert names[2:] == [
        ("pca", "baseline"),
        ("always alarm", "reference"),
        ("random", "reference"),
    ]
    ours = document["detectors"][0]
    assert (ours["faults"], ours["found"], ours["false_alarms"]) == (3, 2, 1)
    assert (ours["event_recall"], ours["event_precision"]) == (0.6667, 0.6667)
    # T1: 100 to 420 with the grace of an hour; T2: 200 to 320; of 600 minutes each.
    assert ours["tank_months"] == pytest.approx((1200 - 240 - 120) / 43_200, rel=1e-3)
    assert (ours["median_delay_s"], ours["p90_delay_s"]) == (18 * 60, 22 * 60)
    low, high = ours["false_alarms_per_tank_month_90"]
    assert low < ours["false_alarms_per_tank_month"] < high
    assert ours["recall_by_kind"]["leak"] == {"faults": 2, "found": 2, "recall": 1}
    assert ours["fault_steps"] == 180
    assert ours["recall"] == pytest.approx(70 / 180, rel=1e-3)
    assert ours["coverage"] == pytest.approx(590 / 600, rel=1e-3)


def test_comparison_has_every_deciding_figure_of_every_row(written: Written) -> None:
    document = written.document
    assert document["columns"] == [
        *(
            "detector",
            "found",
            "recall",
            "false alarms per tank-month",
            "90 % interval",
            "budget 0.5",
        ),
        *("normal flagged", "median delay", "AUC", "AP", "VUS-PR", "F1"),
    ]
    assert [row[0] for row in document["rows"][1:]] == [
        *("autoencoder", "pca", "always alarm", "random"),
    ]
    ours, _, pca, always, _ = document["rows"]
    assert ours[1:3] == ["2 of 3", "67 %"]
    assert (pca[5], always[6]) == ("too short", "100 %")
    assert ours[6] == "2.0 %"
    for row, figures in zip(document["rows"], document["detectors"], strict=True):
        names = ("auc", "average_precision", "vus_pr", "f1")
        assert row[8:] == [f"{figures[name]:.2f}" for name in names]
    # Three labelled faults of an hour lie in the judged time.
    assert document["vus_buffer_steps"] == 60


def test_references_know_nothing_of_the_readings(written: Written) -> None:
    document = written.document
    always, by_lot = document["detectors"][3:]
    assert (always["auc"], always["recall"], always["false_alarm_rate"]) == (0.5, 1, 1)
    assert (always["found"], always["false_alarms"]) == (0, 2)
    assert by_lot["incidents"] == 3
    assert by_lot["flagged_steps"] == pytest.approx(1200 * 90 / 1180, abs=30)
    again = random_alarm(result(), seed=0).incidents
    assert again.equals(random_alarm(result(), seed=0).incidents)
    assert not again.equals(random_alarm(result(), seed=1).incidents)


def test_document_lists_faults_with_those_who_found_them(written: Written) -> None:
    document = written.document
    assert [(e["tank"], e["found"], e["delay_s"]) for e in document["faults"]] == [
        ("T1", True, 780),
        ("T1", False, None),
        ("T2", True, 1380),
    ]
    assert document["faults"][0]["found_by"] == ["tankwatch", "autoencoder", "pca"]
    assert [alarm["start"] for alarm in document["false_alarms"]] == ["2026-03-02T08:20:00Z"]
    assert document["data"]["labels_outside"] == 2
    assert document["data"]["labels_unknown_tanks"] == ["T9"]
    assert document["tanks"]["T1"] == {
        "from": "2026-03-02T00:00:00Z",
        "until": "2026-03-02T10:00:00Z",
    }


def test_grace_can_be_set(tmp_path: Path) -> None:
    late = run("tankwatch", "tankwatch", [("T1", 170, 180)])
    found = [
        write_report(tmp_path, result(runs=(late,), blocks={}), grace_s=grace_s)["detectors"][0][
            "found"
        ]
        for grace_s in (720.0, 780.0)
    ]
    assert found == [0, 1]


def test_page_tells_the_verdict_and_every_detector(written: Written) -> None:
    document = written.document
    page = Reader(written.folder / "report.html")
    assert document["verdict"] in page.text
    assert document["choice"] in page.text
    assert "autoencoder on <2> files" in page.text
    for words in ("always alarm", "2 of 3", "67 %", "pressure (kPa), temperature (°C)", "T9"):
        assert words in page.text
    assert page.tags.count("svg") == 4
    assert [page.classes.count(name) for name in ("missed", "found", "false")] == [1, 2, 1]
    assert page.classes.count("track") == 2


def test_page_needs_nothing_else(written: Written) -> None:
    page = Reader(written.folder / "report.html")
    assert page.loaded == []
    assert {"script", "link", "iframe"} & set(page.tags) == set()


def test_without_labels_the_incidents_are_told(tmp_path: Path) -> None:
    document = write_report(tmp_path, result(labels=None))
    ours = document["detectors"][0]
    assert (ours["incidents"], ours["faults"], ours["false_alarms"]) == (3, None, None)
    assert ours["incidents_per_tank_month"] == pytest.approx(3 / (1200 / 43_200), rel=1e-3)
    assert (ours["auc"], ours["undefined"]["auc"]) == (None, "no labels were given")
    assert ours["undefined"]["found"] == "no labels were given"
    page = Reader(tmp_path / "report.html")
    assert "raised 3 incidents" in page.text
    assert (page.tags.count("svg"), page.classes.count("incident")) == (3, 3 + 3 + 3 + 2)


def test_nothing_found_and_nothing_raised_is_a_report_too(tmp_path: Path) -> None:
    quiet = run("tankwatch", "tankwatch", [])
    document = write_report(tmp_path, result(runs=(quiet,), labels=labels().iloc[:0], blocks={}))
    ours = document["detectors"][0]
    assert (ours["faults"], ours["event_recall"], ours["false_alarms"]) == (0, None, 0)
    assert ours["undefined"]["event_recall"].startswith("no labelled fault")
    assert rows_in(tmp_path / "incidents.csv")[1:] == []
    assert "only false alarms can be counted" in document["verdict"]
