"""MQTT: what is acknowledged is stored once, what is not comes again, whatever breaks."""

import asyncio
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.runs import JobRun, Outcome, load_runs
from tests.acceptance.program import command, environment
from tests.brokers import SECRET, USER, Broker
from tests.integration.mqtt import (
    SPOKEN,
    Spoken,
    database,
    every_broker,
    expected,
    listening,
    message,
    send,
    sent,
    source,
    stored,
    wait_for,
)
from tests.proxy import Line

COUNT = 400
PAUSE_S = 0.005
FULL = (
    "CREATE TRIGGER disk_full BEFORE INSERT ON reading "
    "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
)
STREAM = [message(number) for number in range(COUNT)]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = database(tmp_path)
    yield opened
    opened.dispose()


@pytest.fixture(params=SPOKEN, ids=str)
def spoken(request: pytest.FixtureRequest) -> Spoken:
    chosen: Spoken = request.param
    return chosen


@pytest.fixture
def broker(spoken: Spoken, tmp_path: Path) -> Iterator[Broker]:
    started = Broker(spoken.kind, tmp_path).start()
    yield started
    started.kill()


@pytest.fixture
def started() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Return what starts tankwatch as a program that ends with the test at the latest."""
    running = []

    def start(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(command(*words), cwd=folder, env=environment())
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


class Gateway(threading.Thread):
    """Sends the stream, a reading a message, each answered by the broker before the next."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self._enough = threading.Event()

    def run(self) -> None:
        """Send it once; where the broker keeps no promises, again and again while lines break."""
        asyncio.run(send(self._broker.port, STREAM, pause_s=PAUSE_S))
        while not (self._broker.keeps_promises or self._enough.is_set()):
            asyncio.run(send(self._broker.port, STREAM, pause_s=PAUSE_S))

    def finish(self) -> None:
        """Return when everything was sent after the last line broke."""
        self._enough.set()
        self.join()
        if not self._broker.keeps_promises:
            asyncio.run(send(self._broker.port, STREAM))


def test_a_line_that_is_cut_again_and_again_loses_and_repeats_nothing(
    broker: Broker, spoken: Spoken, engine: Engine
) -> None:
    line = Line(broker.port)
    with listening(engine, source(broker, spoken, port=line.port, batch_rows=20)) as listener:
        gateway = Gateway(broker)
        gateway.start()
        for cut in range(1, 5):
            wait_for(lambda cut=cut: len(stored(engine)) > cut * COUNT // 8)  # type: ignore[misc]
            line.cut()
        gateway.finish()
        wait_for(lambda: len(stored(engine)) == COUNT)
        assert listener.tally.connections > 1
    line.close()
    assert stored(engine) == expected(COUNT)


def test_a_process_that_is_killed_again_and_again_loses_and_repeats_nothing(
    broker: Broker,
    spoken: Spoken,
    engine: Engine,
    tmp_path: Path,
    started: Callable[..., "subprocess.Popen[bytes]"],
) -> None:
    (tmp_path / "tankwatch.toml").write_text(plant_settings(broker, spoken))

    process = started(tmp_path, "listen", "mqtt")
    # The session must be there before the gateway sends: a broker keeps nothing for strangers.
    wait_for(lambda: _is_subscribed(broker, engine))
    gateway = Gateway(broker)
    gateway.start()
    for kill in range(1, 3):
        wait_for(lambda kill=kill: len(stored(engine)) > kill * COUNT // 4)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = started(tmp_path, "listen", "mqtt")
    gateway.finish()
    wait_for(lambda: len(stored(engine)) == COUNT + 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert [row for row in stored(engine) if row[0] != "PROBE"] == expected(COUNT)


def plant_settings(broker: Broker, spoken: Spoken) -> str:
    return (
        "[sources.mqtt.plant]\n"
        f'host = "127.0.0.1"\nport = {broker.port}\nversion = "{spoken.version}"\n'
        f'username = "{USER}"\npassword = "{SECRET}"\n'
        'topics = ["plant/{site}/{tank}/{channel}"]\nbatch_rows = 20\nbatch_s = 0.05\n'
    )


def failed_runs(engine: Engine) -> list[JobRun]:
    with reading(engine) as connection:
        runs = load_runs(connection, limit=100)
    return [run for run in runs if run.outcome is Outcome.FAILED]


def _is_subscribed(broker: Broker, engine: Engine) -> bool:
    """Send a first reading until it is stored."""
    sent(broker.port, ("plant/north/PROBE/pressure", '{"timestamp": 1772433000, "value": 1}'))
    return any(row[0] == "PROBE" for row in stored(engine))


@every_broker
def test_a_broker_that_is_killed_and_comes_back_is_found_again(
    spoken: Spoken, engine: Engine, tmp_path: Path
) -> None:
    broker = Broker(spoken.kind, tmp_path, durable=True).start()
    with listening(engine, source(broker, spoken, batch_rows=10)) as listener:
        sent(broker.port, *(message(number) for number in range(60)))
        wait_for(lambda: len(stored(engine)) > 20)
        broker.kill()
        wait_for(lambda: listener.tally.trouble)
        kept = stored(engine)
        assert set(kept) <= set(expected(60))
        broker.start()
        wait_for(lambda: listener.tally.connections > 1)
        # A gateway that was not answered sends again, and so does one that is not sure.
        sent(broker.port, *(message(number) for number in range(100)))
        wait_for(lambda: len(stored(engine)) == 100)
    broker.kill()
    assert stored(engine) == expected(100)


def test_what_came_while_nobody_listened_is_taken_afterwards(
    broker: Broker, spoken: Spoken, engine: Engine
) -> None:
    one = source(broker, spoken)
    with listening(engine, one):
        sent(broker.port, message(0))
        wait_for(lambda: stored(engine))
    sent(broker.port, *(message(number) for number in range(1, 50)))
    with listening(engine, one):
        wait_for(lambda: len(stored(engine)) == 50)
    assert stored(engine) == expected(50)


def test_nothing_is_acknowledged_while_the_database_does_not_take_it(
    broker: Broker, spoken: Spoken, engine: Engine
) -> None:
    one = source(broker, spoken)
    with listening(engine, one) as listener:
        sent(broker.port, message(0))
        wait_for(lambda: stored(engine))
        with writing(engine) as connection:
            connection.exec_driver_sql(FULL)
        sent(broker.port, *(message(number) for number in range(1, 9)))
        wait_for(lambda: "the database refused" in listener.tally.trouble)
        assert stored(engine) == expected(1)
    # The listener ended without having stored them: they come to the next one.
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER disk_full")
    with listening(engine, one):
        if not broker.keeps_promises:
            sent(broker.port, *(message(number) for number in range(1, 9)))
        wait_for(lambda: len(stored(engine)) == 9)
    assert stored(engine) == expected(9)


@pytest.mark.parametrize("spoken", SPOKEN[-1:], ids=str, indirect=True)
def test_daemon_listens_and_records_how_its_sources_fare(
    broker: Broker,
    spoken: Spoken,
    engine: Engine,
    tmp_path: Path,
    started: Callable[..., "subprocess.Popen[bytes]"],
) -> None:
    (tmp_path / "tankwatch.toml").write_text(
        plant_settings(broker, spoken) + "[schedule]\nwatch_s = 0.5\n"
    )
    process = started(tmp_path, "run")
    wait_for(lambda: _is_subscribed(broker, engine))
    broker.kill()
    wait_for(lambda: any(run.job == "mqtt-plant" for run in failed_runs(engine)))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    (failed, *_) = failed_runs(engine)
    assert f"the broker 127.0.0.1:{broker.port} is not there" in failed.detail
