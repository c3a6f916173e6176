"""What the tests of OPC UA share: a server in another process, and a source that reads from it."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tankwatch.ingest.opcua.listen import OpcuaListener
from tankwatch.settings import Settings
from tankwatch.settings_live import OpcuaNode, OpcuaSource, Sources
from tankwatch.store.engine import Engine
from tests import opcua_server
from tests.brokers import free_port
from tests.integration.mqtt import PATIENCE_S, wait_for
from tests.opcua_server import NODES

PRESSURE = OpcuaNode(node=f"ns=2;i={NODES['T1.PT']}", tank="T1", channel="pressure", unit="bar")
TEMPERATURE = OpcuaNode(node=f"ns=2;i={NODES['T1.TT']}", tank="T1", channel="temperature")


@dataclass
class OpcuaServer:
    """asyncua's own server, in a process that can be killed.

    Attributes:
        arguments: of `tests/opcua_server.py`.
    """

    folder: Path
    arguments: tuple[str, ...] = ()
    history: bool = True
    port: int = field(default_factory=free_port)
    _process: "subprocess.Popen[str] | None" = None

    def start(self) -> "OpcuaServer":
        """Start it, and return when it answers."""
        words = [sys.executable, str(opcua_server.__file__), str(self.port), *self.arguments]
        if self.history:
            words += ["--history", str(self.folder / "history.db")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def write(self, node: str, value: Any, **more: Any) -> None:
        """Let a node have a value; `at` is its source time in epoch milliseconds."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"node": node, "value": value, **more}) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "written\n"

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                pipe.close()
            self._process = None


def source(port: int, *nodes: OpcuaNode, **more: Any) -> OpcuaSource:
    given: dict[str, Any] = {
        "url": f"opc.tcp://127.0.0.1:{port}/",
        "nodes": nodes or (PRESSURE, TEMPERATURE),
        "sampling_s": 0.02,
        "publishing_s": 0.05,
        "batch_s": 0.05,
        "retry_base_s": 0.1,
        "retry_cap_s": 0.3,
        "timeout_s": 5.0,
    }
    return OpcuaSource(**{**given, **more})


def settings(one: OpcuaSource) -> Settings:
    return Settings(sources=Sources(opcua={"plc": one}))


@contextmanager
def listening(engine: Engine, one: OpcuaSource) -> Iterator[OpcuaListener]:
    """Listen in a thread, as the daemon does."""
    listener = OpcuaListener(engine, settings(one), "plc")
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
