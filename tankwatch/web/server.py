"""Running the application: address, TLS, and an end that finishes what is under way."""

import signal
import socket
import ssl
from collections.abc import Callable
from types import FrameType

import uvicorn

from tankwatch.errors import SettingsError
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine
from tankwatch.web.app import create_app
from tankwatch.web.service import Service

STOP_S = 9
_BACKLOG = 2048


def serve(engine: Engine, settings: Settings, *, say: Callable[[str], None]) -> bool:
    """Serve until SIGTERM or SIGINT, then answer what is under way; return whether it began.

    Args:
        engine: of a database that is current.
        settings: address, TLS files and limits.
        say: is told the address, once connections are taken.

    Raises:
        SettingsError: the address is not free, or the TLS files cannot be used.
    """
    certificate, key = tls_files(settings)
    app = create_app(engine, settings)
    config = uvicorn.Config(
        app,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
    )
    server = Server(config, app.state.service)
    # The server raises the signal again once it has ended; that must not end the program as killed.
    before = {number: signal.signal(number, _ended) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with bind(settings) as taken:
            say(f"{'https' if certificate else 'http'}://{_shown(taken)}")
            server.run(sockets=[taken])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return server.started


class Server(uvicorn.Server):
    """A server that ends the streams of news first: they would not end by themselves."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        await self._service.live.close()
        await super().shutdown(sockets)


def bind(settings: Settings) -> socket.socket:
    """Return a socket that listens at the address of the settings.

    Raises:
        SettingsError: the address is not free, or not this machine's.
    """
    host, port = settings.serve.host, settings.serve.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        message = (
            f"serve.host {host!r} and serve.port {port} cannot be listened at "
            f"({error.strerror or error}): does another program listen there, is the address this "
            "machine's, and may this user use the port?"
        )
        raise SettingsError(message) from error


def tls_files(settings: Settings) -> tuple[str | None, str | None]:
    """Return the paths of certificate and key, None for both without TLS.

    Raises:
        SettingsError: they cannot be read, or do not belong together.
    """
    if not settings.serve.tls_certificate:
        return None, None
    certificate = str(settings.path(settings.serve.tls_certificate))
    key = str(settings.path(settings.serve.tls_key))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        message = (
            f"serve.tls_certificate {certificate} and serve.tls_key {key} cannot be used "
            f"({error}): give PEM files that belong together and that this user may read"
        )
        raise SettingsError(message) from error
    return certificate, key


def _shown(taken: socket.socket) -> str:
    host, port = taken.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _ended(_signal: int, _frame: FrameType | None) -> None:
    pass
