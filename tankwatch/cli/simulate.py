"""simulate: a tank farm with faults, for trying things out."""

from pathlib import Path
from typing import Annotated

import typer

from tankwatch.cli.common import OUTPUT, JsonFlag, print_json
from tankwatch.core.times import parse_time
from tankwatch.simulate import FarmSpec, simulate_farm, write_farm


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(simulate)


def simulate(
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    tanks: Annotated[int, typer.Option(help="Number of tanks.", min=1)] = 8,
    days: Annotated[float, typer.Option(help="Length of the run.")] = 21,
    quiet_days: Annotated[float, typer.Option(help="Days without faults at its beginning.")] = 14,
    step: Annotated[int, typer.Option(help="Seconds between readings.", min=1)] = 60,
    faults: Annotated[int, typer.Option(help="Number of faults.", min=0)] = 12,
    severity: Annotated[
        float, typer.Option(help="1 is plain to an engineer; less is subtler.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same farm.", min=0)] = 0,
    start: Annotated[str, typer.Option(help="First reading.")] = "2026-03-02T00:00:00Z",
    split: Annotated[
        bool, typer.Option(help="Put the quiet days and the rest into two files.")
    ] = True,
    json: JsonFlag = False,
) -> None:
    """Simulate a tank farm, and write its readings and the labels of its faults."""
    spec = FarmSpec(
        tanks=tanks,
        days=days,
        quiet_days=quiet_days,
        step_s=step,
        faults=faults,
        severity=severity,
        seed=seed,
        start=parse_time(start),
    )
    split_at = spec.quiet_until if split else None
    files = write_farm(simulate_farm(spec), out, split_at=split_at)
    if json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        OUTPUT.print(str(file))
