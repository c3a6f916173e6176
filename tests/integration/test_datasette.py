"""Datasette over a real file: each view and each ready query, over HTTP."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import httpx
import pytest

from tankwatch.jobs.context import Context
from tankwatch.jobs.rollup import roll_up
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine
from tankwatch.store.views import VIEWS
from tests.integration.test_store_views import plant

__all__ = ["plant"]
METADATA = Path(__file__).parents[2] / "dashboards" / "datasette.yaml"
DESCRIBED = import_module("yaml").safe_load(METADATA.read_text("utf-8"))["databases"]["tankwatch"]
EMPTY = {"dash_site_incidents"}


@pytest.fixture
def datasette(plant: Engine) -> Iterator[httpx.Client]:
    """Run Datasette as the how-to says, on the file of a plant."""
    roll_up(Context(plant, Settings()))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "datasette", "serve", str(plant.url.database)]
    options = ["--metadata", str(METADATA), "--port", str(port), "--host", "127.0.0.1"]
    with subprocess.Popen([*program, *options], stderr=subprocess.DEVNULL) as running:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                try:
                    client.get("/-/versions.json")
                    break
                except httpx.TransportError:
                    assert running.poll() is None
                    time.sleep(0.1)
            yield client
        running.terminate()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_each_view_and_query_answers(datasette: httpx.Client) -> None:
    tables, queries = DESCRIBED["tables"], DESCRIBED["queries"]
    assert set(tables) == set(VIEWS)
    shown = datasette.get("/tankwatch.json").json()
    assert {view["name"] for view in shown["views"]} >= set(VIEWS)
    for view, told in tables.items():
        page = datasette.get(f"/tankwatch/{view}")
        assert page.status_code == 200
        assert told["description"].split(",")[0] in page.text
        answer = datasette.get(f"/tankwatch/{view}.json?_shape=objects").json()
        assert bool(answer["rows"]) is (view not in EMPTY), view
        columns = set(answer["columns"])
        assert set(told["sortable_columns"]) <= columns, view
        assert set(told.get("columns", {})) <= columns, view
        by = told["sortable_columns"][0]
        assert datasette.get(f"/tankwatch/{view}.json?_sort_desc={by}").status_code == 200
    for query in queries:
        given = {"tank": "alarm"} if ":tank" in queries[query]["sql"] else {}
        answer = datasette.get(f"/tankwatch/{query}.json?_shape=objects", params=given).json()
        assert answer["ok"], query
        assert answer["rows"], query
