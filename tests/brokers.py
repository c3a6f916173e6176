"""Real MQTT brokers, programs that a test may kill: amqtt, and mosquitto where it is found."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from argon2 import PasswordHasher

Kind = Literal["amqtt", "mosquitto"]
Version = Literal["5", "3.1.1"]
# Debian puts mosquitto where only the administrator's shell looks.
MOSQUITTO = shutil.which("mosquitto", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
KINDS: list[Kind] = ["amqtt", "mosquitto"] if MOSQUITTO else ["amqtt"]
VERSIONS: dict[Kind, list[Version]] = {"amqtt": ["3.1.1"], "mosquitto": ["3.1.1", "5"]}
USER, SECRET = "gateway", "s3cret"
_PATIENCE_S = 30.0
_AMQTT = "from amqtt.scripts.broker_script import app; app()"


@dataclass
class Broker:
    """A broker on a port of its own that lets nobody in but `USER`.

    Attributes:
        certificate: certificate and key of its TLS listener; None for none.
        durable: mosquitto writes each change to disk at once, so that a kill loses nothing.
    """

    kind: Kind
    folder: Path
    certificate: tuple[Path, Path] | None = None
    durable: bool = False
    port: int = 0
    _process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.port = self.port or free_port()

    @property
    def keeps_promises(self) -> bool:
        """Return whether what was on its way when a line broke comes again.

        amqtt 0.12 forgets it (its `_handle_qos1_message_flow` drops a message whose wait was
        cancelled), so a gateway has to send again what it cannot be sure of.
        """
        return self.kind != "amqtt"

    def start(self) -> "Broker":
        """Start it, and return when it listens."""
        name = self.folder / f"{self.kind}-{self.port}"
        config = name.with_suffix(".conf")
        if self.kind == "mosquitto":
            config.write_text(self._mosquitto(name))
            command = [str(MOSQUITTO), "-c", str(config)]
        else:
            config.write_text(self._amqtt(name))
            command = [sys.executable, "-c", _AMQTT, "-c", str(config)]
        with name.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for_port(self.port, self._process)
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _mosquitto(self, name: Path) -> str:
        passwords = name.with_suffix(".passwords")
        passwords.write_text(f"{USER}:{SECRET}\n")
        passwords.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
        lines = [
            f"listener {self.port} 127.0.0.1",
            "max_queued_messages 0",
            "allow_anonymous false",
            f"password_file {passwords}",
        ]
        if self.durable:
            lines += [
                "persistence true",
                f"persistence_file {name.name}.db",
                f"persistence_location {self.folder}/",
                "autosave_on_changes true",
                "autosave_interval 1",
            ]
        if os.geteuid() == 0:
            lines.append("user root")
        if self.certificate:
            lines += [f"certfile {self.certificate[0]}", f"keyfile {self.certificate[1]}"]
        return "\n".join(lines) + "\n"

    def _amqtt(self, name: Path) -> str:
        passwords = name.with_suffix(".passwords")
        passwords.write_text(f"{USER}:{PasswordHasher().hash(SECRET)}\n")
        lines = ["listeners:", "  default:", "    type: tcp", f"    bind: 127.0.0.1:{self.port}"]
        if self.certificate:
            lines += [
                "    ssl: true",
                f"    certfile: {self.certificate[0]}",
                f"    keyfile: {self.certificate[1]}",
            ]
        lines += [
            "plugins:",
            "  amqtt.plugins.authentication.FileAuthPlugin:",
            f"    password_file: {passwords}",
        ]
        return "\n".join(lines) + "\n"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when somebody listens on `port`."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s:
        assert process.poll() is None, f"the server on port {port} ended at once"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    message = f"nobody listens on port {port}"
    raise TimeoutError(message)
