"""A web hook on a real port: what it was sent, and what it answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """A server that takes JSON; `answers` are statuses for the next posts, 200 after them."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.posts: list[dict[str, Any]] = []
        self.tries = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Return the address as Apprise writes it."""
        return f"json://127.0.0.1:{self.port}/told"


@contextmanager
def hooked() -> Iterator[Hook]:
    """Serve a hook."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.tries += 1
            status = hook.answers.pop(0) if hook.answers else 200
            if status == 200:
                hook.posts.append(json.loads(body))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
