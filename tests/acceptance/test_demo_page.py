"""The demo with its page: alarms arrive on it while it is looked at, and it stays until Ctrl-C."""

import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tankwatch.core.times import parse_time
from tests.acceptance.gateway import free_port
from tests.acceptance.program import command, environment, inside, inside_json, run


def test_alarms_arrive_on_the_page_of_the_demo_and_it_stays_until_it_is_stopped(
    tmp_path: Path,
) -> None:
    port = free_port()
    with demo(tmp_path, port) as program:
        assert program.stdout is not None
        told = read_until(program.stdout, "(viewer)")
        with closing(logged_in(f"http://127.0.0.1:{port}", told)) as page:
            counts = [alarms_shown(page)]
            told += read_until(program.stdout, "until Ctrl-C")
            counts.append(alarms_shown(page))
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=60) == 0, told
    assert counts[0] == 0 < counts[1]
    begun = [parse_time(one["started_at"]) for one in _incidents(tmp_path)]
    assert max(begun) > datetime.now(UTC) - timedelta(days=2, hours=2)


def test_no_page_is_left_of_a_demo_that_was_killed(tmp_path: Path) -> None:
    port = free_port()
    with demo(tmp_path, port) as program:
        assert program.stdout is not None
        told = read_until(program.stdout, "(viewer)")
        logged_in(f"http://127.0.0.1:{port}", told).close()
        program.kill()
    deadline_s = time.monotonic() + 30
    with suppress(httpx.TransportError):
        while httpx.get(f"http://127.0.0.1:{port}/login").status_code:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
    time.sleep(1)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/login")


@contextmanager
def demo(folder: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    """Run the demo with its page."""
    with subprocess.Popen(
        command("demo", "--dir", "demo", "--serve", "--port", str(port)),
        cwd=folder,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as program:
        yield program


def read_until(told: Iterable[str], mark: str) -> str:
    """Return the lines up to the one that has `mark` in it."""
    lines = []
    for line in told:
        lines.append(line)
        if mark in line:
            break
    return "".join(lines)


def logged_in(address: str, told: str) -> httpx.Client:
    """Return a client that is logged in with the password that the demo printed."""
    (password,) = re.findall(r"kim +(\S+) +\(operator\)", told)
    client = httpx.Client(base_url=address, timeout=60, follow_redirects=True)
    answer = client.post("/login", data={"login": "kim", "password": password})
    assert answer.status_code == 200, answer.text
    return client


def alarms_shown(page: httpx.Client) -> int:
    """Return how many links to incidents the list of alarms has."""
    answer = page.get("/alarms")
    assert answer.status_code == 200, answer.text
    return len(set(re.findall(r"/incidents/[0-9a-f]{16}", answer.text)))


def _incidents(folder: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = inside_json(folder / "demo", "incidents", "--all")
    return found


def test_a_page_that_shows_and_json_that_ends_are_not_asked_for_together(tmp_path: Path) -> None:
    told = inside(tmp_path, "demo", "--serve", "--json", code=2).stderr
    assert "say one of the two" in told
    assert not (tmp_path / "demo").exists()


def test_a_port_that_is_taken_is_told_before_anything_is_learned(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run(tmp_path, "demo", "--serve", "--port", port, code=2)
    assert f"choose another port than {port}" in done.stderr
    assert "readings stored" not in done.stdout
