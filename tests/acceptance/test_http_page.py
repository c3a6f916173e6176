"""The page on HTTP, walked as it is written."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tankwatch.settings import Settings
from tankwatch.store.engine import connect
from tankwatch.web.app import create_app
from tests.acceptance.gateway import Server, end
from tests.acceptance.program import run, run_json

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "http.md"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    end(made)


def blocks() -> list[str]:
    return re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)


def commands(block: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def answer_of(block: str, command: str) -> str:
    """Return what the page shows below a command."""
    return block.split(f"$ {command}\n")[1].split("\n$ ", maxsplit=1)[0]


def ask(command: str, folder: Path, port: int) -> httpx.Response:
    """Do what a curl command of the page does."""
    line = command.replace("8321", str(port))
    line = line.replace("$(cat token)", (folder / "token").read_text().strip())
    words = shlex.split(line)
    assert words[0] == "curl"
    headers = dict(words[at + 1].split(": ") for at, word in enumerate(words) if word == "-H")
    data = words[words.index("--data-binary") + 1].removeprefix("@")
    return httpx.post(words[-1], headers=headers, content=(folder / data).read_bytes())


def test_page_works_as_written(server: Server, tmp_path: Path) -> None:
    serving, sending, tokens, gateway = blocks()
    init, token, serve = commands(serving)
    assert Settings().serve.port == int(serving.strip().rsplit(":", 1)[1])
    run(tmp_path, *init.split()[1:])
    words, file = token.split(" > ")
    (tmp_path / file).write_text(run(tmp_path, *words.split()[1:]).stdout)
    assert serve == "tankwatch serve"
    server.start()

    cat, curl = commands(sending)
    (tmp_path / cat.split()[1]).write_text(answer_of(sending, cat))
    found = ask(curl, tmp_path, server.port)
    shown: dict[str, Any] = json.loads(answer_of(sending, curl))
    assert found.json() == shown
    again = ask(curl, tmp_path, server.port).json()
    assert (again["stored"], again["duplicate"], again["rejected"]) == (0, 2, 2)
    assert len(run_json(tmp_path, "quarantine")) == 2

    lines = commands(gateway)
    exports = [line.removeprefix("export ") for line in lines if line.startswith("export ")]
    variables = dict(line.replace("8321", str(server.port)).split("=") for line in exports)
    file_line, stream_line, rest_line = (line for line in lines if not line.startswith("export"))
    told = run(tmp_path, *file_line.split()[1:], code=0, stdin=None, **variables).stdout
    assert "posts 1, stored 0, updated 0, duplicate 2, rejected 2" in told
    program, client = stream_line.split(" | ")
    assert program
    rows = "tank,timestamp,pressure\nT-103,2026-03-02T06:30:00Z,1\n"
    told = run(tmp_path, *client.split()[1:], code=0, stdin=rows, **variables).stdout
    assert "posts 1, stored 1" in told
    assert (
        "waiting 0" in run(tmp_path, *rest_line.split()[1:], code=0, stdin=None, **variables).stdout
    )

    for command in commands(tokens):
        run(tmp_path, *command.split()[1:])
    assert ask(curl, tmp_path, server.port).status_code == 401
    server.stop()


def test_page_names_every_parameter_status_and_limit() -> None:
    page = PAGE.read_text()
    engine = connect("sqlite://")
    described = create_app(engine, Settings()).openapi()["paths"]
    document = described["/api/v1/readings"]["post"]
    engine.dispose()
    for parameter in document["parameters"]:
        assert f"`{parameter['name']}`" in page
    for status in set(document["responses"]) - {"200", "500"}:
        assert status in page
    for kind in document["requestBody"]["content"]:
        assert f"`{kind}`" in page
