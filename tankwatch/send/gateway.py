"""Files and streams into the spool, while a thread sends what is in it."""

import gzip
import os
import select
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from tankwatch.errors import SourceError
from tankwatch.send.client import Client
from tankwatch.send.cutting import Cutter
from tankwatch.send.sender import Patience, Sender, Sent
from tankwatch.send.spool import Body, Spool
from tankwatch.settings_serve import Send

_PIECE = 1 << 16
_LOOK_S = 0.2
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Gateway:
    """How this gateway sends.

    Attributes:
        settings: its section of the settings.
        home: folder at which relative paths start.
        query: how the bodies are to be understood, as the query of a URL.
        say: is told what keeps it.
        stop: is set to end it; what waits stays in the spool.
    """

    settings: Send
    home: Path
    query: str
    say: Callable[[str], None]
    stop: threading.Event

    @property
    def spool(self) -> Path:
        """Return where the spool lies."""
        return self.home / Path(self.settings.spool).expanduser()

    def client(self) -> Client:
        """Return a client of the server.

        Raises:
            SettingsError: the settings name no server or no token.
        """
        sends = self.settings
        ca_file = self.home / Path(sends.ca_file).expanduser() if sends.ca_file else None
        token = sends.token.get_secret_value().strip()
        client = Client(sends.url, token, timeout_s=sends.timeout_s, ca_file=ca_file)
        if client.is_plain:
            self.say(
                "the token goes over the network unencrypted: serve with TLS and send to https"
            )
        return client


def send_files(gateway: Gateway, paths: Sequence[Path], patience: Patience) -> Sent:
    """Send files, and what waited before, and return once the spool is empty or patience is over.

    Raises:
        SourceError: a file cannot be read; what was read before stays in the spool.
    """
    with _sending(gateway, patience) as (sender, spool, ended):
        for path in paths:
            for bodies in _cut_file(gateway, path):
                while not spool.has_room(bodies) and not _is_over(gateway, sender):
                    gateway.stop.wait(_LOOK_S)  # a file can wait until there is room again
                if _is_over(gateway, sender):
                    return sender.sent
                spool.put(bodies)
        ended.set()
    return sender.sent


def send_stream(gateway: Gateway, stream: BinaryIO, patience: Patience) -> Sent:
    """Send a stream as it comes, until its end, and return once the spool is empty.

    Raises:
        SourceError: it is neither CSV nor JSON lines.
        SpoolError: the spool is full, and the stream cannot wait.
    """
    sends = gateway.settings
    cutter = Cutter("standard input", query=gateway.query, rows=sends.rows)
    with _sending(gateway, patience) as (sender, spool, ended):
        while not _is_over(gateway, sender):
            piece = _read_now(stream, within_s=_LOOK_S)
            if piece:
                spool.put(cutter.feed(piece))
            if piece == b"":
                break
            if cutter.age_s() >= sends.linger_s:
                spool.put(cutter.flush())
        spool.put(cutter.finish())
        ended.set()
    return sender.sent


@contextmanager
def _sending(
    gateway: Gateway, patience: Patience
) -> Iterator[tuple[Sender, Spool, threading.Event]]:
    """Run a sender beside what is done inside, and wait at the end until it has sent all."""
    sender = Sender(gateway.client(), patience, say=gateway.say)
    ended = threading.Event()
    most_mb = gateway.settings.spool_mb
    with Spool(gateway.spool, most_mb) as spool:
        thread = threading.Thread(
            target=sender.run,
            args=(gateway.spool, most_mb),
            kwargs={"ended": ended, "stop": gateway.stop},
            name="sender",
        )
        thread.start()
        try:
            yield sender, spool, ended
        except BaseException:
            gateway.stop.set()
            raise
        finally:
            ended.set()
            thread.join()


def _is_over(gateway: Gateway, sender: Sender) -> bool:
    return gateway.stop.is_set() or bool(sender.sent.gave_up)


def _cut_file(gateway: Gateway, path: Path) -> Iterator[list[Body]]:
    cutter = Cutter(str(path), query=gateway.query, rows=gateway.settings.rows)
    try:
        with path.open("rb") as binary:
            is_packed = binary.peek(2).startswith(_GZIP)
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=binary)) if is_packed else binary
            while piece := stream.read(_PIECE):
                yield cutter.feed(piece)
    except (OSError, EOFError) as error:
        message = f"{path}: cannot be read ({error}): check the path, or copy the file again"
        raise SourceError(message) from error
    yield cutter.finish()


def _read_now(stream: BinaryIO, *, within_s: float) -> bytes | None:
    """Return what comes within a time, nothing at the end, None if nothing came."""
    ready, _, _ = select.select([stream], [], [], within_s)
    return os.read(stream.fileno(), _PIECE) if ready else None
