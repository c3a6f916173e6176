"""A PostgreSQL database as an archive of its tables in binary COPY, without other programs.

``pg_dump`` refuses a server that is newer than itself and is not on every node; what is backed up
here are our own tables, whose schema the migrations make.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, inspect, text

from tankwatch.errors import StoreError, UsageError
from tankwatch.store.channels import READINGS_VIEW_VERSION
from tankwatch.store.engine import driver, reading, writing
from tankwatch.store.migrate import rebuild
from tankwatch.store.partitions import PARTITIONED, ensure_partitions, load_partitions
from tankwatch.store.plant import check_channel_name
from tankwatch.store.schema import known_revisions
from tankwatch.store.tables import METADATA
from tankwatch.store.views import create_view, reading_columns

_MANIFEST = "tankwatch-backup.json"
_PIECE = 1 << 20


def write(engine: Engine, path: Path, revision: str) -> None:
    """Write every table, all of one state of the database."""
    with (
        reading(engine) as connection,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive,
    ):
        found = inspect(connection)
        known = set(found.get_table_names())
        tables = {}
        for table in METADATA.sorted_tables:
            if table.name in known:
                columns = [column["name"] for column in found.get_columns(table.name)]
                with archive.open(table.name, "w", force_zip64=True) as file:
                    rows, digest = _copy_out(connection, table.name, columns, file)
                tables[table.name] = {"columns": columns, "rows": rows, "sha256": digest}
        manifest = {
            "revision": revision,
            "tables": tables,
            "months": {name: load_partitions(connection, name) for name in PARTITIONED},
        }
        archive.writestr(_MANIFEST, json.dumps(manifest, indent=1))


def read(engine: Engine, path: Path) -> str:
    """Put the tables of an archive in the place of what is there, and return their revision."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(_MANIFEST))
            revision = str(manifest["revision"])
            if revision not in known_revisions():
                message = f"{path} was made by a newer tankwatch ({revision}): upgrade this one"
                raise UsageError(message)
            with writing(engine) as connection:
                _load(connection, archive, manifest)
            return revision
    except KeyError as error:
        message = f"{path} is not a backup of a tankwatch database on PostgreSQL: {error}"
        raise UsageError(message) from error
    except zipfile.BadZipFile as error:
        message = f"{path} is damaged, or not a backup of a PostgreSQL database ({error})"
        raise StoreError(message) from error


def _load(connection: Connection, archive: zipfile.ZipFile, manifest: dict[str, Any]) -> None:
    rebuild(connection, manifest["revision"])
    _add_channels(connection, manifest["tables"]["reading"]["columns"])
    for table in PARTITIONED:
        starts = [_start_of(name) for name in manifest["months"][table]]
        known = np.array([start for start in starts if start is not None], dtype="M8[M]")
        ensure_partitions(connection, table, known.astype("M8[ms]").astype(np.int64))
    names = list(manifest["tables"])
    connection.execute(text(f"TRUNCATE {', '.join(names)}"))
    for name, told in manifest["tables"].items():
        rows, digest = _copy_in(connection, archive, name, told["columns"])
        if (rows, digest) != (told["rows"], told["sha256"]):
            message = (
                f"the backup is damaged: {name} holds {rows} rows, and not the {told['rows']} "
                "that were written; take another backup"
            )
            raise StoreError(message)
        _move_sequence(connection, name)


def _copy_out(connection: Connection, table: str, columns: list[str], file: Any) -> tuple[int, str]:
    """Write a table to `file`, and return its number of rows and SHA-256."""
    digest = hashlib.sha256()
    query = f"COPY (SELECT {', '.join(columns)} FROM {table}) TO STDOUT (FORMAT binary)"  # noqa: S608
    with driver(connection) as own, own.cursor() as cursor:
        with cursor.copy(query) as copy:
            for piece in _pieces(copy):
                digest.update(piece)
                file.write(piece)
        return int(cursor.rowcount), digest.hexdigest()


def _copy_in(
    connection: Connection, archive: zipfile.ZipFile, table: str, columns: list[str]
) -> tuple[int, str]:
    """Load a table from the archive, and return its number of rows and SHA-256."""
    digest = hashlib.sha256()
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)"
    with driver(connection) as own, own.cursor() as cursor:
        with archive.open(table) as file, cursor.copy(statement) as copy:
            while piece := file.read(_PIECE):
                digest.update(piece)
                copy.write(piece)
        return int(cursor.rowcount), digest.hexdigest()


def _pieces(copy: Any) -> Iterator[bytes]:
    """Yield what COPY gives, many rows at a time."""
    rows: list[bytes] = []
    size = 0
    for row in copy:
        rows.append(bytes(row))
        size += len(rows[-1])
        if size >= _PIECE:
            yield b"".join(rows)
            rows, size = [], 0
    yield b"".join(rows)


def _add_channels(connection: Connection, columns: list[str]) -> None:
    """Add the channels that the backup's readings have and a new database has not."""
    known = reading_columns(connection)
    added = [name for name in columns[2:] if name not in known]
    for name in added:
        column = check_channel_name(name)
        connection.exec_driver_sql(f"ALTER TABLE reading ADD COLUMN {column} DOUBLE PRECISION")
    if added:
        shown = reading_columns(connection)
        create_view(connection, "dash_readings", READINGS_VIEW_VERSION, channels=shown)


def _start_of(partition: str) -> str | None:
    """Return the month of a partition as numpy writes it, None for one that is no month."""
    year, _, month = partition.rpartition("_y")[2].partition("m")
    return f"{year}-{month}" if year.isdigit() and month.isdigit() else None


def _move_sequence(connection: Connection, table: str) -> None:
    """Let new rows be numbered after the restored ones."""
    (key, *more) = METADATA.tables[table].primary_key.columns
    sequence = text("SELECT pg_get_serial_sequence(:table, :column)")
    if more or not connection.scalar(sequence, {"table": table, "column": key.name}):
        return
    connection.execute(
        text(
            "SELECT setval(pg_get_serial_sequence(:table, :column), "  # noqa: S608 - our names
            f"coalesce(max({key.name}), 1), max({key.name}) IS NOT NULL) FROM {table}"
        ),
        {"table": table, "column": key.name},
    )
