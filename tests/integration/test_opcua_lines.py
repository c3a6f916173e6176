"""OPC UA: holes that a broken line, a dead server or a killed process leaves are filled."""

import contextlib
import sqlite3
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tankwatch.core.times import to_ms
from tankwatch.store.engine import Engine
from tests.acceptance.program import command, environment
from tests.integration.mqtt import database, quarantined, stored, wait_for
from tests.integration.opcua import PRESSURE, OpcuaServer, listening, source
from tests.opcua_server import NODES
from tests.proxy import Line

# A while ago, so that everything lies before the clock; not on a whole second, which the history
# that comes with asyncua cannot read back.
START_MS = to_ms(datetime.now(UTC).replace(microsecond=125_000) - timedelta(hours=8))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = database(tmp_path)
    yield opened
    opened.dispose()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OpcuaServer]:
    started = OpcuaServer(tmp_path).start()
    yield started
    started.kill()


def write(server: OpcuaServer, numbers: range) -> None:
    for number in numbers:
        server.write("T1.PT", number / 8, at=START_MS + 1000 * number)


def kept_by(server: OpcuaServer) -> list[int]:
    """Return the source times that the server has written to disk, in epoch milliseconds."""
    with contextlib.closing(sqlite3.connect(server.folder / "history.db")) as history:
        table = f"2_{NODES['T1.PT']}"
        query = f'SELECT SourceTimestamp FROM "{table}" WHERE StatusCode = 0'  # noqa: S608
        return [to_ms(datetime.fromisoformat(at)) for (at,) in history.execute(query) if at]


def expected(count: int) -> list[tuple[str, int, float]]:
    return [("T1", START_MS + 1000 * number, 100 * number / 8) for number in range(count)]


def test_changes_are_stored_as_they_come_even_where_only_the_time_moves(
    server: OpcuaServer, engine: Engine
) -> None:
    with listening(engine, source(server.port, history=False)):
        write(server, range(20))
        wait_for(lambda: len(stored(engine)) == 20)
        for second in range(5):
            server.write("T1.TT", 20.5, at=START_MS + 1000 * second)
        wait_for(lambda: len(stored(engine, "temperature")) == 5)
    assert stored(engine) == expected(20)


def test_what_was_missed_while_the_line_was_down_is_read_from_history(
    server: OpcuaServer, engine: Engine
) -> None:
    line = Line(server.port)
    with listening(engine, source(line.port)) as listener:
        write(server, range(20))
        wait_for(lambda: len(stored(engine)) == 20)
        line.stop()
        wait_for(lambda: listener.tally.trouble)
        write(server, range(20, 60))
        line.open()
        wait_for(lambda: listener.tally.connections > 1)
        write(server, range(60, 70))
        wait_for(lambda: len(stored(engine)) == 70)
    line.close()
    assert stored(engine) == expected(70)


def test_a_server_that_is_killed_in_mid_stream_and_comes_back_is_found_again(
    server: OpcuaServer, engine: Engine
) -> None:
    with listening(engine, source(server.port)) as listener:
        write(server, range(30))
        wait_for(lambda: len(stored(engine)) > 5)
        server.kill()
        wait_for(lambda: listener.tally.trouble)
        assert f"opc.tcp://127.0.0.1:{server.port}/" in listener.tally.trouble
        server.start()
        wait_for(lambda: listener.tally.connections > 1)
        write(server, range(30, 60))
        wait_for(lambda: set(expected(60)[30:]) <= set(stored(engine)))
    # What the server itself lost with its power is gone; what it had kept is here, once.
    times = [observed_ms for _, observed_ms, _ in stored(engine)]
    assert set(kept_by(server)) <= set(times)
    assert set(stored(engine)) <= set(expected(60))


def test_a_process_that_is_killed_reads_afterwards_what_it_missed(
    server: OpcuaServer, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "tankwatch.toml").write_text(
        "[sources.opcua.plc]\n"
        f'url = "opc.tcp://127.0.0.1:{server.port}/"\nsampling_s = 0.02\npublishing_s = 0.05\n'
        "[[sources.opcua.plc.nodes]]\n"
        f'node = "{PRESSURE.node}"\ntank = "T1"\nchannel = "pressure"\nunit = "bar"\n'
    )
    words = command("listen", "opcua")
    process = subprocess.Popen(words, cwd=tmp_path, env=environment())
    write(server, range(20))
    wait_for(lambda: len(stored(engine)) == 20)
    write(server, range(20, 40))
    process.kill()
    process.wait()
    write(server, range(40, 60))
    process = subprocess.Popen(words, cwd=tmp_path, env=environment())
    try:
        wait_for(lambda: len(stored(engine)) == 60)
    finally:
        process.terminate()
        assert process.wait(30) == 0
    assert stored(engine) == expected(60)


def test_a_first_connection_takes_what_the_server_has_kept(
    server: OpcuaServer, engine: Engine
) -> None:
    write(server, range(30))
    with listening(engine, source(server.port)):
        wait_for(lambda: len(stored(engine)) == 30)
    assert stored(engine) == expected(30)


def test_history_goes_back_no_further_than_the_settings_say(
    server: OpcuaServer, engine: Engine
) -> None:
    write(server, range(30))
    now_ms = to_ms(datetime.now(UTC).replace(microsecond=125_000))
    server.write("T1.PT", 1.0, at=now_ms)
    with listening(engine, source(server.port, history_hours=1.0)):
        wait_for(lambda: stored(engine))
    assert stored(engine) == [("T1", now_ms, 100.0)]


def test_a_server_without_history_is_told_of_and_listened_to(
    engine: Engine, tmp_path: Path
) -> None:
    server = OpcuaServer(tmp_path, history=False).start()
    with listening(engine, source(server.port)) as listener:
        write(server, range(5))
        wait_for(lambda: len(stored(engine)) == 5)
        assert any("no history of" in note for note in listener.tally.notes)
    server.kill()


def test_bad_values_are_quarantined_and_uncertain_ones_stored(
    server: OpcuaServer, engine: Engine
) -> None:
    with listening(engine, source(server.port, PRESSURE)):
        server.write("T1.PT", 1.0, at=START_MS)
        server.write("T1.PT", 2.0, at=START_MS + 1, status="BadSensorFailure")
        server.write("T1.PT", 3.0, at=START_MS + 2, status="UncertainSensorNotAccurate")
        server.write("T1.PT", 4.0)
        wait_for(lambda: len(stored(engine)) == 3)
    assert [value for _, _, value in stored(engine)] == [100.0, 300.0, 400.0]
    kept = [row for row in quarantined(engine) if "BadSensorFailure" in row.detail]
    assert [(row.source, row.reason.value) for row in kept] == [
        (f"opcua plc: {PRESSURE.node}", "bad_quality")
    ]
