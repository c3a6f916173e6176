"""A broker is listened to: gathered, stored, and only then acknowledged."""

import asyncio
import threading
from collections import deque
from typing import Any

import aiomqtt

from tankwatch import clock
from tankwatch.errors import SourceError
from tankwatch.ingest.live import LiveIntake, Tally, pauses, rest, until_set
from tankwatch.ingest.mqtt.client import Arrival, Client, explain, subscribe
from tankwatch.ingest.mqtt.payloads import JsonReader, NumberReader, Reader
from tankwatch.ingest.mqtt.sparkplug import NAMESPACE, SparkplugReader
from tankwatch.ingest.mqtt.topics import Topics
from tankwatch.ingest.rows import Rows
from tankwatch.settings import Settings
from tankwatch.settings_live import MqttSource
from tankwatch.store.engine import Engine

# A broker that sends no further until it is answered must not be made to wait for `batch_s`.
_QUIET_S = 0.02
_REMEMBERED = 20_000
_CHECK_S = 5.0


class MqttListener:
    """Listens to one broker.

    A message is acknowledged after its rows are committed, so what a crash or a broken line cuts
    off comes again; what comes again is stored once, since a reading's tank and time are its key.
    Where the time is that of arrival, a message that comes again keeps the first one, unless the
    process has ended in between.
    """

    def __init__(self, engine: Engine, settings: Settings, name: str) -> None:
        self.source: MqttSource = settings.sources.mqtt[name]
        self.name = name
        self.tally = Tally()
        self._reader = reader_of(name, self.source)
        self._filters = _filters(name, self.source)
        self._intake = LiveIntake(engine, settings, _understood(self.source, self._reader))
        if isinstance(self._reader, SparkplugReader):
            self._reader.is_channel = self._intake.is_channel
        self._intake.options(clock.now())
        # When each message came that the broker may not know to be acknowledged.
        self._recent: deque[Arrival] = deque(maxlen=_REMEMBERED)
        self._came: dict[tuple[int, str, bytes], int] = {}

    async def run(self, stop: threading.Event) -> None:
        """Listen until `stop` is set, through every loss of the line."""
        waits = pauses(self.source)
        while not stop.is_set():
            before = self.tally.connections
            try:
                await self._session(stop)
            except (aiomqtt.MqttError, SourceError, OSError) as error:
                self.tally.broken(explain(error, self.source))
            if self.tally.connections > before:
                waits = pauses(self.source)
            if not stop.is_set():
                await rest(stop, next(waits))

    async def check(self) -> list[str]:
        """Connect, subscribe as another client would, leave, and return what came meanwhile."""
        named = f"{self.source.identifier or f'tankwatch-{self.name}'}-check"
        apart = self.source.model_copy(update={"identifier": named})
        client = Client(self.name, apart, forget=True)
        try:
            async with client:
                await subscribe(client, self._filters)
                await asyncio.sleep(_CHECK_S)
        except (aiomqtt.MqttError, SourceError, OSError) as error:
            raise SourceError(explain(error, self.source)) from error
        rows = Rows()
        for arrival in client.arrived:
            self._reader.read(arrival, rows)
        return [
            f"{len(client.arrived)} messages in {_CHECK_S:.0f} s, {len(rows)} values in them",
            *(f"{one.source}: {one.reason.value}: {one.detail}" for one in rows.broken[:10]),
        ]

    async def _session(self, stop: threading.Event) -> None:
        """Connect and listen until `stop` is set or the line is lost, which raises."""
        will = None
        if isinstance(self._reader, SparkplugReader):
            self._reader.reconnected()
            will = self._reader.will()
        stopping = asyncio.create_task(until_set(stop))
        try:
            async with Client(self.name, self.source, will=will) as client:
                # Messages are taken meanwhile: some brokers answer after what they kept for us.
                ready = asyncio.create_task(self._begin(client))
                try:
                    while not stopping.done():
                        await self._gather(client, {ready, stopping} - _done(ready))
                        await self._take(client, stop)
                        if ready.done():
                            ready.result()
                        if client.lost.done():
                            await self._take_rest(client, stop)
                            client.lost.result()
                            message = "the broker closed the line"
                            raise aiomqtt.MqttError(message)
                finally:
                    ready.cancel()
                await self._take_rest(client, stop)
                await self._announce(client, online=False)
        finally:
            stopping.cancel()
            self._remember()

    async def _begin(self, client: Client) -> None:
        await subscribe(client, self._filters)
        self.tally.connected()
        await self._announce(client, online=True)

    async def _gather(self, client: Client, others: "set[asyncio.Task[None]]") -> None:
        """Wait for messages: for the first, and then until there are enough or none come.

        Any of `others` that ends, ends the waiting.
        """
        anything = asyncio.create_task(client.anything.wait())
        ends: set[asyncio.Future[Any]] = {anything, client.lost, *others}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        anything.cancel()
        loop = asyncio.get_running_loop()
        latest_s = loop.time() + self.source.batch_s
        seen = -1
        while seen < len(client.arrived) < self.source.batch_rows and loop.time() < latest_s:
            if client.lost.done() or any(one.done() for one in others):
                return
            seen = len(client.arrived)
            await asyncio.sleep(_QUIET_S)

    async def _take(self, client: Client, stop: threading.Event) -> None:
        """Store a batch of what has arrived, then acknowledge it."""
        batch = client.arrived[: self.source.batch_rows]
        del client.arrived[: len(batch)]
        if not client.arrived:
            client.anything.clear()
        if not batch or not await self._store(batch, stop):
            return
        for arrival in batch:
            client.acknowledge(arrival)
        if not self._reader.own_time:
            self._recent.extend(batch)
        await self._ask(client)
        if client.dropped:
            self.tally.note(f"{client.dropped} messages of QoS 0 dropped: there was no room")

    async def _take_rest(self, client: Client, stop: threading.Event) -> None:
        """Store what had arrived when the line was lost or is given up."""
        for _ in range(0, len(client.arrived), self.source.batch_rows):
            await self._take(client, stop)

    async def _store(self, batch: list[Arrival], stop: threading.Event) -> bool:
        """Store a batch, trying until the database takes it, and return whether it did."""
        rows = Rows()
        await asyncio.to_thread(self._read, batch, rows)
        return await self._intake.keep_trying(
            rows, self.tally, self.source, stop, messages=len(batch)
        )

    def _read(self, batch: list[Arrival], rows: Rows) -> None:
        for arrival in batch:
            known = arrival
            if arrival.again and self._came:
                key = (arrival.mid, arrival.topic, arrival.payload)
                known = arrival._replace(at_ms=self._came.pop(key, arrival.at_ms))
            self._reader.read(known, rows)

    def _remember(self) -> None:
        """Keep when messages came whose acknowledgement may not have reached the broker."""
        self._came = {(one.mid, one.topic, one.payload): one.at_ms for one in self._recent}

    async def _announce(self, client: Client, *, online: bool) -> None:
        if isinstance(self._reader, SparkplugReader):
            for topic, payload in self._reader.announcement(online=online):
                await client.publish(topic, payload, qos=1, retain=True)

    async def _ask(self, client: Client) -> None:
        if isinstance(self._reader, SparkplugReader) and not client.lost.done():
            for topic, payload in self._reader.requests():
                await client.publish(topic, payload)
            if self._reader.not_read:
                shown = ", ".join(sorted(self._reader.not_read)[:20])
                self.tally.note(f"values that are not read: {shown}")


def reader_of(name: str, source: MqttSource) -> Reader:
    """Return what takes the payloads of a source apart.

    Raises:
        SettingsError: the settings of the source contradict each other.
    """
    if source.payload == "sparkplug_b":
        return SparkplugReader(name, source)
    return NumberReader(name, source) if source.payload == "number" else JsonReader(name, source)


def _done(task: "asyncio.Task[None]") -> "set[asyncio.Task[None]]":
    return {task} if task.done() else set()


def _filters(name: str, source: MqttSource) -> tuple[str, ...]:
    if source.payload == "sparkplug_b" and not source.topics:
        return (f"{NAMESPACE}/#",)
    return Topics(source.topics, f"sources.mqtt.{name}.topics").filters


def _understood(source: MqttSource, reader: Reader) -> dict[str, object]:
    return {
        "columns": source.channels,
        "units": source.units,
        "absolute": frozenset(source.absolute),
        "time_zone": source.time_zone,
        "epoch_unit": source.epoch_unit if reader.own_time else "ms",
    }
