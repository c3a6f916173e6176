"""Which schema a database has, and which one this version needs.

Every command asks this, so it does without Alembic, whose import and whose reading of each script
would be a quarter of the start.  A test holds it to what Alembic says.
"""

import re
from pathlib import Path

from sqlalchemy import Column, Engine, MetaData, String, Table, inspect, select

import tankwatch
from tankwatch.errors import SchemaError
from tankwatch.store.engine import reading

_SCRIPT = re.compile(r"(\d{4})_\w+\.py")
_VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32)))


def migrations_folder() -> Path:
    """Return the folder of migrations: inside the installed package, else in the source tree."""
    package = Path(tankwatch.__file__).parent
    for folder in (package / "_migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    message = f"the migrations are missing beside {package}: install tankwatch again"
    raise SchemaError(message)


def known_revisions() -> set[str]:
    """Return the revisions that this version can migrate to."""
    scripts = (migrations_folder() / "versions").iterdir()
    return {found[1] for script in scripts if (found := _SCRIPT.fullmatch(script.name))}


def head_revision() -> str:
    """Return the revision that this version needs."""
    known = known_revisions()
    if not known:
        message = "the migrations hold no revision: install tankwatch again"
        raise SchemaError(message)
    return max(known)


def current_revision(engine: Engine) -> str | None:
    """Return the revision that the database is at, None for an empty one."""
    with reading(engine) as connection:
        if not inspect(connection).has_table(_VERSION.name):
            return None
        return connection.execute(select(_VERSION.c.version_num)).scalar_one_or_none()


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
