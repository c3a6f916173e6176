"""PostgreSQL goes away, comes back, or hands over to its standby, while readings come in."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event, text

from tankwatch.core.readings import Accepted, ReadingBatch
from tankwatch.errors import StoreError
from tankwatch.ingest.accept import Intake, accept_chunks
from tankwatch.ingest.chunk import Chunk, Origin
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.store.engine import Connection, Engine, connect, driver, reading, writing
from tankwatch.store.migrate import upgrade
from tankwatch.store.patience import written
from tankwatch.store.readings import load_readings
from tests.integration.plant import at, make_context, make_settings, quiet_values, store
from tests.lone_server import LoneServer, lone_server

TANKS = ("T1", "T2", "T3")
CHANNELS = ("pressure", "temperature")
NOW = datetime(2026, 11, 25, tzinfo=UTC)
CHUNKS, ROWS = 12, 300
START_MS = 1_772_323_200_000


@pytest.fixture(scope="module")
def server() -> Iterator[LoneServer]:
    with lone_server() as running:
        yield running


@pytest.fixture
def database(server: LoneServer, request: pytest.FixtureRequest) -> str:
    """Create a migrated database, and return its name."""
    name = f"t{abs(hash(request.node.name))}"
    engine = connect(server.create(name))
    upgrade(engine)
    engine.dispose()
    return name


@pytest.fixture
def lone(server: LoneServer, database: str) -> Iterator[Engine]:
    """Return a patient engine on a fresh database of the server that may crash."""
    engine = connect(server.url(database), patience_s=120)
    yield engine
    engine.dispose()


def chunk(number: int) -> Chunk:
    """Return a part of a stream; every second row has no temperature."""
    row = np.arange(number * ROWS, (number + 1) * ROWS)
    values = np.column_stack([row / 7, np.where(row % 2, np.nan, row / 3)])
    tank = (row % 3).astype(np.int32)
    batch = ReadingBatch(TANKS, CHANNELS, tank, START_MS + row * 20_000, values)
    return Chunk(batch, Origin(row, np.arange(ROWS)), [], bytes_read=0, rows_read=ROWS)


def check_stored_once(engine: Engine, chunks: int = CHUNKS) -> None:
    with reading(engine) as connection:
        ids = list(connection.execute(text("SELECT tank_id FROM tank ORDER BY name")).scalars())
        found = load_readings(connection, ids, CHANNELS, from_ms=0, until_ms=10**13)
        assert (
            connection.execute(text("SELECT count(*) FROM reading")).scalar_one() == ROWS * chunks
        )
    batches = [chunk(number).batch for number in range(chunks)]
    sent = np.concatenate([batch.observed_ms for batch in batches])
    order = np.argsort(found.observed_ms)
    np.testing.assert_array_equal(found.observed_ms[order], sent)
    np.testing.assert_array_equal(
        found.values[order], np.concatenate([batch.values for batch in batches])
    )


def before_commits(engine: Engine, numbers: set[int], happen: Callable[[], None]) -> None:
    """Let something `happen` after all statements of a transaction, before it commits."""
    seen = 0

    @event.listens_for(engine, "commit")
    def _count(_connection: Connection) -> None:
        nonlocal seen
        seen += 1
        if seen in numbers:
            happen()


def test_stream_goes_on_after_crashes_within_transactions(server: LoneServer, lone: Engine) -> None:
    before_commits(lone, {3, 8, 9}, server.restart)
    intake = Intake(lone, "north")
    accepted = accept_chunks(intake, map(chunk, range(CHUNKS)), now=NOW)
    assert accepted == Accepted(stored=ROWS * CHUNKS)
    check_stored_once(lone)


def test_acknowledged_is_stored_and_the_rest_comes_once_the_server_is_back(
    server: LoneServer, lone: Engine
) -> None:
    acknowledged: list[Chunk] = []
    down = threading.Event()

    def acknowledge(done: Chunk) -> None:
        acknowledged.append(done)
        if len(acknowledged) == CHUNKS // 2:
            server.crash()
            down.set()

    def start_again() -> None:
        down.wait()
        time.sleep(1.5)
        assert len(acknowledged) == CHUNKS // 2
        server.start()

    starter = threading.Thread(target=start_again)
    starter.start()
    stream = map(chunk, range(CHUNKS))
    accept_chunks(Intake(lone, "north"), stream, now=NOW, on_chunk=acknowledge)
    starter.join()
    assert len(acknowledged) == CHUNKS
    check_stored_once(lone)


def test_connection_lost_under_the_driver_is_told_apart_and_not_used_again(
    server: LoneServer, lone: Engine
) -> None:
    def lose(connection: Connection) -> None:
        with driver(connection) as own:
            server.crash()
            own.execute("SELECT 1")

    with pytest.raises(StoreError) as caught, writing(lone) as connection:
        lose(connection)
    assert caught.value.retry
    server.start()
    assert accept_chunks(Intake(lone, "north"), map(chunk, [0]), now=NOW) == Accepted(stored=ROWS)


def test_sources_that_begin_at_once_make_tanks_and_months_without_waiting_for_each_other(
    lone: Engine,
) -> None:
    ready, accepted = threading.Barrier(4), []
    months = np.arange(24) * 32 * 86_400_000 + START_MS

    def send(name: str) -> None:
        values = np.ones((months.size, 2))
        tank = np.zeros(months.size, dtype=np.int32)
        batch = ReadingBatch((name,), CHANNELS, tank, months, values)
        one = Chunk(batch, Origin(months, tank.astype(np.intp)), [], 0, months.size)
        ready.wait()
        impatient = Intake(connect(str(lone.url), patience_s=0.0), "north")
        accepted.append(accept_chunks(impatient, iter([one]), now=NOW))
        impatient.engine.dispose()

    threads = [threading.Thread(target=send, args=(f"new {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert accepted == [Accepted(stored=24)] * 4


def test_mail_that_was_sent_is_noted_once_the_server_is_back(
    server: LoneServer, lone: Engine, tmp_path: Path
) -> None:
    settings = make_settings(tmp_path, channels={"pressure": {"high": 2.0}})
    context = make_context(lone, settings)
    values = quiet_values(1, 200)
    values[0, 120:130, 0] = 2.5
    store(lone, values, slice(0, 200))
    assert detect(context, now=at(200)).raised == 1
    restarted: list[datetime] = []
    outbox = tmp_path / "outbox"

    @event.listens_for(lone, "commit")
    def _restart(_connection: Connection) -> None:
        if not restarted and any(outbox.glob("*.eml")):  # the first commit after one is away
            restarted.append(at(200))
            server.restart()

    result = deliver(context, now=at(200))
    assert restarted
    assert (result.sent, result.retried, result.failed) == (2, 0, 0)
    with reading(lone) as connection:
        noted = connection.execute(text("SELECT outcome, detail FROM delivery ORDER BY 1, 2"))
        assert [tuple(row) for row in noted] == [("sent", "send_alarm"), ("sent", "send_all_clear")]
    assert len(list(outbox.glob("*.eml"))) == 2


def test_patience_ends_with_the_reason(server: LoneServer, database: str) -> None:
    engine = connect(server.url(database), patience_s=1.0)
    server.crash()
    try:
        with pytest.raises(StoreError, match="refused") as caught:
            written(engine, lambda connection: connection.execute(text("SELECT 1")))
        assert caught.value.retry
    finally:
        server.start()
        engine.dispose()


def test_wish_to_stop_ends_the_waiting(server: LoneServer, lone: Engine) -> None:
    stop = threading.Event()
    server.crash()
    try:
        threading.Timer(0.5, stop.set).start()
        with pytest.raises(StoreError):
            written(lone, lambda connection: connection.execute(text("SELECT 1")), stop=stop)
        assert stop.is_set()
    finally:
        server.start()


def test_connection_to_a_server_that_only_reads_is_given_up(
    server: LoneServer, database: str, lone: Engine
) -> None:
    server.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    tries = 0

    def add(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        if tries == 2:  # a new session is wanted: this one stays as it is
            server.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        connection.execute(text("INSERT INTO site (name) VALUES ('north')"))

    written(lone, add)
    assert tries == 3


def test_what_is_wrong_is_not_tried_again(lone: Engine) -> None:
    tries = 0

    def wrong(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        connection.execute(text("INSERT INTO watermark (tank_id) VALUES (77)"))

    with pytest.raises(StoreError, match="foreign key") as caught:
        written(lone, wrong)
    assert not caught.value.retry
    assert tries == 1


def test_of_two_that_wait_for_each_other_the_one_given_up_is_done_again(lone: Engine) -> None:
    add = text("INSERT INTO site (name) VALUES (:name)")
    written(lone, lambda connection: connection.execute(add, [{"name": "a"}, {"name": "b"}]))
    both, tries = threading.Barrier(2), []

    def rename(first: str, second: str) -> None:
        def work(connection: Connection) -> None:
            tries.append(first)
            change = text("UPDATE site SET name = name || '.' WHERE name LIKE :like")
            connection.execute(change, {"like": f"{first}%"})
            if len(tries) <= 2:
                both.wait()
            connection.execute(change, {"like": f"{second}%"})

        written(lone, work)

    threads = [threading.Thread(target=rename, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) == 3
    with reading(lone) as connection:
        names = list(connection.execute(text("SELECT name FROM site ORDER BY name")).scalars())
    assert names == ["a..", "b.."]


def test_stream_goes_on_at_the_standby_after_a_failover(server: LoneServer, database: str) -> None:
    standby = server.start_standby()
    engine = connect(server.url(database, also_at=standby), patience_s=120)

    def fail_over() -> None:
        server.crash()
        server.control("pg_ctl", "-D", str(standby), "-w", "promote")

    before_commits(engine, {5}, fail_over)
    try:
        accept_chunks(Intake(engine, "north"), map(chunk, range(CHUNKS)), now=NOW)
        check_stored_once(engine)
        with reading(engine) as connection:
            data = connection.execute(text("SHOW data_directory")).scalar_one()
        assert Path(data) == standby
    finally:
        engine.dispose()
        server.control("pg_ctl", "-D", str(standby), "-m", "immediate", "stop")
        server.start()
