"""The line is cut in mid-stream: what was acknowledged is stored once, the rest is sent again."""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from tankwatch import clock
from tankwatch.send.client import Answer, Client, Fate
from tankwatch.send.cutting import Cutter
from tankwatch.send.spool import Body, Spool
from tankwatch.store.engine import Engine, reading
from tests.acceptance.gateway import Server, database, end
from tests.acceptance.program import command, environment, run_json

START_S = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
HEADER = "tank,timestamp,pressure\n"
QUICK = {"TANKWATCH_SEND__RETRY_BASE_S": "0.05", "TANKWATCH_SEND__RETRY_CAP_S": "0.2"}


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path, **database(database_url))
    yield made
    end(made)


def row(number: int) -> str:
    return f"T{number % 7},{START_S + number},{number}\n"


def body_of(numbers: range) -> Body:
    cutter = Cutter("test", query="", rows=len(numbers) + 1)
    cutter.feed((HEADER + "".join(map(row, numbers))).encode())
    (body,) = cutter.finish()
    return body


def stored(engine: Engine) -> list[int]:
    """Return the numbers of the rows that are stored, each as often as it is."""
    with reading(engine) as connection:
        found = connection.execute(text("SELECT pressure FROM reading ORDER BY 1")).scalars()
        return [int(value) for value in found]


def sending(server: Server, token: str) -> dict[str, str]:
    return environment(
        **server.variables,
        **QUICK,
        TANKWATCH_SEND__URL=server.url,
        TANKWATCH_SEND__TOKEN=token,
        TANKWATCH_SEND__ROWS="20",
        TANKWATCH_SEND__LINGER_S="0.02",
    )


def test_what_was_acknowledged_before_each_kill_is_stored_and_the_rest_is_sent_again(
    server: Server, engine: Engine
) -> None:
    token = server.token("gateway", "--site", "north")
    with closing(Client(server.url, token, timeout_s=30, ca_file=None)) as client:
        rng, acknowledged, again = random.Random(3), 0, 0
        for _ in range(3):
            server.start()
            killer = threading.Timer(rng.uniform(0, 0.05), server.kill)
            killed_after = acknowledged + rng.randint(2, 6)
            while (answer := _post(client, acknowledged)).fate is Fate.TAKEN:
                again += answer.accepted.duplicate  # committed, and cut before the answer
                acknowledged += 1
                if acknowledged == killed_after:
                    killer.start()
            killer.join()
            assert answer.fate is Fate.AGAIN
            found = stored(engine)
            assert len(found) == len(set(found))
            assert set(range(10 * acknowledged)) <= set(found)
            assert set(found) <= set(range(10 * acknowledged + 10))
        server.start()
        last = _post(client, acknowledged)
    assert last.accepted.stored + last.accepted.duplicate == 10
    server.stop()
    assert stored(engine) == list(range(10 * acknowledged + 10))
    assert acknowledged >= 6
    assert again in {0, 10, 20}


def _post(client: Client, number: int) -> Answer:
    return client.post(body_of(range(10 * number, 10 * number + 10)), now=clock.now())


def test_send_ends_with_every_row_stored_once_though_the_server_is_killed_again_and_again(
    server: Server, engine: Engine, tmp_path: Path
) -> None:
    rows = 20_000
    (tmp_path / "readings.csv").write_text(HEADER + "".join(map(row, range(rows))))
    token = server.token("gateway", "--site", "north")
    with subprocess.Popen(
        command("send", "readings.csv", "--json"),
        cwd=tmp_path,
        env=sending(server, token),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as client:
        rng, kills = random.Random(4), 0
        while client.poll() is None and kills < 3:
            server.start()
            seen = len(stored(engine))
            while client.poll() is None and len(stored(engine)) == seen:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.1))
            server.kill()
            kills += 1
        server.start()
        told, trouble = client.communicate(timeout=120)
    server.stop()
    assert client.returncode == 0, told + trouble
    assert kills == 3
    assert "the server does not answer" in trouble
    assert '"waiting": 0' in told
    assert f'"posts": {rows // 20}' in told
    assert stored(engine) == list(range(rows))


def test_client_that_is_killed_while_it_spools_loses_nothing_that_was_spooled(
    server: Server, engine: Engine, tmp_path: Path
) -> None:
    token = server.token("gateway", "--site", "north")
    fed = 0
    for _ in range(3):  # the line is down all the time: everything goes into the spool
        fed = _feed_and_kill(server, token, tmp_path, fed)
    with Spool(tmp_path / "spool.db", 100) as spool:
        assert spool.waiting() > 3
    server.start()
    variables = {name: value for name, value in sending(server, token).items() if "TANK" in name}
    done = run_json(tmp_path, "send", code=0, **variables)
    found = stored(engine)
    assert (done["waiting"], done["stored"]) == (0, len(found))
    assert len(found) == len(set(found))
    # Of what was fed, only what had not become a body is missing: less than a second of it.
    kept = set(found)
    assert 60 < len(kept) <= fed
    (tmp_path / "again.csv").write_text(HEADER + "".join(map(row, range(fed))))
    again = run_json(tmp_path, "send", "again.csv", code=0, **variables)
    assert (again["stored"], again["duplicate"]) == (fed - len(kept), len(kept))
    assert stored(engine) == list(range(fed))
    server.stop()


def _feed_and_kill(server: Server, token: str, folder: Path, first: int) -> int:
    """Feed rows to a client until some were spooled, kill it, and return the next row's number."""
    with Spool(folder / "spool.db", 100) as spool:
        before = spool.waiting()
        with subprocess.Popen(
            command("send", "-"),
            cwd=folder,
            env=sending(server, token),
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as client:
            assert client.stdin is not None
            client.stdin.write(HEADER.encode())
            number = first
            while spool.waiting() < before + 3 or number < first + 50:
                client.stdin.write(row(number).encode())
                client.stdin.flush()
                number += 1
                time.sleep(0.002)
                assert client.poll() is None
            os.kill(client.pid, signal.SIGKILL)
    return number
