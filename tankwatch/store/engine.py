"""Connections and transactions, the same to callers on SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    ExceptionContext,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from tankwatch.errors import SettingsError, StoreError

__all__ = ["Connection", "Engine", "autocommitting", "connect", "driver", "reading", "writing"]

PATIENCE = "tankwatch_patience_s"
_WRITING = "tankwatch_writing"
# A machine that vanished answers nothing; without these a program waits for it for hours.
_NOTICE_A_DEAD_SERVER = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_READ_ONLY = "25006"
# Serialization failure, deadlock, too many connections, shutdown, crash, starting up.
_PASSING = {"40001", "40P01", _READ_ONLY, "53300", "57P01", "57P02", "57P03"}


def connect(
    url: str, *, home: Path = Path(), busy_timeout_s: float = 30.0, patience_s: float = 300.0
) -> Engine:
    """Return an engine for `url`; a relative SQLite path starts at `home`.

    `patience_s` is how long ``patience.written`` tries again while PostgreSQL is away.

    Raises:
        SettingsError: the URL is not one of SQLite or PostgreSQL, or a driver is missing.
    """
    parsed = _parse(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        parsed = parsed.set(drivername="sqlite")
        if parsed.database and parsed.database != ":memory:":
            parsed = parsed.set(database=str(home / parsed.database))
        return _sqlite(str(parsed), busy_timeout_s)
    if backend == "postgresql":
        return _postgresql(parsed.set(drivername="postgresql+psycopg"), patience_s)
    message = f"database.url names {backend!r}: tankwatch keeps its data in sqlite or postgresql"
    raise SettingsError(message)


def _parse(url: str) -> URL:
    """Return `url` in parts, its password where messages are known to hide it."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        message = "database.url is not an SQLAlchemy URL: write sqlite:///tankwatch.db or postgresql://..."
        raise SettingsError(message) from error
    if "@" in (parsed.host or ""):
        message = "database.url holds more than one @: write one in a password as %40"
        raise SettingsError(message)
    if password := parsed.query.get("password"):
        parsed = parsed.difference_update_query(["password"]).set(password=str(password))
    return parsed


def _sqlite(url: str, busy_timeout_s: float) -> Engine:
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling would begin late and never lock; see `begin` below.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            "cache_size = -32768",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _postgresql(url: URL, patience_s: float) -> Engine:
    told = {name: value for name, value in _NOTICE_A_DEAD_SERVER.items() if name not in url.query}
    try:
        engine = create_engine(
            url.render_as_string(hide_password=False),
            pool_pre_ping=True,
            connect_args={"options": "-c timezone=UTC", **told},
            execution_options={PATIENCE: patience_s},
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        message = "PostgreSQL needs its driver: pip install 'tankwatch[postgres]'"
        raise SettingsError(message) from error

    @event.listens_for(engine, "handle_error")
    def _leave_a_standby(context: ExceptionContext) -> None:
        # After a fail-over the pool may hold connections to a server that only reads.
        if getattr(context.original_exception, "sqlstate", "") == _READ_ONLY:
            context.is_disconnect = True

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a connection whose queries all see one state of the database."""
    options = {"isolation_level": "REPEATABLE READ"} if engine.name == "postgresql" else {}
    with _translated(), engine.connect().execution_options(**options) as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that commits at the end, or not at all."""
    with (
        _translated(),
        engine.connect().execution_options(**{_WRITING: True}) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def autocommitting(engine: Engine) -> Iterator[Connection]:
    """Open a connection whose statements each are a transaction, for upkeep that needs it."""
    options = {"isolation_level": "AUTOCOMMIT"}
    with _translated(), engine.connect().execution_options(**options) as connection:
        yield connection


@contextmanager
def driver(connection: Connection) -> Iterator[Any]:
    """Lend the driver's own connection, for what SQLAlchemy has no words for.

    Its errors come as SQLAlchemy's, and a connection that was lost is not used again.
    """
    pooled, dialect = connection.connection, connection.dialect
    errors = dialect.loaded_dbapi.Error
    try:
        yield pooled.driver_connection
    except errors as error:
        lost = dialect.is_disconnect(error, pooled.dbapi_connection, None)
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            None, None, error, errors, connection_invalidated=lost, dialect=dialect
        ) from error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise StoreError(_describe(error), retry=_is_passing(error)) from error


def _is_passing(error: DBAPIError) -> bool:
    """Return whether the server or the way to it is to blame, and not what was asked of it."""
    state = getattr(error.orig, "sqlstate", "")
    if error.connection_invalidated or state in _PASSING:
        return True
    # The driver gives no code where it could not connect.
    return isinstance(error, OperationalError) and (state is None or state.startswith("08"))


def _describe(error: DBAPIError) -> str:
    reason = (
        str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else repr(error.orig)
    )
    remedy = ""
    if "no such table" in reason or ("relation" in reason and "does not exist" in reason):
        remedy = ": create or migrate it with `tankwatch db upgrade`"
    elif "unable to open database file" in reason:
        remedy = ": does the folder of database.url exist, and may this user write there?"
    elif "locked" in reason:
        remedy = ": another program is writing; try again, or raise database.busy_timeout_s"
    return f"the database refused ({reason}){remedy}"
