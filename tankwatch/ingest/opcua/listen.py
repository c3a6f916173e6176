"""A server is listened to: subscribed, the hole behind us filled from its history, stored."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta

from asyncua import Client, ua
from asyncua.common.subscription import DataChangeEvent, Subscription

from tankwatch import clock
from tankwatch.core.times import from_ms, to_ms
from tankwatch.errors import SettingsError, SourceError, UsageError
from tankwatch.ingest.headers import match_label
from tankwatch.ingest.live import LiveIntake, Tally, pauses, rest, until_set
from tankwatch.ingest.opcua.client import connected, explain
from tankwatch.ingest.opcua.nodes import history, monitor, node_ids
from tankwatch.ingest.opcua.values import SERVER_TIME, ValueReader, describe
from tankwatch.ingest.rows import Rows
from tankwatch.settings import Settings
from tankwatch.settings_live import OpcuaNode, OpcuaSource
from tankwatch.store.engine import Engine, reading
from tankwatch.store.plant import tank_ids
from tankwatch.store.readings import last_observed_ms

_LOOK_S = 0.05


class OpcuaListener:
    """Listens to one server.

    OPC UA has no acknowledgement that waits for a commit: what a crash or a broken line takes away
    comes back from the server's history, if it keeps one; what comes twice is stored once.
    """

    def __init__(self, engine: Engine, settings: Settings, name: str) -> None:
        self.source: OpcuaSource = settings.sources.opcua[name]
        self.name = name
        self.tally = Tally()
        self._engine = engine
        self._reader = ValueReader(name, self.source)
        self._intake = LiveIntake(
            engine, settings, {"absolute": frozenset(self.source.absolute), "epoch_unit": "ms"}
        )
        self._ids = node_ids(name, self.source.nodes)
        self._channels = self._known_channels()

    async def run(self, stop: threading.Event) -> None:
        """Listen until `stop` is set, through every loss of the line."""
        waits = pauses(self.source)
        while not stop.is_set():
            before = self.tally.connections
            try:
                await self._session(stop)
            except (SourceError, ua.UaError, OSError, TimeoutError) as error:
                self.tally.broken(explain(error, self.source))
            if self.tally.connections > before:
                waits = pauses(self.source)
            if not stop.is_set():
                await rest(stop, next(waits))

    async def check(self) -> list[str]:
        """Connect, read each node once, leave, and return what they hold."""
        found: list[str] = []
        wrong: list[str] = []
        async with connected(self.source) as (client, _):
            for node, node_id in zip(self.source.nodes, self._ids, strict=True):
                data = await client.get_node(node_id).read_data_value(raise_on_bad_status=False)
                told = f"{node.node}: {node.tank} {node.channel}: {describe(data)}"
                is_there = data.StatusCode is None or data.StatusCode.name not in _NO_NODE
                (found if is_there else wrong).append(told)
        if wrong:
            message = f"{'; '.join(wrong)}: correct sources.opcua.{self.name}.nodes"
            raise SourceError(message)
        return found

    def _known_channels(self) -> list[str]:
        """Return the store's name of each node's channel."""
        key = f"sources.opcua.{self.name}.nodes"
        if not self.source.nodes:
            message = f"{key} is empty: name at least one node with its tank and channel"
            raise SettingsError(message)
        options = self._intake.options(clock.now())
        found = []
        for node in self.source.nodes:
            try:
                known = match_label(node.channel, node.unit, options)
            except UsageError as error:
                message = f"{key}: {node.node}: {error}"
                raise SettingsError(message) from error
            if known is None:
                channels = ", ".join(options.channels)
                message = f"{key}: {node.node}: no channel {node.channel!r}: known are {channels}"
                raise SettingsError(message)
            found.append(options.channels[known.channel])
        return found

    async def _session(self, stop: threading.Event) -> None:
        """Connect and listen until `stop` is set or the line is lost, which raises."""
        async with connected(self.source) as (client, lost):
            subscription = await client.create_subscription(
                self.source.publishing_s * 1000, queue_maxsize=0
            )
            arrived: list[tuple[OpcuaNode, ua.DataValue]] = []
            pump = asyncio.create_task(self._pump(subscription, arrived))
            stopping = asyncio.create_task(until_set(stop))
            try:
                await self._subscribe(subscription)
                self.tally.connected()
                # Subscribed first, so that no hole is left between history and present.
                if self.source.history:
                    await self._fill(client, stop)
                while not stopping.done() and not lost.done():
                    await self._take(arrived, stop)
                    await asyncio.wait({lost, stopping}, timeout=max(self.source.batch_s, _LOOK_S))
            finally:
                pump.cancel()
                stopping.cancel()
                await self._take(arrived, stop)
            if lost.done():
                lost.result()

    async def _pump(
        self, subscription: Subscription, arrived: list[tuple[OpcuaNode, ua.DataValue]]
    ) -> None:
        async for event in subscription:
            if isinstance(event, DataChangeEvent):
                place = event.data.subscription_data.client_handle or 0
                arrived.append((self.source.nodes[place], event.data.monitored_item.Value))

    async def _subscribe(self, subscription: Subscription) -> None:
        refused = await monitor(subscription, self._ids, self.source)
        wrong = [
            f"{node.node}: {code.name}"
            for node, code in zip(self.source.nodes, refused, strict=True)
            if code is not None
        ]
        if wrong:
            told = f"{len(wrong)} of {len(refused)} nodes are refused ({'; '.join(wrong[:10])})"
            message = f"{told}: correct sources.opcua.{self.name}.nodes"
            if len(wrong) == len(refused):
                raise SourceError(message)
            self.tally.note(message)

    async def _take(
        self, arrived: list[tuple[OpcuaNode, ua.DataValue]], stop: threading.Event
    ) -> None:
        """Store what has arrived up to now."""
        while arrived:
            batch = arrived[: self.source.batch_rows]
            del arrived[: len(batch)]
            await self._store(batch, stop)

    async def _store(
        self, batch: Sequence[tuple[OpcuaNode, ua.DataValue]], stop: threading.Event
    ) -> None:
        rows = Rows()
        for node, data in batch:
            self._reader.read(node, data, rows)
        await self._intake.keep_trying(rows, self.tally, self.source, stop, messages=len(batch))
        if self._reader.server_times:
            self.tally.note(SERVER_TIME)

    async def _fill(self, client: Client, stop: threading.Event) -> None:
        """Read each node's history since the last reading that the store has of it."""
        now = clock.now()
        earliest = now - timedelta(hours=self.source.history_hours)
        known = await asyncio.to_thread(self._last, to_ms(earliest))
        for node, node_id, last_ms in zip(self.source.nodes, self._ids, known, strict=True):
            since = earliest if last_ms is None else from_ms(last_ms)
            try:
                async for values in history(client, node_id, since=since, until=clock.now()):
                    for start in range(0, len(values), self.source.batch_rows):
                        part = values[start : start + self.source.batch_rows]
                        await self._store([(node, data) for data in part], stop)
            except ua.UaStatusCodeError as error:
                if type(error).__name__ in _LINE:
                    raise
                why = type(error).__name__
                self.tally.note(f"no history of {node.node} ({why}): holes in it stay")
            if stop.is_set():
                return

    def _last(self, since_ms: int) -> list[int | None]:
        """Return when each node's channel was last observed, as far as the store knows."""
        with reading(self._engine) as connection:
            ids = tank_ids(connection, {node.tank for node in self.source.nodes})
            return [
                last_observed_ms(connection, ids[node.tank], channel, since_ms=since_ms)
                if node.tank in ids
                else None
                for node, channel in zip(self.source.nodes, self._channels, strict=True)
            ]


_NO_NODE = {"BadNodeIdUnknown", "BadNodeIdInvalid", "BadAttributeIdInvalid", "BadNotReadable"}
_LINE = {"BadConnectionClosed", "BadSessionIdInvalid", "BadSecureChannelIdInvalid", "BadTimeout"}
