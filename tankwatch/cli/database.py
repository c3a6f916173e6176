"""init and db: settings file and schema."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tankwatch.cli.common import (
    OUTPUT,
    AsOf,
    Choice,
    JsonFlag,
    open_engine,
    opened,
    present,
    print_json,
    print_table,
    settings,
)
from tankwatch.errors import UsageError
from tankwatch.jobs.context import recorded
from tankwatch.jobs.housekeeping import housekeeping
from tankwatch.settings_sources import FILE_NAME
from tankwatch.settings_text import render_toml
from tankwatch.store.archives import load_archives
from tankwatch.store.backup import Backup, back_up, restore
from tankwatch.store.engine import reading
from tankwatch.store.migrate import downgrade, upgrade
from tankwatch.store.schema import current_revision, head_revision

db = typer.Typer(help="The database: schema, backup, restore, clean-up.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(init)
    app.add_typer(db, name="db")


def init(json: JsonFlag = False) -> None:
    """Write a commented tankwatch.toml here, and create and migrate the database."""
    path = Choice.path or Path(FILE_NAME)
    written = not path.exists()
    if written:
        path.write_text(render_toml(), encoding="utf-8")
    Choice.path = path
    loaded = settings()
    engine = open_engine(loaded)
    upgrade(engine)
    where = engine.url.render_as_string(hide_password=True)
    engine.dispose()
    for folder in (loaded.ingest.folder, loaded.mail.folder):
        loaded.path(folder).mkdir(parents=True, exist_ok=True)
    if json:
        print_json({"settings": str(path), "written": written, "database": where})
        return
    OUTPUT.print(f"{'wrote' if written else 'kept'} {path}; the database {where} is ready")
    OUTPUT.print("next: `tankwatch ingest FILE...`, then `tankwatch train`, then `tankwatch run`")


@db.command("upgrade")
def db_upgrade(
    revision: Annotated[str, typer.Argument(help="Revision to migrate up to.")] = "head",
    json: JsonFlag = False,
) -> None:
    """Migrate the database up."""
    engine = open_engine(settings())
    upgrade(engine, revision)
    _tell(str(current_revision(engine)), json)


@db.command("downgrade")
def db_downgrade(
    revision: Annotated[str, typer.Argument(help="Revision to migrate down to, or `base`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Say that data may be dropped.")] = False,
    json: JsonFlag = False,
) -> None:
    """Migrate the database down; tables of later revisions are dropped with their rows."""
    if not yes:
        message = f"going down to {revision} drops tables with their rows: say so with --yes"
        raise UsageError(message)
    engine = open_engine(settings())
    downgrade(engine, revision)
    _tell(str(current_revision(engine)), json)


@db.command("current")
def db_current(json: JsonFlag = False) -> None:
    """Show the revision of the database, and the one that is needed."""
    _tell(str(current_revision(open_engine(settings()))), json)


@db.command("backup")
def db_backup(
    file: Annotated[Path, typer.Argument(help="New file to write.")], json: JsonFlag = False
) -> None:
    """Write the whole database into one file, while everything runs on."""
    engine = open_engine(settings())
    _tell_backup(back_up(engine, file), "wrote", json)


@db.command("restore")
def db_restore(
    file: Annotated[Path, typer.Argument(help="File that `tankwatch db backup` wrote.")],
    yes: Annotated[bool, typer.Option("--yes", help="Say that what is there is replaced.")] = False,
    json: JsonFlag = False,
) -> None:
    """Put a backup in the place of the database; stop the daemon and the server before."""
    engine = open_engine(settings())
    done = restore(engine, file, replace=yes)
    _tell_backup(done, "restored", json)
    if done.revision != head_revision() and not json:
        OUTPUT.print("it is of an older version: run `tankwatch db upgrade`")


@db.command("clean")
def db_clean(as_of: AsOf = "", json: JsonFlag = False) -> None:
    """Do now what the daemon does at night: export old readings, delete what is too old."""
    with opened() as context, recorded(context, "housekeeping") as facts:
        done = housekeeping(context, now=present(as_of))
        facts.rows = done.readings + done.scores
    if json:
        print_json(done)
        return
    told = asdict(done)
    OUTPUT.print(", ".join(f"{name.replace('_', ' ')} {told[name]:,}" for name in told))


@db.command("archives")
def db_archives(json: JsonFlag = False) -> None:
    """Show the files that old readings were exported to."""
    with opened() as context, reading(context.engine) as connection:
        rows = load_archives(connection)
    if json:
        print_json(rows)
        return
    columns = ("site", "month", "file", "rows", "sha256")
    cells = [(r.site, f"{r.month_at:%Y-%m}", r.path, r.rows, r.sha256) for r in rows]
    print_table(columns, cells, empty="nothing was exported yet")


def _tell_backup(done: Backup, how: str, json: bool) -> None:
    if json:
        print_json(done)
    else:
        OUTPUT.print(f"{how} {done.path}: {done.size:,} bytes, revision {done.revision}")


def _tell(revision: str, json: bool) -> None:
    if json:
        print_json({"revision": revision, "needed": head_revision()})
    else:
        OUTPUT.print(f"at {revision}, needed {head_revision()}")
