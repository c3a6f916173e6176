"""MQTT, one reading a message: stored and acknowledged, against a bare subscriber that discards.

Both drain the same backlog from mosquitto at QoS 1, in turns, with the same bound on what it sends
ahead.  The bare subscriber acknowledges as each message comes and does nothing with it.
"""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from results import record

from tankwatch.ingest.mqtt.listen import MqttListener
from tankwatch.settings import Settings
from tankwatch.settings_live import MqttSource, Sources
from tankwatch.store.engine import connect
from tankwatch.store.migrate import upgrade

MESSAGES, TANKS, ROUNDS = 20_000, 50, 3
START_MS, STEP_MS = 1_767_225_600_000, 1000
AHEAD = 4000
BROKER = "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"


def main() -> None:
    """Measure both in turns, and record the best of each."""
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        sys.exit("this benchmark needs mosquitto: apt-get install mosquitto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "broker.conf").write_text(BROKER.format(port=port), encoding="utf-8")
        command = [program, "-c", str(folder / "broker.conf")]
        broker = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            mine, bare = [], []
            for number in range(ROUNDS):
                mine.append(asyncio.run(ours(port, folder / f"{number}.db")))
                bare.append(asyncio.run(discarding(port)))
        finally:
            broker.kill()
            broker.wait()
    record(
        "MQTT, one reading a message, to SQLite",
        round(max(mine)),
        "messages/s",
        against="bare aiomqtt subscriber that discards",
        other=round(max(bare)),
        target=0.5,
    )


async def ours(port: int, file: Path) -> float:
    """Return messages a second that tankwatch takes, stores and acknowledges."""
    source = MqttSource(host="127.0.0.1", port=port, topics=("ours/{site}/{tank}/{channel}",))
    settings = Settings(sources=Sources(mqtt={"plant": source}))
    engine = connect(f"sqlite:///{file}")
    upgrade(engine)
    await listen_for(MqttListener(engine, settings, "plant"), 0)  # leaves a session behind
    await fill(port, "ours")
    listener = MqttListener(engine, settings, "plant")
    spent_s = await listen_for(listener, MESSAGES)
    accepted = listener.tally.accepted
    assert (accepted.stored, accepted.rejected) == (MESSAGES, 0), accepted
    engine.dispose()
    return MESSAGES / spent_s


async def listen_for(listener: MqttListener, messages: int) -> float:
    """Listen until so many messages are stored; return the seconds, connecting included."""
    began, stop = time.perf_counter(), threading.Event()
    listening = asyncio.create_task(listener.run(stop))
    while not listener.tally.connections:
        await asyncio.sleep(0.001)
    while listener.tally.messages < messages:
        await asyncio.sleep(0.005)
    spent_s = time.perf_counter() - began
    stop.set()
    await listening
    return spent_s


async def discarding(port: int) -> float:
    """Return messages a second that a bare subscriber takes and forgets."""
    async with bare_client(port) as client:
        await client.subscribe("bare/+/+/+", 1)
    await fill(port, "bare")
    began, taken = time.perf_counter(), 0
    async with bare_client(port) as client:
        async for _message in client.messages:
            taken += 1
            if taken == MESSAGES:
                break
        return MESSAGES / (time.perf_counter() - began)


def bare_client(port: int) -> aiomqtt.Client:
    """Return a client with a session that the broker keeps, and our bound on what is ahead."""
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = AHEAD
    version = aiomqtt.ProtocolVersion.V5
    return aiomqtt.Client(
        "127.0.0.1",
        port,
        identifier="bare",
        protocol=version,
        clean_start=False,
        properties=properties,
    )


async def fill(port: int, root: str) -> None:
    """Send the backlog of one subscriber, and return when the broker has answered all of it."""
    async with aiomqtt.Client("127.0.0.1", port, max_inflight_messages=1000) as client:
        client.pending_calls_threshold = 10_000
        for first in range(0, MESSAGES, 500):
            await asyncio.gather(
                *(client.publish(*message(root, n), qos=1) for n in range(first, first + 500))
            )


def message(root: str, number: int) -> tuple[str, str]:
    """Return topic and payload of a reading."""
    at_ms = START_MS + STEP_MS * (number // TANKS)
    payload = {"timestamp": at_ms, "value": 1.0 + number % 997 / 1000}
    return f"{root}/north/TK-{number % TANKS}/pressure", json.dumps(payload)


if __name__ == "__main__":
    main()
