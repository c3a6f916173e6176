"""The pages on files, MQTT and OPC UA, walked as they are written."""

import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import publish
from sqlalchemy import select

from tankwatch.core.times import from_ms, parse_time
from tankwatch.store.engine import connect, reading
from tankwatch.store.plant import load_tanks
from tankwatch.store.readings import load_readings
from tankwatch.store.runs import JobRunRow
from tests.acceptance.program import command, environment, run, run_json
from tests.brokers import KINDS, SECRET, USER, Broker, Kind
from tests.integration.mqtt import wait_for
from tests.integration.opcua import OpcuaServer

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
CHANNELS = ("pressure", "temperature")
HALF_PAST_SIX = datetime.fromisoformat("2026-03-02T06:30:00+00:00")


def blocks(page: str) -> list[str]:
    return re.findall(r"```console\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)


def commands(block: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def below(block: str, command: str) -> str:
    """Return what the page shows below a command."""
    return block.split(f"$ {command}\n")[1].split("\n$ ", maxsplit=1)[0].strip("\n") + "\n"


def stored(folder: Path) -> list[tuple[str, str, datetime, dict[str, float]]]:
    """Return the readings: tank, site, time, and the values of the channels that have one."""
    engine = connect(f"sqlite:///{folder / 'tankwatch.db'}")
    with reading(engine) as connection:
        tanks = {tank.tank_id: tank for tank in load_tanks(connection)}
        rows = load_readings(connection, list(tanks), CHANNELS, from_ms=0, until_ms=2**42)
    engine.dispose()
    found = []
    for key, at_ms, values in zip(
        rows.tank_id.tolist(), rows.observed_ms.tolist(), rows.values.tolist(), strict=True
    ):
        known = {n: round(v, 6) for n, v in zip(CHANNELS, values, strict=True) if v == v}  # noqa: PLR0124 - NaN
        found.append((tanks[key].name, tanks[key].site, from_ms(at_ms), known))
    return found


def outcomes(folder: Path) -> list[str]:
    """Return how each listening ended, in order."""
    engine = connect(f"sqlite:///{folder / 'tankwatch.db'}")
    with reading(engine) as connection:
        query = select(JobRunRow.outcome).order_by(JobRunRow.job_run_id)
        found = list(connection.execute(query).scalars())
    engine.dispose()
    return found


@contextmanager
def running(folder: Path, line: str, **more: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a command of the page until what it is run for is there, and end it as Ctrl-C does."""
    with subprocess.Popen(
        command(*shlex.split(line)[1:]),
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as program:
        try:
            yield program
        finally:
            program.send_signal(signal.SIGINT)
            # Long before the seconds of --for are over.
            out, _ = program.communicate(timeout=30)
    assert program.returncode == 0, out


def test_page_on_files_works_as_written(tmp_path: Path) -> None:
    block = blocks("files.md")[0]
    cat, ingest, quarantine = commands(block)
    (tmp_path / cat.split()[1]).write_text(below(block, cat))
    run(tmp_path, "init")
    run(tmp_path, *shlex.split(ingest)[1:])
    first, second = stored(tmp_path)
    assert first[0] == "T-101"
    assert first[2:] == (HALF_PAST_SIX, {"pressure": 12.5, "temperature": 20.5})
    assert second[3] == {"temperature": 20.6}
    (refused,) = run_json(tmp_path, *shlex.split(quarantine)[1:])
    assert (refused["source"], refused["line"]) == ("readings.csv", 3)
    assert "bad" in str(refused)
    again = run(tmp_path, *shlex.split(ingest)[1:]).stdout
    assert stored(tmp_path) == [first, second], again


@pytest.mark.parametrize("kind", KINDS)
def test_page_on_mqtt_works_as_written(tmp_path: Path, kind: Kind) -> None:
    listening, sending = blocks("mqtt.md")[:2]
    install, cat, check, listen = commands(listening)
    assert install == "pip install '.[mqtt]'"
    broker = Broker(kind, tmp_path).start()
    try:
        told = f'port = {broker.port}\nusername = "{USER}"\npassword = "{SECRET}"\n'
        version = "" if kind == "mosquitto" else 'version = "3.1.1"\n'
        run(tmp_path, "init")
        with (tmp_path / cat.split()[-1]).open("a") as settings:
            settings.write(f"\n{below(listening, cat)}{told}{version}")
        assert run(tmp_path, *check.split()[1:]).stdout == below(listening, check)
        *sends, quarantine = commands(sending)
        with running(tmp_path, listen):
            for line in sends:
                words = shlex.split(line)
                assert words[0] == "mosquitto_pub"
                given = dict(zip(words[1::2], words[2::2], strict=True))
                _send_until(
                    lambda given=given: publish.single(  # type: ignore[misc]
                        given["-t"],
                        given["-m"],
                        qos=int(given["-q"]),
                        hostname="127.0.0.1",
                        port=broker.port,
                        auth={"username": USER, "password": SECRET},
                    ),
                    lambda: stored(tmp_path) if given["-m"] != "bad" else _refused(tmp_path),  # noqa: B023
                )
    finally:
        broker.kill()
    assert stored(tmp_path) == [("T-101", "north", HALF_PAST_SIX, {"pressure": 12.5})]
    refused = run_json(tmp_path, *quarantine.split()[1:])
    assert refused
    assert {one["raw"] for one in refused} == {"bad"}
    assert all("plant/north/T-101/pressure" in str(one) for one in refused)


def _refused(folder: Path) -> Any:
    return run_json(folder, "quarantine")


def _send_until(send: Callable[[], object], is_there: Callable[[], Any]) -> None:
    """Send until it is there: before the first subscription a broker keeps nothing."""

    def sent() -> bool:
        send()
        return bool(is_there())

    wait_for(sent)


def test_page_on_opcua_works_as_written(tmp_path: Path) -> None:
    block = blocks("opcua.md")[0]
    install, cat, check, listen = commands(block)
    assert install == "pip install '.[opcua]'"
    server = OpcuaServer(tmp_path).start()
    try:
        at = round(HALF_PAST_SIX.timestamp() * 1000)
        server.write("T1.PT", 1.5, at=at)
        server.write("T1.TT", 20.1, at=at)
        run(tmp_path, "init")
        with (tmp_path / cat.split()[-1]).open("a") as settings:
            settings.write("\n" + below(block, cat).replace("4840", str(server.port)))
        told = run(tmp_path, *check.split()[1:]).stdout.splitlines()
        shown = below(block, check).splitlines()
        assert [line.rsplit(" ", 1)[0] for line in told] == [
            line.removesuffix(" ...") for line in shown
        ]
        assert all(parse_time(line.rsplit(" ", 1)[1]) for line in told)
        assert not stored(tmp_path)
        with running(tmp_path, listen):
            wait_for(lambda: [row for row in stored(tmp_path) if len(row[3]) == 2])
        run(tmp_path, "listen", "opcua", "--for", "1")
    finally:
        server.kill()
    assert outcomes(tmp_path) == ["interrupted", "done"]
    ((tank, _, when, values),) = stored(tmp_path)
    assert (tank, when) == ("T-101", HALF_PAST_SIX)
    assert values == {"pressure": 150.0, "temperature": 20.1}
