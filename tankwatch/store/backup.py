"""The whole database as one file, and back: what no migration can bring back."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, inspect

from tankwatch.errors import StoreError, UsageError
from tankwatch.store import backup_postgresql
from tankwatch.store.engine import reading
from tankwatch.store.schema import current_revision, known_revisions


@dataclass(frozen=True, slots=True)
class Backup:
    """A file that holds a whole database."""

    path: Path
    revision: str
    size: int


def back_up(engine: Engine, path: Path) -> Backup:
    """Write the database into a new file, while others read and write, and return what it holds.

    On SQLite the file is a database like the original (https://sqlite.org/backup.html); on
    PostgreSQL it is an archive of every table in binary COPY, of one state of the database.

    Raises:
        UsageError: the file exists, or the database is empty.
        StoreError: the file cannot be written.
    """
    revision = current_revision(engine)
    if revision is None:
        message = "the database is empty: there is nothing to back up"
        raise UsageError(message)
    if path.exists():
        message = f"{path} exists already, and a backup never overwrites another: name a new file"
        raise UsageError(message)
    part = path.with_name(f".{path.name}.part")
    try:
        if engine.name == "sqlite":
            _copy_sqlite(engine, part)
        else:
            backup_postgresql.write(engine, part, revision)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        message = f"{path} cannot be written ({error}): does its folder exist, and is there room?"
        raise StoreError(message) from error
    finally:
        part.unlink(missing_ok=True)
    return Backup(path, revision, path.stat().st_size)


def restore(engine: Engine, path: Path, *, replace: bool) -> Backup:
    """Put a backup in the place of the database, and return what it held.

    No other program may use the database meanwhile.  A restore that fails leaves what was there.

    Raises:
        UsageError: the file is no backup for this backend, or there is data and `replace` is false.
        StoreError: the file is damaged, or the database refused.
    """
    if not path.is_file():
        message = f"there is no file {path}: name a backup that `tankwatch db backup` wrote"
        raise UsageError(message)
    if not replace and _has_tables(engine):
        message = "the database holds tables, and a restore replaces all of them: say so with --yes"
        raise UsageError(message)
    if engine.name == "sqlite":
        revision = _restore_sqlite(engine, path)
    else:
        revision = backup_postgresql.read(engine, path)
    engine.dispose()  # what open connections remember of the schema is no longer true
    return Backup(path, revision, path.stat().st_size)


def _has_tables(engine: Engine) -> bool:
    with reading(engine) as connection:
        return bool(inspect(connection).get_table_names())


def _copy_sqlite(engine: Engine, part: Path) -> None:
    part.unlink(missing_ok=True)
    part.touch()  # says better than SQLite what is wrong with a folder
    with closing(engine.raw_connection()) as pooled, closing(sqlite3.connect(part)) as target:
        source = pooled.driver_connection
        try:
            source.backup(target)  # type: ignore[union-attr] # the driver's own connection
            target.execute("PRAGMA journal_mode = DELETE")
            _check(target, part)
        except sqlite3.Error as error:
            message = f"the backup failed ({error}): is there room in {part.parent}?"
            raise StoreError(message) from error


def _restore_sqlite(engine: Engine, path: Path) -> str:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as source:
        try:
            _check(source, path)
            found = source.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.DatabaseError as error:
            message = f"{path} is not a backup of a tankwatch database on SQLite ({error})"
            raise UsageError(message) from error
        revision = str(found[0]) if found else ""
        if revision not in known_revisions():
            message = f"{path} was made by a newer tankwatch ({revision}): upgrade this one"
            raise UsageError(message)
        with closing(engine.raw_connection()) as pooled:
            try:
                source.backup(pooled.driver_connection)  # type: ignore[arg-type]
            except sqlite3.Error as error:
                message = (
                    f"the database refused ({error}): stop `tankwatch run` and `tankwatch serve`, "
                    "and try again"
                )
                raise StoreError(message) from error
    return revision


def _check(database: sqlite3.Connection, path: Path) -> None:
    (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        message = f"{path} is damaged ({verdict}): take another backup"
        raise StoreError(message)
