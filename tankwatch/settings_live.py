"""Settings of live sources: MQTT brokers and OPC UA servers that readings come from."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from tankwatch.settings_section import Section, TimeZone, setting

SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,23}$")]


class LiveSource(Section):
    """What every live source has."""

    username: str = setting("", "Login name; empty for no login.")
    password: SecretStr = setting(SecretStr(""), "Login secret; best from a file.")
    batch_rows: int = setting(
        1000, "Most messages or values in one commit.", unit="rows", ge=1, le=100_000
    )
    batch_s: float = setting(
        0.25, "How long one waits for others before a commit.", unit="s", ge=0, le=60
    )
    retry_base_s: float = setting(
        1.0, "First pause before connecting again; it doubles.", unit="s", gt=0, le=600
    )
    retry_cap_s: float = setting(60.0, "Longest pause between tries.", unit="s", gt=0, le=86_400)


class MqttSource(LiveSource):
    """A broker, the topics that are read from it, and what stands in their payloads."""

    host: str = setting("localhost", "Broker.")
    port: int = setting(1883, "Port; 8883 is usual with TLS.", ge=1, le=65_535)
    version: Literal["5", "3.1.1"] = setting("5", "Version of MQTT that the broker speaks.")
    security: Literal["tls", "none"] = setting("none", "Encryption.")
    ca_file: str = setting("", "Certificate that the broker's must come from; empty: the system's.")
    certificate_file: str = setting("", "Our own certificate, where the broker asks for one.")
    key_file: str = setting("", "Key of our certificate.")
    identifier: str = setting(
        "", "Client identifier, one of its kind on the broker; empty: tankwatch-<name>."
    )
    session_s: int = setting(
        604_800, "How long the broker keeps messages while we are away (MQTT 5).", unit="s", ge=0
    )
    keepalive_s: int = setting(
        30, "A silent line is taken for broken after one and a half of this.", unit="s", ge=5
    )
    topics: tuple[str, ...] = setting(
        (), "Topics, with {names} of their levels: plant/{site}/{tank}/{channel}."
    )
    payload: Literal["json", "number", "sparkplug_b"] = setting("json", "Kind of payload.")
    tank: str = setting("{tank}", "How a tank's name is put together from {names}.")
    channel: str = setting("{channel}", "How a channel's name is put together, if by topic.")
    each: str = setting("", "JSON: path to a list, each element of which is read by itself.")
    fields: dict[str, str] = setting(
        {"time": "timestamp", "value": "value"},
        "JSON: paths to time, value, unit, tank, site or channel; without time: as it arrives.",
    )
    values: dict[str, str] = setting(
        {}, "JSON: path to each channel's value, where a payload holds several."
    )
    value_name: str = setting(
        "{channel}", "Sparkplug B: what {names} a value's own name is put together from."
    )
    host_id: str = setting("", "Sparkplug B: name under which we say that we are online.")
    channels: dict[str, str] = setting({}, "Their name of each channel, if not ours.")
    units: dict[str, str] = setting({}, "Unit of each channel, if not canonical.")
    absolute: tuple[str, ...] = setting((), "Channels whose pressure is absolute.")
    time_zone: TimeZone = setting("UTC", "Zone of times that state none.")
    epoch_unit: Literal["auto", "s", "ms", "us", "ns"] = setting(
        "auto", "Unit of numeric times; auto tells by their size."
    )


class OpcuaNode(Section):
    """A node and the channel of a tank that it holds."""

    node: str = setting("", "Node id, for instance ns=2;s=TK-101.PT.")
    tank: str = setting("", "Tank.")
    channel: str = setting("", "Channel.")
    unit: str = setting("", "Unit, if not canonical.")

    @model_validator(mode="after")
    def _is_whole(self) -> "OpcuaNode":
        missing = [name for name in ("node", "tank", "channel") if not getattr(self, name)]
        if missing:
            message = f"a node needs node, tank and channel; missing: {', '.join(missing)}"
            raise ValueError(message)
        return self


class OpcuaSource(LiveSource):
    """A server and the nodes that are read from it."""

    url: str = setting("opc.tcp://localhost:4840", "Address of the server.")
    security: Literal["none", "sign", "sign_and_encrypt"] = setting(
        "none", "Whether messages are signed and encrypted."
    )
    policy: Literal["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = setting(
        "Basic256Sha256", "Security policy, if signed."
    )
    certificate_file: str = setting("", "Our certificate, if signed.")
    key_file: str = setting("", "Key of our certificate.")
    server_certificate_file: str = setting("", "The server's certificate; empty: what it shows.")
    nodes: tuple[OpcuaNode, ...] = setting((), "Nodes: tables of node, tank, channel and unit.")
    sampling_s: float = setting(
        1.0, "How often the server looks at a node.", unit="s", gt=0, le=3600
    )
    publishing_s: float = setting(
        1.0, "How often the server sends what it saw.", unit="s", gt=0, le=3600
    )
    uncertain: Literal["store", "quarantine"] = setting(
        "store", "What happens to values of uncertain quality; bad ones are quarantined."
    )
    without_source_time: Literal["server", "quarantine"] = setting(
        "server", "What happens to values without a source time: the server's is taken, or none."
    )
    history: bool = setting(
        default=True, help_text="Read what the server kept of the time that we were away."
    )
    history_hours: float = setting(24.0, "How far back that goes at most.", unit="h", gt=0, le=8760)
    absolute: tuple[str, ...] = setting((), "Channels whose pressure is absolute.")
    timeout_s: float = setting(10.0, "Wait for the server.", unit="s", gt=0, le=600)


class Sources(Section):
    """Live sources, each a table of its own: [sources.mqtt.<name>], [sources.opcua.<name>]."""

    mqtt: dict[SourceName, MqttSource] = setting({}, "MQTT brokers by name.")
    opcua: dict[SourceName, OpcuaSource] = setting({}, "OPC UA servers by name.")
