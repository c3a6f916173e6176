"""ingest and channel: readings and what is measured."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from tankwatch import clock
from tankwatch.cli.common import (
    ERRORS,
    OUTPUT,
    JsonFlag,
    opened,
    print_error,
    print_json,
    print_table,
    settings,
)
from tankwatch.core.readings import Accepted
from tankwatch.errors import SourceError, UsageError
from tankwatch.ingest.accept import accept_chunks, file_options, intake_of
from tankwatch.ingest.chunk import Chunk
from tankwatch.ingest.file import read_file, read_stream
from tankwatch.jobs.context import Context, recorded
from tankwatch.settings import Settings
from tankwatch.store.channels import add_channel
from tankwatch.store.engine import reading, writing
from tankwatch.store.plant import load_channels

channel = typer.Typer(help="What is measured.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(ingest)
    app.add_typer(channel, name="channel")


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files, or - for standard input.")],
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column's name in your file, as tank=Tag or pressure=PT."),
    ] = None,
    unit: Annotated[
        list[str] | None, typer.Option(help="A channel's unit in your file, as pressure=bar.")
    ] = None,
    absolute: Annotated[
        list[str] | None, typer.Option(help="A channel whose pressure is absolute.")
    ] = None,
    time_zone: Annotated[str, typer.Option(help="Zone of times that state none.")] = "",
    tank: Annotated[str, typer.Option(help="Tank of files that have no tank column.")] = "",
    encoding: Annotated[str, typer.Option(help="Encoding of text files.")] = "auto",
    epoch_unit: Annotated[
        Literal["auto", "s", "ms", "us", "ns"], typer.Option(help="Unit of numeric times.")
    ] = "auto",
    json: JsonFlag = False,
) -> None:
    """Store readings from CSV, Parquet or JSON lines, wide or long."""
    given = {
        "columns": _pairs("--column", column),
        "units": _pairs("--unit", unit),
        "absolute": tuple(absolute or ()),
        "time_zone": time_zone,
    }
    how = {"default_tank": tank or None, "encoding": encoding, "epoch_unit": epoch_unit}
    loaded = overruled(settings(), given)
    total, broken = Accepted(), []
    with opened(loaded) as context, recorded(context, "ingest") as facts:
        for path in paths:
            try:
                total += _ingest_one(context, path, how)
            except SourceError as error:
                broken.append(str(error))
                print_error(error)
        facts.rows = total.stored + total.updated
        facts.detail = f"{len(paths)} files, {total.rejected} rejected"
    if json:
        print_json({**_counts(total), "unreadable": broken})
    else:
        OUTPUT.print(", ".join(f"{name} {count:,}" for name, count in _counts(total).items()))
        if total.rejected:
            OUTPUT.print("why rows were rejected: `tankwatch quarantine`")
    if broken:
        raise typer.Exit(1)


@channel.command("list")
def list_channels(json: JsonFlag = False) -> None:
    """Show the channels."""
    with opened() as context, reading(context.engine) as connection:
        rows = load_channels(connection)
    if json:
        print_json(rows)
        return
    print_table(("channel", "unit"), [(row.name, row.unit) for row in rows], empty="none")


@channel.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Small letters, digits, underscores.")],
    unit: Annotated[str, typer.Argument(help="Canonical unit.")] = "",
    json: JsonFlag = False,
) -> None:
    """Add a channel: a nullable column of readings, and its place in the views."""
    with opened() as context, writing(context.engine) as connection:
        add_channel(connection, name, unit)
    if json:
        print_json({"channel": name, "unit": unit})
    else:
        OUTPUT.print(f"added {name}; give it limits in \\[channels.{name}] of the settings")


def overruled(loaded: Settings, given: Mapping[str, object]) -> Settings:
    """Return the settings with what the command line says of files put over them."""
    update = {name: value for name, value in given.items() if value}
    merged = {
        name: {**getattr(loaded.ingest, name), **value} if isinstance(value, dict) else value
        for name, value in update.items()
    }
    return loaded.model_copy(update={"ingest": loaded.ingest.model_copy(update=merged)})


def _ingest_one(context: Context, path: Path, how: dict[str, Any]) -> Accepted:
    now = clock.now()
    options = replace(file_options(context.engine, context.settings, now=now), **how)
    is_stdin = str(path) == "-"
    if is_stdin:
        chunks = read_stream(sys.stdin.buffer, "standard input", options)
    else:
        chunks = read_file(path, options)
    size = path.stat().st_size if not is_stdin and path.is_file() else None
    with _progress() as progress:
        task = progress.add_task("standard input" if is_stdin else path.name, total=size)

        def on_chunk(chunk: Chunk) -> None:
            progress.advance(task, chunk.bytes_read)
            for note in chunk.notes:
                ERRORS.print(f"note: {note}")

        return accept_chunks(
            intake_of(context.engine, context.settings), chunks, now=now, on_chunk=on_chunk
        )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=ERRORS,
        transient=True,
        disable=not ERRORS.is_terminal,
    )


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            message = f"{option} {text!r} is not NAME=VALUE, for instance {option} pressure=bar"
            raise UsageError(message)
        pairs[name.strip()] = value.strip()
    return pairs


def _counts(accepted: Accepted) -> dict[str, int]:
    return {
        "stored": accepted.stored,
        "updated": accepted.updated,
        "duplicate": accepted.duplicate,
        "rejected": accepted.rejected,
    }
