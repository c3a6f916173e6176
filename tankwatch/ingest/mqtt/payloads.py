"""Payloads to rows: JSON by paths, and plain numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tankwatch.core.readings import RejectReason
from tankwatch.errors import SettingsError
from tankwatch.ingest.json_text import parse_json
from tankwatch.ingest.mqtt.client import Arrival
from tankwatch.ingest.mqtt.topics import Template, Topics
from tankwatch.ingest.rows import Rows
from tankwatch.settings_live import MqttSource

_PLACES = ("time", "value", "unit")
_RETAINED = "a retained message without a time of its own: nobody knows when it was measured"
_STRANGE = "the topic has none of the forms that the settings give"


class Reader(Protocol):
    """What takes messages apart.

    Attributes:
        own_time: payloads bring their time along; else it is that of their arrival.
    """

    own_time: bool

    def read(self, arrival: Arrival, rows: Rows) -> None:
        """Add the values of a message to `rows`, or why there are none."""


@dataclass(frozen=True, slots=True)
class Naming:
    """How tank and channel are named, from a topic and what a payload tells besides."""

    source: str
    topics: Topics
    tank: Template
    channel: Template

    @classmethod
    def of(cls, name: str, source: MqttSource, *, told: Sequence[str], wide: bool) -> "Naming":
        """Return the naming of a source; `told` are the names that its payloads tell.

        Raises:
            SettingsError: a template needs a name that nothing tells.
        """
        key = f"sources.mqtt.{name}"
        topics = Topics(source.topics, f"{key}.topics")
        tank = Template.of(source.tank, f"{key}.tank")
        channel = Template.of("" if wide else source.channel, f"{key}.channel")
        for setting, template in (("tank", tank), ("channel", channel)):
            missing = set(template.names) - topics.names - set(told)
            if missing:
                message = (
                    f"{key}.{setting} = {template.text!r} needs {', '.join(sorted(missing))}, "
                    "which stands neither in each of the topics nor in the payload: "
                    "put it into topics, or change the template"
                )
                raise SettingsError(message)
        return cls(f"mqtt {name}", topics, tank, channel)

    def origin(self, topic: str) -> str:
        """Return how the operator is told where a message came from."""
        return f"{self.source}: {topic}"


class NumberReader:
    """Payloads that are one number as text; the time is that of arrival."""

    own_time = False

    def __init__(self, name: str, source: MqttSource) -> None:
        self._naming = Naming.of(name, source, told=(), wide=False)
        self._known: dict[str, tuple[str, str, str, str]] = {}

    def read(self, arrival: Arrival, rows: Rows) -> None:
        """Add the number, or why there is none."""
        known = self._known.get(arrival.topic) or self._name(arrival.topic)
        origin, tank, channel, site = known
        if not origin:
            rows.refuse(
                self._naming.origin(arrival.topic),
                RejectReason.BROKEN_ROW,
                _STRANGE,
                arrival.payload,
            )
            return
        if arrival.retain:
            rows.refuse(origin, RejectReason.BAD_TIME, _RETAINED, arrival.payload)
            return
        try:
            text = arrival.payload.decode()
        except UnicodeDecodeError as error:
            rows.refuse(origin, RejectReason.BROKEN_ROW, f"not text: {error}", arrival.payload)
            return
        if site:
            rows.sites[tank] = site
        rows.add(origin, tank, arrival.at_ms, channel, text, payload=arrival.payload)

    def _name(self, topic: str) -> tuple[str, str, str, str]:
        naming = self._naming
        found = naming.topics.take_apart(topic)
        if found is None:
            return "", "", "", ""
        site = found.get("site", "")
        named = (naming.origin(topic), naming.tank.fill(found), naming.channel.fill(found), site)
        if len(self._known) >= 100_000:
            self._known.clear()
        self._known[topic] = named
        return named


class JsonReader:
    """Payloads that are JSON; paths tell where in them everything stands."""

    def __init__(self, name: str, source: MqttSource) -> None:
        self._fields = {field: Path(path) for field, path in source.fields.items()}
        self._values = {channel: Path(path) for channel, path in source.values.items()}
        self._each = Path(source.each) if source.each else None
        self._told = {name: path for name, path in self._fields.items() if name not in _PLACES}
        self._naming = Naming.of(name, source, told=tuple(self._told), wide=bool(source.values))
        self.own_time = "time" in self._fields
        if not source.values and "value" not in self._fields:
            message = (
                f"sources.mqtt.{name}: nothing says where the value stands: "
                "give fields a path to value, or values one for each channel"
            )
            raise SettingsError(message)

    def read(self, arrival: Arrival, rows: Rows) -> None:
        """Add the values of a payload, or why there are none."""
        origin, payload = self._naming.origin(arrival.topic), arrival.payload
        found = self._naming.topics.take_apart(arrival.topic)
        if found is None:
            rows.refuse(origin, RejectReason.BROKEN_ROW, _STRANGE, payload)
            return
        if arrival.retain and not self.own_time:
            rows.refuse(origin, RejectReason.BAD_TIME, _RETAINED, payload)
            return
        try:
            elements = self._elements(parse(payload))
        except (ValueError, RecursionError) as error:
            rows.refuse(origin, RejectReason.BROKEN_ROW, f"not the JSON we need: {error}", payload)
            return
        for element in elements:
            self._read_one(element, found, arrival, origin=origin, rows=rows)

    def _elements(self, document: Any) -> Sequence[Any]:
        inner = document if self._each is None else self._each.follow(document)
        if isinstance(inner, list):
            return inner
        if self._each is not None:
            message = f"at {self._each.text!r} there is no list"
            raise ValueError(message)
        return [inner]

    def _read_one(
        self,
        element: Any,
        found: Mapping[str, str],
        arrival: Arrival,
        *,
        origin: str,
        rows: Rows,
    ) -> None:
        if not isinstance(element, dict):
            detail = f"not the JSON we need: it is a {type(element).__name__}, not an object"
            rows.refuse(origin, RejectReason.BROKEN_ROW, detail, arrival.payload)
            return
        if self._told:
            told = {name: _plain(path.follow(element)) for name, path in self._told.items()}
            found = {**found, **told}
        fields = self._fields
        time = fields["time"].follow(element) if self.own_time else arrival.at_ms
        unit = _plain(fields["unit"].follow(element)) if "unit" in fields else ""
        tank = self._naming.tank.fill(found)
        if found.get("site"):
            rows.sites[tank] = found["site"]
        if not self._values:
            value = fields["value"].follow(element)
            channel = self._naming.channel.fill(found)
            rows.add(origin, tank, time, channel, value, unit=unit, payload=arrival.payload)
            return
        present = 0
        for channel, path in self._values.items():
            value = path.follow(element)
            if value is not None:
                present += 1
                rows.add(origin, tank, time, channel, value, unit=unit, payload=arrival.payload)
        if not present:
            detail = "no channel has a value"
            rows.refuse(origin, RejectReason.NO_VALUE, detail, arrival.payload)


class Path:
    """A path into JSON: names and places in lists, with dots between.

    At the top, a name may hold dots itself.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts = text.split(".")

    def follow(self, value: Any) -> Any:
        """Return what stands there, None where there is nothing."""
        if isinstance(value, dict) and self.text in value:
            return value[self.text]
        for part in self._parts:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                return None
        return value


def parse(payload: bytes) -> Any:
    """Return the JSON document that `payload` is.

    Raises:
        ValueError: it is none, or holds text that cannot be stored.
    """
    document = parse_json(payload)
    if b"\\u" in payload:
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is no text
    return document


def _plain(value: Any) -> str:
    """Return a name as text; empty where it is none."""
    if isinstance(value, str):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else ""
