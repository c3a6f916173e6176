"""A line between a client and a server that a test can cut."""

import contextlib
import socket
import threading

from tests.brokers import free_port


class Line:
    """Passes bytes on to a port of this machine until it is cut.

    Attributes:
        port: where a client finds it.
        passed: bytes that came from the server.
    """

    def __init__(self, server_port: int) -> None:
        self.port = free_port()
        self.passed = 0
        self._server_port = server_port
        self._ends: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._open = self._through = True
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection at once, as a pulled cable does; new ones are let through."""
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def stop(self) -> None:
        """Break everything, and let nobody through until it is opened."""
        self._through = False
        self.cut()

    def open(self) -> None:
        """Let everybody through again."""
        self._through = True

    def close(self) -> None:
        """Break everything and let nobody through any more."""
        self._open = False
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while self._open:
            try:
                near, _ = self._listening.accept()
                if not self._through:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                continue
            self._ends += [near, far]
            threading.Thread(target=self._pass, args=[near, far], daemon=True).start()
            threading.Thread(target=self._pass, args=[far, near], daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(4096):
                target.sendall(piece)
                if source.getpeername()[1] == self._server_port:
                    self.passed += len(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
