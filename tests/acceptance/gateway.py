"""A server that is started, killed and started again, as a program."""

import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.acceptance.program import command, environment, run


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Server:
    """`tankwatch serve` in a folder, always at one address."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.variables = {"TANKWATCH_SERVE__PORT": str(self.port), **variables}
        self.process: subprocess.Popen[bytes] | None = None
        self.context: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command("serve"),
                cwd=self.folder,
                env=environment(**self.variables),
                stdout=log,
                stderr=log,
            )
        while not self.is_ready():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            time.sleep(0.02)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(  # noqa: S310 - our own address
                f"{self.url}/readyz", context=self.context, timeout=10
            ) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """Kill it, whatever it does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end, which it does cleanly."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(timeout=15) == 0, (self.folder / "server.log").read_text()

    def token(self, name: str, *words: str) -> str:
        done = run(self.folder, "token", "add", name, *words, code=0, stdin=None, **self.variables)
        return done.stdout.strip()


def database(url: str) -> dict[str, str]:
    """Return the variable that names a database."""
    return {"TANKWATCH_DATABASE__URL": url}


def end(server: Server) -> None:
    """Leave nothing running behind a test that failed."""
    process = server.process
    if process is not None and process.poll() is None:
        os.kill(process.pid, 9)
        process.wait()
