"""Bringing a database to the schema that this version needs, from the source tree or installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from tankwatch.errors import SchemaError
from tankwatch.store.engine import writing
from tankwatch.store.schema import known_revisions, migrations_folder


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


def _config(connection: object) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
