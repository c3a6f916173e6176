"""train and models: learning, and which version is used."""

from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn

from tankwatch import clock
from tankwatch.cli import versions
from tankwatch.cli.common import ERRORS, OUTPUT, JsonFlag, opened, print_json, print_table
from tankwatch.core.times import human_duration, parse_time
from tankwatch.jobs.context import Context, recorded
from tankwatch.jobs.train import TrainResult, train
from tankwatch.models.child import Progress as Epoch
from tankwatch.store.engine import reading
from tankwatch.store.registry import load_versions

models = typer.Typer(help="Model versions.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("train")(train_command)
    versions.register(models)
    app.add_typer(models, name="models")


def train_command(
    detector: Annotated[
        str,
        typer.Option(
            help="Detector to train, for instance fused or pca (default: as the settings say)."
        ),
    ] = "",
    until: Annotated[str, typer.Option(help="Learn from readings before this time only.")] = "",
    json: JsonFlag = False,
) -> None:
    """Train, calibrate to the alarm budget, and promote if no worse than the model in use."""
    with opened() as context:
        chosen = (context.settings.detect.detector, *context.settings.detect.shadow)
        results = [
            train_shown(context, name, until=until)
            for name in ((detector,) if detector else chosen)
        ]
    if json:
        print_json(results)
        return
    for result in results:
        word = "in use" if result.promoted else "kept as a candidate"
        OUTPUT.print(
            f"{result.detector}: version {result.model_version_id} is {word} ({result.reason}); "
            f"{result.tanks} tanks, {result.train_windows:,} windows"
        )


def train_shown(context: Context, detector: str, *, until: str = "") -> TrainResult:
    """Train with a progress bar, and return the result."""
    with (
        recorded(context, "train") as facts,
        Progress(
            TextColumn("training {task.fields[what]}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            console=ERRORS,
            transient=True,
            disable=not ERRORS.is_terminal,
        ) as progress,
    ):
        task = progress.add_task("", total=None, what=detector, told="starting")

        def show(epoch: Epoch) -> None:
            part = f"fit {epoch.fit}/{epoch.fits}, " if epoch.fits > 1 else ""
            told = part + (
                f"epoch {epoch.epoch}/{epoch.epochs}, loss {epoch.loss:.4f}, held-out "
                f"{epoch.held_out_loss:.4f}, at most {human_duration(epoch.seconds_left)} left"
            )
            progress.update(task, total=epoch.epochs, completed=epoch.epoch, told=told)

        result = train(
            context,
            detector,
            now=clock.now(),
            until=parse_time(until) if until else None,
            on_progress=show,
        )
        facts.rows, facts.detail = result.train_windows, result.reason
    return result


@models.command("list")
def list_models(json: JsonFlag = False) -> None:
    """Show every model version, the newest first."""
    with opened() as context, reading(context.engine) as connection:
        found = load_versions(connection)
    if json:
        print_json(found)
        return
    columns = (
        "version",
        "detector",
        "state",
        "trained",
        "tanks",
        "held-out error",
        "drift",
        "reason",
    )
    rows = [
        (
            v.model_version_id,
            v.detector,
            v.state.value,
            v.trained_at,
            v.tanks,
            v.validation_error,
            v.drift,
            v.reason,
        )
        for v in found
    ]
    print_table(columns, rows, empty="no model yet: `tankwatch train`")
