"""How Alembic reaches the database: a given connection, else the one that the settings name."""

from typing import Any

from alembic import context
from sqlalchemy import Connection

from tankwatch.settings_sources import load_settings
from tankwatch.store.engine import connect, writing
from tankwatch.store.tables import METADATA


def include_object(
    obj: Any,
    name: str | None,
    kind: str,
    reflected: bool,  # noqa: FBT001 - Alembic's signature
    _compare_to: Any,
) -> bool:
    """Return whether `obj` is part of the frozen schema: partitions and added channels are not.

    Nor is the index of another backend.
    """
    if kind == "table" and reflected:
        return name in METADATA.tables
    if kind == "column" and reflected and obj.table.name == "reading":
        return str(name) in METADATA.tables["reading"].columns
    if kind == "index":
        backend = context.get_context().dialect.name
        return bool(obj.info.get("only", backend) == backend)
    return True


def migrate(connection: Connection) -> None:
    """Run the migrations on `connection`."""
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        include_object=include_object,
        compare_type=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def migrate_from_settings() -> None:
    """Run the migrations on the database that the settings name."""
    settings = load_settings()
    url = settings.database.url.get_secret_value()
    engine = connect(url, home=settings.home, busy_timeout_s=settings.database.busy_timeout_s)
    with writing(engine) as connection:
        migrate(connection)
    engine.dispose()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    migrate_from_settings()
