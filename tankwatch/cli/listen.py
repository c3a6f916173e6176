"""listen: a live source by hand, to try its settings or to run it outside the daemon."""

import asyncio
import signal
import threading
from types import FrameType
from typing import Annotated

import typer

from tankwatch.cli.common import ERRORS, OUTPUT, JsonFlag, opened, print_json
from tankwatch.errors import UsageError
from tankwatch.jobs.context import Context, recorded
from tankwatch.jobs.listen import Live, listen, make_listener, sources_of, summary

command = typer.Typer(help="Listen to a live source of readings.", no_args_is_help=True)

SourceArgument = Annotated[str, typer.Argument(help="Name in the settings; the only one if empty.")]
Seconds = Annotated[float, typer.Option("--for", help="End after this many seconds; 0: never.")]
Check = Annotated[bool, typer.Option("--check", help="Connect, look, store nothing.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(command, name="listen")


@command.command()
def mqtt(
    name: SourceArgument = "", seconds: Seconds = 0.0, check: Check = False, json: JsonFlag = False
) -> None:
    """Listen to an MQTT broker until SIGTERM or Ctrl-C."""
    _listen("mqtt", name, seconds=seconds, check=check, json=json)


@command.command()
def opcua(
    name: SourceArgument = "", seconds: Seconds = 0.0, check: Check = False, json: JsonFlag = False
) -> None:
    """Listen to an OPC UA server until SIGTERM or Ctrl-C."""
    _listen("opcua", name, seconds=seconds, check=check, json=json)


def _listen(kind: str, name: str, *, seconds: float, check: bool, json: bool) -> None:
    with opened() as context:
        chosen = _choose(context, kind, name)
        live = Live(f"{kind}-{chosen}", make_listener(context, kind, chosen))
        if check:
            found = asyncio.run(live.listener.check())
            if json:
                print_json({"source": live.name, "found": found})
            else:
                OUTPUT.print("\n".join(line.replace("[", "\\[") for line in found))
            return
        asked = _stop_on_signals(context.stop)
        timer = threading.Timer(seconds, context.stop.set)
        timer.daemon = True  # Ctrl-C does not wait for it
        if seconds:
            timer.start()
        ERRORS.print(f"listening to {live.name}; end with Ctrl-C")
        with recorded(context, live.name) as facts:
            asyncio.run(listen(context, live))
            told = summary(live.listener.tally)
            facts.rows, facts.detail = told["stored"], live.listener.tally.trouble
            if not asked.is_set():
                context.stop.clear()  # its time was up: the run is done, not interrupted
    if json:
        print_json(told)
        return
    OUTPUT.print(", ".join(f"{key} {told[key]:,}" for key in _COUNTS))
    for line in filter(None, [told["trouble"], *told["notes"]]):
        ERRORS.print(f"note: {line}".replace("[", "\\["))


_COUNTS = ("messages", "stored", "updated", "duplicate", "rejected")


def _choose(context: Context, kind: str, name: str) -> str:
    known = [one for other, one in sources_of(context.settings) if other == kind]
    if not name and len(known) == 1:
        return known[0]
    if name not in known:
        listed = ", ".join(known) or f"none: write [sources.{kind}.<name>] into the settings"
        asked = f"no source {kind} {name!r}" if name else f"which source of kind {kind}?"
        message = f"{asked}; the settings have {listed}"
        raise UsageError(message)
    return name


def _stop_on_signals(stop: threading.Event) -> threading.Event:
    """Set `stop` on a signal, and the event that is returned too."""
    asked = threading.Event()

    def set_stop(_signal: int, _frame: FrameType | None) -> None:
        asked.set()
        stop.set()

    signal.signal(signal.SIGTERM, set_stop)
    signal.signal(signal.SIGINT, set_stop)
    return asked
