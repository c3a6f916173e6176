"""A client that acknowledges a message when it is told to, not when the message comes."""

import asyncio
import ssl
from typing import Any, NamedTuple

import aiomqtt
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tankwatch import clock
from tankwatch.core.times import to_ms
from tankwatch.errors import SettingsError, SourceError
from tankwatch.settings_live import MqttSource

# Messages of QoS 0 that wait for the database; what comes beyond is dropped, as QoS 0 allows.
# Those of QoS 1 are bounded by the broker, which sends only so many ahead of acknowledgements.
MOST_UNASKED = 100_000
CONNECT_S = 10.0
_SENT_AHEAD = 4  # batches
# A broker may send what it kept for us before it answers.
_ANSWER_S = 120.0
_REMEDIES = {
    "Bad user name or password": "set username and password",
    "Not authorized": "set username and password, or let this user in on the broker",
    "Unsupported protocol version": 'set version = "3.1.1"',
    "Client identifier not valid": "set another identifier",
    "Operation timed out": "check port and security; a broker that only speaks MQTT 3.1.1 may be "
    'silent, then set version = "3.1.1"',
}


class Arrival(NamedTuple):
    """A message as it came; `at_ms` is when, in epoch milliseconds."""

    topic: str
    payload: bytes
    qos: int
    mid: int
    retain: bool
    again: bool
    at_ms: int


class Client(aiomqtt.Client):
    """A connection whose messages wait in `arrived` until they are acknowledged one by one.

    paho can do this and aiomqtt does not show it, so this class reaches into both; it also leaves
    out aiomqtt's queue, which starts a task for every message.

    Attributes:
        arrived: messages that nobody has taken yet.
        anything: set once there are some.
        dropped: how many of QoS 0 there was no room for.
    """

    def __init__(
        self,
        name: str,
        source: MqttSource,
        *,
        will: aiomqtt.Will | None = None,
        forget: bool = False,
    ) -> None:
        self.arrived: list[Arrival] = []
        self.anything = asyncio.Event()
        self.dropped = 0
        super().__init__(
            source.host,
            source.port,
            identifier=source.identifier or f"tankwatch-{name}",
            username=source.username or None,
            password=source.password.get_secret_value() or None,
            keepalive=source.keepalive_s,
            timeout=CONNECT_S,
            tls_context=_tls(source),
            will=will,
            **_session(source, forget=forget),
        )
        self._client.manual_ack_set(on=True)

    def acknowledge(self, arrival: Arrival) -> None:
        """Tell the broker that it may forget a message."""
        if arrival.qos:
            self._client.ack(arrival.mid, arrival.qos)

    @property
    def lost(self) -> "asyncio.Future[None]":
        """Return what is done once the line is broken or closed."""
        return self._disconnected

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:  # noqa: ARG002
        if not message.qos and len(self.arrived) >= MOST_UNASKED:
            self.dropped += 1
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(a topic that is not UTF-8)"
        self.arrived.append(
            Arrival(
                topic,
                bytes(message.payload),
                message.qos,
                message.mid,
                message.retain,
                message.dup,
                to_ms(clock.now()),
            )
        )
        self.anything.set()


async def subscribe(client: Client, filters: tuple[str, ...]) -> None:
    """Ask for the topics, at QoS 1.

    Raises:
        SourceError: the broker refuses one.
    """
    asked = [(one, 1) for one in filters]
    codes = await client.subscribe(asked, timeout=_ANSWER_S)
    for topic_filter, code in zip(filters, codes, strict=True):
        if isinstance(code, ReasonCode) and code.is_failure:
            message = f"the broker refuses the topic {topic_filter!r}: let this user read it there"
            raise SourceError(message)


def explain(error: Exception, source: MqttSource) -> str:
    """Return why there is no connection, and the remedy."""
    where = f"the broker {source.host}:{source.port}"
    if isinstance(error, SourceError):
        return str(error)
    code = error.rc if isinstance(error, aiomqtt.MqttCodeError) else None
    reason = str(code if isinstance(code, ReasonCode) else error) or type(error).__name__
    for told, remedy in _REMEDIES.items():
        if told.casefold() in reason.casefold():
            return f"{where} does not let us in ({told}): {remedy}"
    if "certificate" in reason.casefold():
        return f"{where}: its certificate is not accepted ({reason}): set ca_file"
    return f"{where} is not there or closed the line ({reason}): check host, port and security"


def _session(source: MqttSource, *, forget: bool) -> dict[str, Any]:
    """Return how the broker is asked to keep what we have not acknowledged while we are away."""
    if source.version == "3.1.1":
        return {"protocol": aiomqtt.ProtocolVersion.V311, "clean_session": forget}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0 if forget else source.session_s
    properties.ReceiveMaximum = min(_SENT_AHEAD * source.batch_rows, 65_535)
    return {
        "protocol": aiomqtt.ProtocolVersion.V5,
        "clean_start": forget,
        "properties": properties,
    }


def _tls(source: MqttSource) -> ssl.SSLContext | None:
    if source.security == "none":
        return None
    try:
        context = ssl.create_default_context(cafile=source.ca_file or None)
        if source.certificate_file:
            context.load_cert_chain(source.certificate_file, source.key_file or None)
    except (OSError, ssl.SSLError) as error:
        message = (
            f"a certificate cannot be used ({error}): check ca_file, certificate_file, key_file"
        )
        raise SettingsError(message) from error
    return context
