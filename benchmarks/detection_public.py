"""SKAB and NAB: real recordings with a label for each row."""

from pathlib import Path

from detection_files import Contest, judge_files
from detection_tables import POINT_HEADS, point_cells, print_table, record_beside

from tankwatch.evaluate.summary import Summary
from tankwatch.jobs.label_column import labels_of_files
from tankwatch.jobs.replay import Cut, history_files

LABEL = "anomaly"
SKAB_COLUMNS = (
    "accelerometer1_rms_g",
    "accelerometer2_rms_g",
    "current_A",
    "pressure_bar",
    "temperature_degC",
    "thermocouple_degC",
    "voltage_V",
    "flow_rate_rms_L_per_min",
)
SKAB_TRAIN_ROWS, NAB_TRAIN_ROWS = 400, 750
NAB_FILE = "ambient_temperature_system_failure.csv.gz"


def skab(contest: Contest, data: Path) -> None:
    """Judge valve 1 and the first four of the others, pooled; 400 rows of each file to learn."""
    files = history_files([data / "skab" / "valve1", data / "skab" / "other"])
    _judge("SKAB", contest, files, rows=SKAB_TRAIN_ROWS, columns=SKAB_COLUMNS)


def nab(contest: Contest, data: Path) -> None:
    """Judge the ambient temperature; 750 hours to learn."""
    files = [data / "nab" / NAB_FILE]
    _judge("NAB", contest, files, rows=NAB_TRAIN_ROWS, columns=("temperature_degF",))


def _judge(
    name: str, contest: Contest, files: list[Path], *, rows: int, columns: tuple[str, ...]
) -> None:
    summary = judge_files(
        contest,
        files,
        cut=Cut(train_rows=rows),
        labels=labels_of_files(tuple(files), LABEL, step_s=None),
        columns=columns,
        skip=(LABEL,),
    )
    _show(name, summary, contest.detector)


def _show(name: str, summary: Summary, ours: str) -> None:
    # The production path has the scores of its detector.
    rows = summary.rows[1:]
    points = rows[0].points
    title = (
        f"{name}: {points.scored:,} rows scored, {points.fault_steps:,} of them faulty; "
        f"VUS-PR with buffers of up to {summary.buffer} rows"
    )
    cells = [[row.name, *point_cells(row.points)] for row in rows]
    print_table(title, ("detector", *POINT_HEADS), cells)
    figures = {
        row.name: {"average precision": row.points.average_precision, "VUS-PR": row.points.vus_pr}
        for row in rows
    }
    record_beside(name, figures, ours=ours)
