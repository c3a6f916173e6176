"""From a file of readings to a mail with a picture, run as a program."""

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.acceptance.program import run, run_json

SETTINGS = """\
[channels.pressure]
high = 6.0
[model]
window = 20
units = [8]
epochs = 4
max_windows = 600
[detect]
page_within_s = 86400
"""
STEPS, LEARNED = 2160, 1440
PRESSURE_FAULT = slice(1700, 1790)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tanks over a day and a half; TK-2 loses its pressure for an hour and a half."""
    folder = tmp_path_factory.mktemp("plant")
    rng = np.random.default_rng(1)
    minute = np.arange(STEPS)
    moments = pd.date_range("2026-05-01", periods=STEPS, freq="min", tz="UTC")
    parts = []
    for index in range(3):
        day = np.sin(2 * np.pi * minute / 720 + index)
        pressure = 1.2 + 0.2 * day + rng.normal(0, 0.02, STEPS)
        temperature = 20 + 3 * day + rng.normal(0, 0.1, STEPS)
        if index == 1:
            pressure[PRESSURE_FAULT] = -2.0 + rng.normal(0, 0.02, 90)
        frame = pd.DataFrame({"Tag": f"TK-{index + 1}", "time": moments})
        parts.append(frame.assign(P_bar=pressure / 100, temperature=temperature))
    rows = pd.concat(parts).sort_values(["time", "Tag"])
    border = moments[LEARNED]
    rows[rows["time"] < border].to_csv(folder / "history.csv", index=False)
    rows[rows["time"] >= border].to_csv(folder / "live.csv", index=False)
    (folder / "tankwatch.toml").write_text(SETTINGS)
    return folder


COLUMNS = ("--column", "tank=Tag", "--column", "pressure=P_bar", "--unit", "pressure=bar")
AS_OF = ("--as-of", "2026-05-02T12:00:00Z")


def mails(folder: Path) -> list[EmailMessage]:
    return [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted((folder / "outbox").glob("*.eml"))
    ]


def test_from_a_file_of_readings_to_a_mail_with_a_picture(folder: Path) -> None:
    run(folder, "init")
    counted = run_json(folder, "ingest", "history.csv", *COLUMNS)
    assert counted["stored"] == 3 * LEARNED
    assert run_json(folder, "ingest", "history.csv", *COLUMNS)["duplicate"] == 3 * LEARNED
    trained = run_json(folder, "train")
    assert [(result["detector"], result["promoted"]) for result in trained] == [("fused", True)]
    run(folder, "detect", *AS_OF)
    run(folder, "ingest", "live.csv", *COLUMNS)
    found = run_json(folder, "detect", *AS_OF)
    assert found["raised"] >= 1
    sent = run_json(folder, "deliver", *AS_OF)
    assert sent["failed"] == 0
    assert sent["sent"] == len(mails(folder)) >= 2

    (incident,) = [
        found
        for found in run_json(folder, "incidents", "--all")
        if found["tank"] == "TK-2" and found["started_at"].startswith("2026-05-02T04:2")
    ]
    mine = [mail for mail in mails(folder) if mail["X-Tankwatch-Incident"] == incident["uid"]]
    alarm, clear = sorted(mine, key=lambda mail: mail["In-Reply-To"] or "")
    assert alarm["Subject"].startswith("ALARM TK-2 pressure jumped")
    check_picture(alarm)
    assert clear["In-Reply-To"] == alarm["Message-ID"]
    assert clear["Subject"].startswith("All clear TK-2")
    check_operator_verbs(folder, incident["incident_id"])
    check_status(folder)


def check_picture(mail: EmailMessage) -> None:
    pictures = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert len(pictures) == 1
    assert pictures[0].get_content().startswith(b"\x89PNG")
    html = mail.get_body(("html",))
    text = mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert str(pictures[0]["Content-ID"]).strip("<>") in html.get_content()
    assert "jumped" in text.get_content()


def check_operator_verbs(folder: Path, number: int) -> None:
    assert run_json(folder, "ack", str(number), "--by", "kim")["state"] == "closed"
    again = run(folder, "ack", str(number), code=2)
    assert "an incident that is closed cannot acknowledge" in again.stderr
    run(folder, "label", str(number), "real_fault", "--cause", "vent", "--by", "kim")
    history = run_json(folder, "incidents", str(number))["history"]
    assert history[0]["event"] == "raise"
    assert history[-1]["actor"] == "kim"


def check_status(folder: Path) -> None:
    status: Any = run_json(folder, "status")
    assert {job["job"] for job in status["jobs"]} == {"ingest", "train", "detect", "deliver"}
    assert all(job["last_outcome"] == "done" for job in status["jobs"])
    assert status["models"] == ["fused 1"]
    assert status["messages"]["failed"] == 0
    assert [row["tank"] for row in run_json(folder, "tanks")] == ["TK-1", "TK-2", "TK-3"]
    text = run(folder, "status").stdout
    assert "models in use: fused 1" in text
