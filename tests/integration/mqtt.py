"""What the tests of MQTT share: a plant on a broker, gateways that send, and what was stored."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import numpy as np
import pytest

from tankwatch.core.readings import Rejected
from tankwatch.ingest.mqtt.listen import MqttListener
from tankwatch.settings import Settings
from tankwatch.settings_live import MqttSource, Sources
from tankwatch.store.engine import Engine, connect, reading
from tankwatch.store.intake import load_quarantine
from tankwatch.store.migrate import upgrade
from tankwatch.store.plant import load_tanks
from tankwatch.store.readings import load_readings
from tests.brokers import KINDS, SECRET, USER, VERSIONS, Broker, Kind, Version

START_MS = 1_772_433_000_000
PATIENCE_S = 45.0

Stored = list[tuple[str, int, float]]


@dataclass(frozen=True)
class Spoken:
    """A kind of broker and a version of MQTT that it speaks."""

    kind: Kind
    version: Version

    def __str__(self) -> str:
        return f"{self.kind}-{self.version}"


SPOKEN = [Spoken(kind, version) for kind in KINDS for version in VERSIONS[kind]]
every_broker = pytest.mark.parametrize("spoken", SPOKEN, ids=str)


def source(broker: Broker, spoken: Spoken, **more: Any) -> MqttSource:
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": broker.port,
        "version": spoken.version,
        "topics": ("plant/{site}/{tank}/{channel}",),
        # amqtt keeps nothing for a client without a name, even if it has a session.
        "username": USER,
        "password": SECRET,
        "retry_base_s": 0.1,
        "retry_cap_s": 0.3,
    }
    return MqttSource(**{**given, **more})


def settings(one: MqttSource) -> Settings:
    return Settings(sources=Sources(mqtt={"plant": one}))


def database(folder: Path) -> Engine:
    engine = connect(f"sqlite:///{folder / 'tankwatch.db'}")
    upgrade(engine)
    return engine


@contextmanager
def listening(engine: Engine, one: MqttSource) -> Iterator[MqttListener]:
    """Listen in a thread, as the daemon does."""
    listener = MqttListener(engine, settings(one), "plant")
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(listener.run(stop)))
    thread.start()
    try:
        wait_for(lambda: listener.tally.connections or listener.tally.trouble)
        yield listener
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def message(number: int) -> tuple[str, str]:
    """Return topic and payload of the reading `number` of a stream over four tanks."""
    payload = {"timestamp": START_MS + 1000 * (number // 4), "value": number / 8}
    return f"plant/north/T{number % 4}/pressure", json.dumps(payload)


def expected(count: int) -> Stored:
    """Return what the first `count` readings of the stream are, stored once each."""
    rows = [(f"T{n % 4}", START_MS + 1000 * (n // 4), n / 8) for n in range(count)]
    return sorted(rows)


async def send(
    port: int, messages: Sequence[tuple[str, str | bytes]], *, pause_s: float = 0.0, **how: Any
) -> None:
    """Send messages as a gateway does: QoS 1, each answered by the broker."""
    async with aiomqtt.Client("127.0.0.1", port, username=USER, password=SECRET) as client:
        for topic, payload in messages:
            await client.publish(topic, payload, **{"qos": 1, **how})
            await asyncio.sleep(pause_s)


def sent(port: int, *messages: tuple[str, str | bytes], **how: Any) -> None:
    asyncio.run(send(port, list(messages), **how))


def stored(engine: Engine, channel: str = "pressure") -> Stored:
    """Return tank, time and value of every reading of a channel."""
    with reading(engine) as connection:
        names = {tank.tank_id: tank.name for tank in load_tanks(connection)}
        rows = load_readings(connection, list(names), (channel,), from_ms=0, until_ms=2**45)
    keys = zip(rows.tank_id.tolist(), rows.observed_ms.tolist(), strict=True)
    values = rows.values[:, 0]
    known = [(names[t], ms, float(v)) for (t, ms), v in zip(keys, values, strict=True)]
    return sorted(row for row in known if not np.isnan(row[2]))


def quarantined(engine: Engine) -> list[Rejected]:
    with reading(engine) as connection:
        return load_quarantine(connection, limit=100)


def wait_for(fact: Callable[[], Any]) -> None:
    """Return when `fact` holds."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.02)
