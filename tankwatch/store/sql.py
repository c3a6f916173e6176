"""The few expressions that SQLite and PostgreSQL write differently."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection


def is_sqlite(connection: Connection) -> bool:
    """Return whether the backend is SQLite."""
    return connection.dialect.name == "sqlite"


def id_list(connection: Connection, ids: Sequence[int]) -> tuple[str, dict[str, Any]]:
    """Return a subquery over `ids` and its parameter; one statement whatever their number."""
    if is_sqlite(connection):
        return "SELECT value FROM json_each(:ids)", {"ids": json.dumps([int(i) for i in ids])}
    return "SELECT unnest(CAST(:ids AS integer[]))", {"ids": [int(i) for i in ids]}


def ms_column(connection: Connection, column: str) -> str:
    """Return an expression that reads a time column as epoch milliseconds."""
    if is_sqlite(connection):
        return column
    return f"CAST(extract(epoch FROM {column}) * 1000 AS bigint)"


def ms_parameter(connection: Connection, expression: str) -> str:
    """Return an expression that turns epoch milliseconds into what a time column holds."""
    if is_sqlite(connection):
        return expression
    # Seconds apart from the rest: an interval is multiplied as a double, and milliseconds since
    # 1970 would be rounded from the year 2255 on.
    ms = f"CAST({expression} AS bigint)"
    return (
        f"(timestamptz 'epoch' + {ms} / 1000 * interval '1 second' "
        f"+ mod({ms}, 1000) * interval '1 millisecond')"
    )


def ms_bucket(connection: Connection, column: str) -> str:
    """Return an expression for the beginning of the bucket of a time column, epoch milliseconds.

    Buckets are `:width_ms` wide and begin at its multiples.
    """
    if is_sqlite(connection):
        return f"{column} / :width_ms * :width_ms"
    width = "CAST(:width_ms AS float8) * interval '1 millisecond'"
    return ms_column(connection, f"date_bin({width}, {column}, timestamptz 'epoch')")
