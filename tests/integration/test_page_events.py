"""News of alarms as server-sent events: told to all, and ended with the session or the server."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, writing
from tankwatch.store.people import set_active
from tankwatch.web.app import create_app
from tankwatch.web.live import Live, Seen
from tests.integration.alarms import happen, raise_alarm
from tests.integration.logins import Visit, add_login, visit
from tests.integration.web_server import Served, listening, served


@pytest.fixture
def web(engine: Engine) -> Iterator[Served]:
    with served(engine) as found:
        yield found


@contextmanager
def news(one: Visit) -> Iterator[Iterator[tuple[str, dict[str, int]]]]:
    """Follow the events of a visit, each as its name and data."""

    def told(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, int]]]:
        name = ""
        for line in lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))

    with one.client.stream("GET", "/events", timeout=60) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield told(answer.iter_lines())


def test_new_alarm_and_its_acknowledgement_are_told(engine: Engine, web: Served) -> None:
    with visit(str(web.client.base_url)) as one, news(one) as events:
        assert next(events) == ("alarms", {"unseen": 0})
        uid = raise_alarm(engine, "T1", at=clock.now())
        assert next(events) == ("alarms", {"unseen": 1})
        happen(engine, uid, IncidentEvent.ACKNOWLEDGE, at=clock.now(), actor="kim")
        assert next(events) == ("alarms", {"unseen": 0})


def test_alarm_of_the_past_is_listed_and_asks_for_nobody(engine: Engine, web: Served) -> None:
    raise_alarm(engine, "T1", at=clock.now(), historical=True)
    with visit(str(web.client.base_url)) as one, news(one) as events:
        assert next(events) == ("alarms", {"unseen": 0})


def test_stream_ends_with_the_session(engine: Engine, web: Served) -> None:
    key = add_login(engine, "kim", Role.VIEWER)
    add_login(engine, "lee", Role.VIEWER)
    with visit(str(web.client.base_url)) as kim:
        kim.log_in("kim")
        with news(kim) as events:
            next(events)
            with writing(engine) as connection:
                set_active(connection, key, is_active=False)
            assert [name for name, _ in events] == ["over"]
        assert kim.client.get("/events").status_code == 401


def test_stream_without_a_login_ends_once_somebody_can_log_in(engine: Engine, web: Served) -> None:
    with visit(str(web.client.base_url)) as one, news(one) as events:
        next(events)
        add_login(engine, "kim", Role.VIEWER)
        assert [name for name, _ in events] == ["over"]


def test_streams_do_not_keep_the_server_from_stopping(engine: Engine) -> None:
    ended = []
    ready = threading.Barrier(4)

    def follow(address: str) -> None:
        with httpx.Client(base_url=address) as client, news(Visit(client)) as events:
            next(events)
            ready.wait(60)
            # All of the stream, to its end: a connection that is cut off raises.
            ended.append(list(events))

    with listening(create_app(engine, Settings())) as address:
        threads = [threading.Thread(target=follow, args=(address,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        ready.wait(60)
    for thread in threads:
        thread.join(60)
    assert ended == [[], [], []]


def test_one_look_serves_everybody_who_watches(engine: Engine) -> None:
    async def follow(live: Live, looks: int) -> list[Seen]:
        found = []
        async for seen in live.follow():
            found.append(seen)
            if len(found) == looks:
                break
        return found

    async def watched() -> tuple[list[Seen], list[Seen]]:
        live = Live(engine)
        async with live.running():
            return await asyncio.gather(follow(live, 2), follow(live, 2))

    one, other = asyncio.run(watched())
    assert [id(seen) for seen in one] == [id(seen) for seen in other]


def test_database_that_fails_for_a_while_ends_no_stream(engine: Engine, web: Served) -> None:
    with visit(str(web.client.base_url)) as one, news(one) as events:
        next(events)
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE transition RENAME TO away")
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO transition")
        raise_alarm(engine, "T1", at=clock.now())
        assert next(events) == ("alarms", {"unseen": 1})
