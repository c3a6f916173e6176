"""Sparkplug B: edge nodes announce names once, at birth, and then send aliases.

Terms of the specification (version 3.0): an edge node and its devices publish BIRTH, DATA and DEATH
messages; every one of a node carries the next number of a sequence from 0 to 255.  What a host does
when it lacks a birth, or a number is missing, is to ask the node for its births again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from tankwatch import clock
from tankwatch.core.readings import RejectReason
from tankwatch.core.times import to_ms
from tankwatch.errors import SettingsError, SourceError
from tankwatch.ingest.mqtt.client import Arrival
from tankwatch.ingest.mqtt.sparkplug_wire import decode, properties_of, rebirth, value_of
from tankwatch.ingest.mqtt.topics import Template
from tankwatch.ingest.rows import Rows
from tankwatch.settings_live import MqttSource

NAMESPACE = "spBv1.0"
_ASK_AGAIN_MS = 10_000
_GOOD = 192
_LEVELS = ("group", "edge", "device")


@dataclass(frozen=True, slots=True)
class Known:
    """What a birth says of a value."""

    name: str
    datatype: int
    unit: str


@dataclass(slots=True)
class EdgeNode:
    """What is known of an edge node since its birth.

    Attributes:
        seq: number of its last message; -1 before its birth.
        life: number by which its death names the birth it ends.
        aliases: what each alias means, by device; the node itself is the device "".
    """

    seq: int = -1
    life: int | None = None
    aliases: dict[str, dict[int, Known]] = field(default_factory=dict)
    asked_ms: int = 0


class SparkplugReader:
    """Takes Sparkplug B messages apart; keeps what births said for as long as a line stands."""

    own_time = True

    def __init__(self, name: str, source: MqttSource) -> None:
        key = f"sources.mqtt.{name}"
        self._source = f"mqtt {name}"
        self._host_id = source.host_id
        self._value_name = Template.of(source.value_name, f"{key}.value_name")
        self._pattern = self._value_name.pattern(".+?")
        self._tank = Template.of(source.tank, f"{key}.tank")
        self._channel = Template.of(source.channel, f"{key}.channel")
        told = {*_LEVELS, *self._value_name.names}
        for setting, template in (("tank", self._tank), ("channel", self._channel)):
            missing = set(template.names) - told
            if missing:
                message = (
                    f"{key}.{setting} needs {', '.join(sorted(missing))}: known are "
                    f"{', '.join(_LEVELS)} and what value_name takes out of a value's name"
                )
                raise SettingsError(message)
        self._nodes: dict[tuple[str, str], EdgeNode] = {}
        self._wanted: list[tuple[str, str]] = []
        self._online_ms = 0
        self.is_channel: Callable[[str], bool] = lambda _label: True
        self.not_read: set[str] = set()

    def reconnected(self) -> None:
        """Forget all births: while the line was down, others may have come."""
        self._nodes.clear()
        self._wanted.clear()
        self._online_ms = to_ms(clock.now())

    def will(self) -> aiomqtt.Will | None:
        """Return what the broker is to publish if we vanish."""
        if not self._host_id:
            return None
        (topic, payload), *_ = self.announcement(online=False)
        return aiomqtt.Will(topic, payload, qos=1, retain=True)

    def announcement(self, *, online: bool) -> list[tuple[str, bytes]]:
        """Return what tells edge nodes whether we listen, so that they keep data meanwhile."""
        if not self._host_id:
            return []
        state = {"online": online, "timestamp": self._online_ms}
        return [(f"{NAMESPACE}/STATE/{self._host_id}", json.dumps(state).encode())]

    def requests(self) -> list[tuple[str, bytes]]:
        """Return the commands to send: births that we need."""
        now = to_ms(clock.now())
        wanted, self._wanted = self._wanted, []
        return [(f"{NAMESPACE}/{group}/NCMD/{edge}", rebirth(now)) for group, edge in wanted]

    def read(self, arrival: Arrival, rows: Rows) -> None:
        """Add the values of a message to `rows`, or why there are none."""
        levels = arrival.topic.split("/")
        if levels[0] != NAMESPACE or not 4 <= len(levels) <= 5:
            return
        group, kind, edge = levels[1:4]
        device = levels[4] if len(levels) == 5 else ""
        if kind not in _HANDLED:
            return
        try:
            payload = decode(arrival.payload)
        except SourceError as error:
            origin = f"{self._source}: {arrival.topic}"
            rows.refuse(origin, RejectReason.BROKEN_ROW, str(error), arrival.payload)
            return
        node = self._nodes.setdefault((group, edge), EdgeNode())
        if kind == "NDEATH":
            self._bury(group, edge, payload)
            return
        self._count(node, (group, edge), kind, payload, arrival.at_ms)
        if kind == "DDEATH":
            node.aliases.pop(device, None)
            return
        if kind.endswith("BIRTH"):
            node.aliases[device] = _announced(payload)
        found = {"group": group, "edge": edge, "device": device}
        for named in payload.values:
            self._read_one(named, found, arrival, node=node, rows=rows, sent_ms=payload.timestamp)

    def _read_one(
        self,
        named: Any,
        found: dict[str, str],
        arrival: Arrival,
        *,
        node: EdgeNode,
        rows: Rows,
        sent_ms: int,
    ) -> None:
        aliases = node.aliases.get(found["device"], {})
        known = aliases.get(named.alias) if named.HasField("alias") else None
        name = named.name or (known.name if known else "")
        origin = f"{self._source}: {arrival.topic}: {name or f'alias {named.alias}'}"
        if not name:
            detail = "the birth that tells this alias is not known; the edge node was asked for it"
            rows.refuse(origin, RejectReason.UNKNOWN_CHANNEL, detail)
            self._want((found["group"], found["edge"]), node, arrival.at_ms)
            return
        match = self._pattern.fullmatch(name)
        told = {**found, **match.groupdict()} if match else found
        tank = self._tank.fill(told) if match else ""
        channel = self._channel.fill(told) if match else ""
        if not tank or not channel or not self.is_channel(channel):
            if len(self.not_read) < 1000:
                self.not_read.add(name)
            return
        known = known or next((one for one in aliases.values() if one.name == name), None)
        datatype = named.datatype or (known.datatype if known else 0)
        value = value_of(named, datatype)
        if value is None:
            return
        properties = properties_of(named)
        quality = properties.get("quality", _GOOD)
        if quality != _GOOD:
            detail = f"the edge node says that its quality is {quality}, and {_GOOD} is good"
            rows.refuse(origin, RejectReason.BAD_QUALITY, detail, str(value))
            return
        unit = str(properties.get("engunit", known.unit if known else ""))
        time = named.timestamp or sent_ms or None
        rows.add(origin, tank, time, channel, value, unit=unit, payload=f"{name} = {value}")

    def _count(
        self, node: EdgeNode, key: tuple[str, str], kind: str, payload: Any, at_ms: int
    ) -> None:
        """Follow a node's sequence, and ask for its births where a number is missing."""
        if kind == "NBIRTH":
            node.aliases.clear()
            node.seq = int(payload.seq)  # its devices' births follow: no reason to ask again
            node.life = _life(payload)
            return
        expected = (node.seq + 1) % 256
        if node.seq < 0 or payload.seq != expected:
            self._want(key, node, at_ms)
        if node.seq >= 0:
            node.seq = int(payload.seq)

    def _want(self, key: tuple[str, str], node: EdgeNode, at_ms: int) -> None:
        if at_ms - node.asked_ms >= _ASK_AGAIN_MS:
            node.asked_ms = at_ms
            self._wanted.append(key)

    def _bury(self, group: str, edge: str, payload: Any) -> None:
        """Forget a node that died, unless the death belongs to an earlier life of it."""
        if _life(payload) == self._nodes[group, edge].life:
            del self._nodes[group, edge]


_HANDLED = frozenset({"NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"})


def _announced(payload: Any) -> dict[int, Known]:
    """Return what a birth tells of each alias; values without one are kept below nought."""
    found = {}
    for place, named in enumerate(payload.values):
        unit = str(properties_of(named).get("engunit", ""))
        key = named.alias if named.HasField("alias") else -1 - place
        found[key] = Known(named.name, named.datatype, unit)
    return found


def _life(payload: Any) -> int | None:
    for named in payload.values:
        if named.name == "bdSeq":
            return int(value_of(named, named.datatype) or 0)
    return None
