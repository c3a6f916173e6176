"""Backtests on the sample farm and, where they are there, on public data; baselines beside.

Public data is looked for in the folder that TANKWATCH_DATA names, else in ../shared/data.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from results import record

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.pop("TANKWATCH_DATA", str(ROOT.parent / "shared" / "data")))
SKAB_CHANNELS = (
    "accelerometer1_rms_g,accelerometer2_rms_g,current_A,pressure_bar,temperature_degC,"
    "thermocouple_degC,voltage_V,flow_rate_rms_L_per_min"
)
SAMPLE = ROOT / "sample_data"
RUNS = {
    "sample farm": [
        str(SAMPLE),
        *("--train-until", "2026-03-12T00:00:00Z", "--labels", str(SAMPLE / "labels.csv")),
    ],
    "SKAB": [
        *(str(DATA / "skab" / "valve1"), str(DATA / "skab" / "other")),
        *("--label-column", "anomaly", "--train-rows", "400", "--channels", SKAB_CHANNELS),
    ],
    "NAB": [
        str(DATA / "nab"),
        *("--label-column", "anomaly", "--train-rows", "750", "--channels", "temperature"),
    ],
}


def backtest(words: list[str]) -> dict[str, Any]:
    """Return the report of a backtest that is run as a program."""
    with tempfile.TemporaryDirectory() as out:
        program = [sys.executable, "-c", "from tankwatch.cli import main; main()"]
        command = [*program, "backtest", *words, "--out", out, "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=out)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def main() -> None:
    """Run every backtest whose data is there, and print a table of each."""
    for name, words in RUNS.items():
        if not Path(words[0]).exists():
            print(f"{name}: no data in {words[0]}, left out")
            continue
        report = backtest(words)
        print(f"\n### {name}\n\n| {' | '.join(report['columns'])} |")
        print("|" + "---|" * len(report["columns"]))
        for row in report["rows"]:
            print(f"| {' | '.join(row)} |")
        rows = {row["name"]: row for row in report["detectors"]}
        best = max(
            (row for row in rows.values() if row["role"] == "baseline"),
            key=lambda row: row["average_precision"] or 0.0,
        )
        record(
            f"average precision, {name}",
            rows["autoencoder"]["average_precision"],
            "",
            against=best["name"],
            other=best["average_precision"],
        )


if __name__ == "__main__":
    main()
