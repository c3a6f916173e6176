"""Dashboard views: frozen SQL files, with the few words that backends write differently.

A view file is SQLite and PostgreSQL at once but for these words, each with its arguments in
brackets: ``@iso(x)`` a time as shown to people, ``@day(x)`` its UTC day, ``@ms(x)`` its
epoch milliseconds, ``@day_start(x)`` and ``@day_after(x)`` when its UTC day begins and when the
next one does, ``@seconds(a, b)`` the seconds from a to b, ``@now()`` the present, all three as a
time column holds them, and ``@channels()`` the columns of every channel of ``reading r``.
"""

import re
from collections.abc import Sequence

from sqlalchemy import Connection, inspect

from tankwatch.store.plant import check_channel_name
from tankwatch.store.schema import migrations_folder
from tankwatch.store.sql import is_sqlite

VIEWS = (
    "dash_tank_status",
    "dash_readings",
    "dash_scores",
    "dash_incidents",
    "dash_site_incidents",
    "dash_alarm_kpis",
    "dash_job_health",
    "dash_model_health",
    "dash_readings_hourly",
    "dash_readings_daily",
    "dash_data_quality",
)
_CALL = re.compile(r"@(iso|day|ms|seconds|now|day_start|day_after)\(((?:[^()]|\([^()]*\))*)\)")

_SQLITE = {
    "iso": "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000.0, 'unixepoch')",
    "day": "strftime('%Y-%m-%d', {0} / 1000.0, 'unixepoch')",
    "ms": "{0}",
    "day_start": "({0} / 86400000 * 86400000)",
    "day_after": "({0} / 86400000 * 86400000 + 86400000)",
    "seconds": "(({1}) - ({0})) / 1000.0",
    "now": "(CAST(strftime('%s', 'now') AS INTEGER) * 1000)",
}
_POSTGRESQL = {
    "iso": "{0}",
    "day": "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "day_start": "date_trunc('day', {0}, 'UTC')",
    "day_after": "(date_trunc('day', {0}, 'UTC') + interval '24 hours')",
    "ms": "CAST(extract(epoch FROM {0}) * 1000 AS bigint)",
    "seconds": "CAST(extract(epoch FROM (({1}) - ({0}))) AS float8)",
    "now": "now()",
}


def create_view(
    connection: Connection, name: str, version: int, *, channels: Sequence[str] = ()
) -> None:
    """Create the view `name` from its frozen file of `version`, in place of an older one."""
    drop_view(connection, name)
    body = view_query(connection, name, version, channels=channels)
    connection.exec_driver_sql(f"CREATE VIEW {name} AS {body}")


def view_query(
    connection: Connection, name: str, version: int, *, channels: Sequence[str] = ()
) -> str:
    """Return the query of the view `name` as its frozen file of `version` has it."""
    file = migrations_folder() / "views" / f"{name}_v{version}.sql"
    words = _SQLITE if is_sqlite(connection) else _POSTGRESQL
    columns = ", ".join(f"r.{check_channel_name(channel)}" for channel in channels)
    body = file.read_text(encoding="utf-8").replace("@channels()", columns)

    def expand(call: re.Match[str]) -> str:
        arguments = [argument.strip() for argument in call[2].split(",")]
        return words[call[1]].format(*arguments)

    return _CALL.sub(expand, body)


def drop_view(connection: Connection, name: str) -> None:
    """Drop the view `name` if it is there."""
    connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def reading_columns(connection: Connection) -> list[str]:
    """Return the channels that the reading table has a column for, in its order."""
    columns = [column["name"] for column in inspect(connection).get_columns("reading")]
    return [name for name in columns if name not in {"tank_id", "observed_at"}]
