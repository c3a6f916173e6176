"""backtest: the production path over history, judged against labels, beside the baselines."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from tankwatch.cli.common import ERRORS, OUTPUT, JsonFlag, print_json, print_table, settings
from tankwatch.core.times import parse_time
from tankwatch.detectors.catalogue import DETECTORS
from tankwatch.errors import UsageError
from tankwatch.evaluate.labels import read_labels
from tankwatch.evaluate.report import write_report
from tankwatch.jobs.backtest import BacktestOptions, run_backtest
from tankwatch.jobs.label_column import labels_of_files
from tankwatch.jobs.replay import Cut, history_files


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(backtest)


def backtest(
    paths: Annotated[list[Path], typer.Argument(help="Files of readings, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the report and its tables.")],
    train_until: Annotated[str, typer.Option(help="Learn from readings before this time.")] = "",
    train_rows: Annotated[
        int | None, typer.Option(help="Learn from the first rows of each tank.", min=2)
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Known faults: a file with tank, start, end.")
    ] = None,
    label_column: Annotated[
        str, typer.Option(help="Known faults: a 0/1 column, which never reaches the model.")
    ] = "",
    detector: Annotated[
        str,
        typer.Option(help=f"Detector to judge: {', '.join(DETECTORS)} (default: the settings')."),
    ] = "",
    beside: Annotated[
        str,
        typer.Option(help="Others to judge beside it and the cheap baselines (a,b), or all."),
    ] = "",
    budget: Annotated[
        float | None, typer.Option(help="False alarms per tank-month.", min=1e-6)
    ] = None,
    channels: Annotated[str, typer.Option(help="Columns to watch, with commas between.")] = "",
    step: Annotated[
        int | None, typer.Option(help="Seconds in a step (default: as the data).", min=1)
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Go through history as the daemon would, and say what would have been found."""
    if labels is not None and label_column:
        message = "give the known faults once: --labels or --label-column"
        raise UsageError(message)
    loaded = settings()
    cut = Cut(parse_time(train_until) if train_until else None, train_rows)
    files = tuple(history_files(paths))
    known: pd.DataFrame | None = None
    if labels is not None:
        known = read_labels(labels)
    elif label_column:
        known = labels_of_files(files, label_column, step_s=step)
    options = BacktestOptions(
        files=files,
        cut=cut,
        detector=detector or loaded.detect.detector,
        channels=_names(channels),
        budget=budget,
        step_s=step,
        beside=_names(beside),
        skip_columns=(label_column,) if label_column else (),
    )
    result = run_backtest(options, loaded, labels=known, say=ERRORS.print)
    report = write_report(out, result)
    if json:
        print_json(report)
        return
    print_table(report["columns"], report["rows"], empty="")
    OUTPUT.print()
    OUTPUT.print(report["verdict"])
    OUTPUT.print(report["choice"])
    OUTPUT.print(f"report: {out / 'report.html'}")


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())
