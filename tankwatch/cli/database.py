"""init and db: settings file and schema."""

from pathlib import Path
from typing import Annotated

import typer

from tankwatch.cli.common import OUTPUT, Choice, JsonFlag, open_engine, print_json, settings
from tankwatch.errors import UsageError
from tankwatch.settings_sources import FILE_NAME
from tankwatch.settings_text import render_toml
from tankwatch.store.migrate import current_revision, downgrade, head_revision, upgrade

db = typer.Typer(help="The database's schema.", no_args_is_help=True)


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


def _tell(revision: str, json: bool) -> None:
    if json:
        print_json({"revision": revision, "needed": head_revision()})
    else:
        OUTPUT.print(f"at {revision}, needed {head_revision()}")
