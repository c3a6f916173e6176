"""Live sources: each has a thread of its own, and a job that records how it fares."""

import asyncio
import importlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tankwatch import clock
from tankwatch.core.readings import Accepted
from tankwatch.errors import SettingsError, SourceError, TankwatchError
from tankwatch.ingest.live import Listener, Tally, until_set
from tankwatch.jobs.context import LOG, Context, RunFacts
from tankwatch.settings import Settings

KINDS = ("mqtt", "opcua")
_AGAIN_S = 10.0


@dataclass(slots=True)
class Live:
    """A source that is listened to, and what was last recorded of it."""

    name: str
    listener: Listener
    thread: threading.Thread | None = None
    messages: int = 0
    accepted: Accepted = field(default_factory=Accepted)


def sources_of(settings: Settings) -> list[tuple[str, str]]:
    """Return kind and name of every live source of the settings."""
    return [(kind, name) for kind in KINDS for name in getattr(settings.sources, kind)]


def make_listener(context: Context, kind: str, name: str) -> Listener:
    """Return what listens to a source; the libraries for it are loaded here and nowhere before.

    Raises:
        SettingsError: the settings of the source cannot work, or its libraries are missing.
    """
    try:
        if kind == "mqtt":
            module: Any = importlib.import_module("tankwatch.ingest.mqtt.listen")
            made: Listener = module.MqttListener(context.engine, context.settings, name)
        else:
            module = importlib.import_module("tankwatch.ingest.opcua.listen")
            made = module.OpcuaListener(context.engine, context.settings, name)
    except ModuleNotFoundError as error:
        message = f"sources.{kind}.{name} needs {error.name}: pip install 'tankwatch[{kind}]'"
        raise SettingsError(message) from error
    return made


def make_all(context: Context) -> list[Live]:
    """Return every source of the settings, not listened to yet."""
    named = sources_of(context.settings)
    return [Live(f"{kind}-{name}", make_listener(context, kind, name)) for kind, name in named]


def start(context: Context, live: Sequence[Live]) -> None:
    """Listen to each source in a thread, until the context's stop is set."""
    for one in live:
        one.thread = threading.Thread(target=_keep_on, args=[context, one], name=one.name)
        one.thread.daemon = True  # what is not acknowledged comes again
        one.thread.start()


def join(live: Sequence[Live], *, until_s: float) -> bool:
    """Wait for the threads until a time of the monotonic clock; return whether all have ended."""
    for one in live:
        if one.thread is not None:
            one.thread.join(max(0.0, until_s - time.monotonic()))
    return not any(one.thread is not None and one.thread.is_alive() for one in live)


def report(live: Live, facts: RunFacts, *, now: datetime) -> None:
    """Record what a source brought since the last time.

    Raises:
        SourceError: its line does not stand, or the database does not take its readings.
    """
    tally = live.listener.tally
    messages, accepted = tally.messages, tally.accepted
    stored = accepted.stored + accepted.updated - live.accepted.stored - live.accepted.updated
    rejected = accepted.rejected - live.accepted.rejected
    facts.rows = stored
    facts.detail = f"{messages - live.messages} messages, {rejected} rejected"
    live.messages, live.accepted = messages, accepted
    if tally.trouble:
        raise SourceError(tally.trouble)
    since = tally.connected_at
    state = f"connected for {(now - since).total_seconds():.0f} s" if since else "connecting"
    facts.detail = ". ".join([f"{facts.detail}, {state}", *tally.notes])


async def listen(context: Context, live: Live) -> None:
    """Listen to a source, telling the log of each change, until the context's stop is set."""
    told = asyncio.create_task(_tell(context, live.name, live.listener.tally))
    try:
        await live.listener.run(context.stop)
    finally:
        told.cancel()


def _keep_on(context: Context, live: Live) -> None:
    while not context.stop.is_set():
        try:
            asyncio.run(listen(context, live))
        except TankwatchError as error:
            live.listener.tally.broken(str(error))
            LOG.error("source failed", source=live.name, error=str(error))
        except Exception as error:  # noqa: BLE001 - the border of a thread: shown by status
            live.listener.tally.broken(f"{type(error).__name__}: {error}")
            LOG.exception("source failed", source=live.name)
        context.stop.wait(_AGAIN_S)


async def _tell(context: Context, name: str, tally: Tally) -> None:
    connections, trouble = 0, ""
    noted: set[str] = set()
    stopping = asyncio.create_task(until_set(context.stop))
    while not stopping.done():
        if tally.connections != connections:
            connections = tally.connections
            LOG.info("source connected", source=name)
        if tally.trouble != trouble:
            trouble = tally.trouble
            if trouble:
                LOG.warning("source", source=name, trouble=trouble)
        for note in tally.notes:
            if note not in noted:
                noted.add(note)
                LOG.info("source", source=name, note=note)
        await asyncio.sleep(0.2)


def summary(tally: Tally) -> dict[str, Any]:
    """Return what a source brought, for people and machines."""
    counts = tally.accepted
    return {
        "messages": tally.messages,
        "stored": counts.stored,
        "updated": counts.updated,
        "duplicate": counts.duplicate,
        "rejected": counts.rejected,
        "connections": tally.connections,
        "trouble": tally.trouble,
        "notes": tally.notes,
        "until": clock.now(),
    }
