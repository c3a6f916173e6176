"""serve: readings in over HTTP, and the page."""

from typing import Annotated

import typer

from tankwatch.cli.common import ERRORS, opened, settings
from tankwatch.errors import SettingsError
from tankwatch.settings import Settings


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at (default: the settings').")] = "",
    port: Annotated[
        int | None, typer.Option(help="Port (default: the settings').", min=0, max=65_535)
    ] = None,
) -> None:
    """Serve the page and the HTTP interface until SIGTERM: /, POST /api/v1/readings, /healthz."""
    loaded = _overruled(settings(), host, port)
    try:
        from tankwatch.web.server import serve as serve_web  # noqa: PLC0415 - an extra brings it
    except ModuleNotFoundError as error:
        message = "the HTTP server needs its parts: pip install 'tankwatch[serve]'"
        raise SettingsError(message) from error
    with opened(loaded) as context:
        if not serve_web(context.engine, context.settings, say=_say):
            raise typer.Exit(1)


def _say(address: str) -> None:
    ERRORS.print(f"listening at {address}", markup=False)


def _overruled(loaded: Settings, host: str, port: int | None) -> Settings:
    given: dict[str, object] = {"host": host} if host else {}
    if port is not None:
        given["port"] = port
    return loaded.model_copy(update={"serve": loaded.serve.model_copy(update=given)})
