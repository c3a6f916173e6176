"""Sparkplug B over a real broker: an edge node that is asked for its births and gives them."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from tankwatch.ingest.mqtt.sparkplug_wire import Payload, decode
from tankwatch.store.engine import Engine
from tests.brokers import SECRET, USER, Broker
from tests.integration.mqtt import (
    PATIENCE_S,
    SPOKEN,
    START_MS,
    Spoken,
    database,
    listening,
    quarantined,
    source,
    stored,
    wait_for,
)

DOUBLE = 10


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = database(tmp_path)
    yield opened
    opened.dispose()


class EdgeNode(threading.Thread):
    """Sends data by alias, ten a second, and its births when it is asked for them."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self._seq = -1
        self.stop = threading.Event()
        self.births = 0

    def run(self) -> None:
        asyncio.run(asyncio.wait_for(self._live(), PATIENCE_S))

    async def _live(self) -> None:
        async with aiomqtt.Client(
            "127.0.0.1", self._port, username=USER, password=SECRET
        ) as client:
            await client.subscribe("spBv1.0/Farm/NCMD/edge")
            commands = asyncio.create_task(self._obey(client))
            number = 0
            while not self.stop.is_set():
                number += 1
                value = {"alias": 7, "double_value": number / 8, "timestamp": START_MS + number}
                await client.publish("spBv1.0/Farm/DDATA/edge/T1", self._message(value))
                await asyncio.sleep(0.1)
            commands.cancel()

    async def _obey(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            (command,) = decode(message.payload).values
            assert (command.name, command.boolean_value) == ("Node Control/Rebirth", True)
            self.births += 1
            self._seq = -1
            await client.publish("spBv1.0/Farm/NBIRTH/edge", self._message())
            born = {"name": "pressure", "alias": 7, "datatype": DOUBLE, "double_value": 0.0}
            await client.publish("spBv1.0/Farm/DBIRTH/edge/T1", self._message(born))

    def _message(self, *values: dict[str, Any]) -> bytes:
        self._seq = (self._seq + 1) % 256
        payload = Payload(timestamp=START_MS, seq=self._seq)
        for value in values:
            payload.values.add(**value)
        data: bytes = payload.SerializeToString()
        return data


@pytest.mark.parametrize("spoken", SPOKEN, ids=str)
def test_a_host_that_comes_late_asks_for_births_and_then_understands(
    spoken: Spoken, engine: Engine, tmp_path: Path
) -> None:
    broker = Broker(spoken.kind, tmp_path).start()
    edge = EdgeNode(broker.port)
    edge.start()
    told = {"payload": "sparkplug_b", "topics": (), "tank": "{device}", "host_id": "tankwatch"}
    with listening(engine, source(broker, spoken, **told)):
        wait_for(lambda: len(stored(engine)) > 10)
        assert asyncio.run(state(broker.port)) is True
    edge.stop.set()
    edge.join()
    assert asyncio.run(state(broker.port)) is False
    broker.kill()
    assert edge.births == 1
    times = [observed_ms - START_MS for _, observed_ms, _ in stored(engine)]
    assert times == [0, *range(times[1], times[-1] + 1)]
    assert {tank for tank, _, _ in stored(engine)} == {"T1"}
    assert {row.reason.value for row in quarantined(engine)} == {"unknown_channel"}


async def state(port: int) -> bool:
    """Return whether the broker says that the host is online."""
    async with aiomqtt.Client("127.0.0.1", port, username=USER, password=SECRET) as client:
        await client.subscribe("spBv1.0/STATE/tankwatch")
        async with asyncio.timeout(PATIENCE_S):
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                return bool(json.loads(message.payload)["online"])
    raise AssertionError
