"""The commands by group."""

from pathlib import Path
from typing import Annotated

import typer

from tankwatch import __version__
from tankwatch.cli import backtest, daemon, data, database, demo, incidents, models, simulate
from tankwatch.cli.common import OUTPUT, Choice

app = typer.Typer(
    name="tankwatch",
    help="Watch the pressure and temperature of oil-tank farms. A monitoring aid, not a safety "
    "system.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        OUTPUT.print(f"tankwatch {__version__}")
        raise typer.Exit


@app.callback()
def choose(
    config: Annotated[
        Path | None, typer.Option(help="Settings file (default: tankwatch.toml here).")
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Remember the settings file for the command that follows."""
    Choice.path = config


for group in (database, data, models, daemon, incidents, backtest, simulate, demo):
    group.register(app)
