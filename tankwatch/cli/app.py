"""The commands by group."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tankwatch import __version__
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


# Each command, and the module that holds it: a command loads what it needs and no more, so that
# `tankwatch status` answers at once although `tankwatch backtest` brings half of scientific Python.
MODULES = {
    "init": "database",
    "db": "database",
    "ingest": "data",
    "channel": "data",
    "train": "models",
    "models": "models",
    "detect": "daemon",
    "deliver": "daemon",
    "run": "daemon",
    "serve": "serve",
    "send": "send",
    "token": "tokens",
    "listen": "listen",
    "status": "status",
    "tanks": "status",
    "quarantine": "status",
    "response": "response",
    "site-incidents": "site_incidents",
    "incidents": "incidents",
    "ack": "incidents",
    "reset": "incidents",
    "close": "incidents",
    "label": "incidents",
    "shelve": "shelving",
    "unshelve": "shelving",
    "shelved": "shelving",
    "service": "shelving",
    "suppress": "suppression",
    "transfer": "suppression",
    "maintenance": "maintenance",
    "operator": "operators",
    "route": "routes",
    "report": "report",
    "backtest": "backtest",
    "forecast": "forecast",
    "simulate": "simulate",
    "demo": "demo",
}


def load_commands(arguments: Sequence[str]) -> typer.Typer:
    """Return the commands that `arguments` may mean: one module's, or all of them for the help."""
    named = [MODULES[word] for word in arguments if word in MODULES]
    wanted = named[:1] or list(dict.fromkeys(MODULES.values()))
    if not named and "--version" in arguments:
        wanted = ["status"]
    for module in wanted:
        importlib.import_module(f"tankwatch.cli.{module}").register(app)
    return app
