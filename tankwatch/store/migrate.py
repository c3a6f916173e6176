"""Bringing a database to the schema that this version needs, from the source tree or installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

import tankwatch
from tankwatch.errors import SchemaError
from tankwatch.store.engine import reading, writing


def migrations_folder() -> Path:
    """Return the folder of migrations: inside the installed package, else in the source tree."""
    package = Path(tankwatch.__file__).parent
    for folder in (package / "_migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    message = f"the migrations are missing beside {package}: install tankwatch again"
    raise SchemaError(message)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Migrate up to `revision` in one transaction."""
    with writing(engine) as connection, _refused(engine):
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Migrate down to `revision` in one transaction."""
    with writing(engine) as connection, _refused(engine):
        command.downgrade(_config(connection), revision)


def rebuild(connection: Connection, revision: str) -> None:
    """Drop every table and make those of `revision`, in the open transaction."""
    config = _config(connection)
    command.downgrade(config, "base")
    command.upgrade(config, revision)


def check(engine: Engine) -> None:
    """Compare the database with the models.

    Raises:
        alembic.util.CommandError: they differ; the message says where.
    """
    with writing(engine) as connection:
        command.check(_config(connection))


def head_revision() -> str:
    """Return the revision that this version needs."""
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    if head is None:
        message = "the migrations hold no revision: install tankwatch again"
        raise SchemaError(message)
    return head


def current_revision(engine: Engine) -> str | None:
    """Return the revision that the database is at, None for an empty one."""
    with reading(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def require_current(engine: Engine) -> None:
    """Do nothing if the database is at the revision that this version needs.

    Raises:
        SchemaError: it is not; the message names the remedy.
    """
    current, head = current_revision(engine), head_revision()
    if current == head:
        return
    where = engine.url.render_as_string(hide_password=True)
    if current is None:
        message = f"the database {where} is empty: create it with `tankwatch init`"
    elif current not in known_revisions():
        message = (
            f"the database {where} was made by a newer tankwatch ({current}): upgrade this one"
        )
    else:
        message = f"the database {where} is at {current}, not {head}: run `tankwatch db upgrade`"
    raise SchemaError(message)


@contextmanager
def _refused(engine: Engine) -> Iterator[None]:
    """Say what Alembic refuses, for instance a revision that there is not."""
    try:
        yield
    except CommandError as error:
        where = engine.url.render_as_string(hide_password=True)
        known = ", ".join(sorted(known_revisions()))
        message = f"the database {where} cannot be migrated ({error}); revisions here: {known}"
        raise SchemaError(message) from error


def known_revisions() -> set[str]:
    """Return the revisions that this version can migrate to."""
    script = ScriptDirectory.from_config(_config(None))
    return {revision.revision for revision in script.walk_revisions()}


def _config(connection: object) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
