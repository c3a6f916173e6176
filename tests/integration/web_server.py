"""The application on a real port of this machine, for tests over HTTP."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, writing
from tankwatch.store.tokens import add_token
from tankwatch.web.app import create_app
from tankwatch.web.server import Server

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Served:
    """An application that is served, a client of it, and a token for the site north."""

    app: FastAPI
    client: httpx.Client
    token: str

    def post(self, content: str | bytes, kind: str = "text/csv", **more: Any) -> httpx.Response:
        """Post readings; `more` is given to httpx, but for headers, which are added."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": kind}
        headers |= more.pop("headers", {})
        return self.client.post("/api/v1/readings", content=content, headers=headers, **more)


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """Serve `app` in a thread, and return its address."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, timeout_graceful_shutdown=5
    )
    server = Server(config, app.state.service)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def served(engine: Engine, settings: Settings | None = None) -> Iterator[Served]:
    """Serve the application over a database."""
    token = make_token(engine, "gateway", "north")
    app = create_app(engine, settings or Settings())
    with listening(app) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield Served(app, client, token)


def make_token(engine: Engine, name: str, *sites: str) -> str:
    """Make a token for `sites`, or for every site if none is named."""
    with writing(engine) as connection:
        return add_token(connection, name, sites=sites, every_site=not sites, at=NOW)
