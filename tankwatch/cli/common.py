"""What every command needs: settings, database, tables and JSON."""

import getpass
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.table import Table

from tankwatch import clock
from tankwatch.core.actor import Actor, Via
from tankwatch.core.times import iso, parse_time
from tankwatch.jobs.context import Context
from tankwatch.settings import Settings
from tankwatch.settings_sources import load_settings
from tankwatch.store.channels import ensure_channels
from tankwatch.store.engine import Engine, connect, writing
from tankwatch.store.schema import require_current

ERRORS = Console(stderr=True, highlight=False, soft_wrap=True)
# Whoever reads from a pipe has no edge to wrap at.
OUTPUT = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 240)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
AsOf = Annotated[
    str,
    typer.Option(help="Take this as the present (ISO 8601), to work through old readings."),
]


class Choice:
    """The settings file that the command line names, if it names one."""

    path: Path | None = None


def settings() -> Settings:
    """Return the settings, and set logging up as they say."""
    loaded = load_settings(Choice.path)
    configure_logging(loaded)
    return loaded


def open_engine(loaded: Settings) -> Engine:
    """Return an engine for the database of the settings."""
    database = loaded.database
    url = database.url.get_secret_value()
    return connect(
        url,
        home=loaded.home,
        busy_timeout_s=database.busy_timeout_s,
        patience_s=database.patience_s,
    )


@contextmanager
def opened(loaded: Settings | None = None) -> Iterator[Context]:
    """Open the database of the settings, which must be current, with every declared channel."""
    loaded = loaded or settings()
    engine = open_engine(loaded)
    try:
        require_current(engine)
        with writing(engine) as connection:
            ensure_channels(connection, {n: rules.unit for n, rules in loaded.channels.items()})
        yield Context(engine, loaded)
    finally:
        engine.dispose()


def configure_logging(loaded: Settings) -> None:
    """Log to standard error, for people or for machines."""
    level = logging.getLevelNamesMapping()[loaded.log.level.upper()]
    renderer: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if loaded.log.format == "json":
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def present(as_of: str) -> datetime:
    """Return the time that `as_of` names, else the clock's."""
    return parse_time(as_of) if as_of else clock.now()


def actor(by: str) -> Actor:
    """Return who gives the command: the one named, else whose account runs it."""
    return Actor(by or getpass.getuser(), Via.COMMAND)


def print_json(value: Any) -> None:
    """Print a value as JSON on one line for each list element, or indented for an object."""
    sys.stdout.write(json.dumps(value, default=_plain, indent=2, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
    """Print rows as a table, or `empty` if there are none."""
    if not rows:
        OUTPUT.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    OUTPUT.print(table)


def print_error(error: object) -> None:
    """Print an error for people, on standard error."""
    ERRORS.print(f"[bold red]tankwatch:[/] {str(error).replace('[', chr(92) + '[')}")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value).replace("[", "\\[")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
