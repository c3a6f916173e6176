"""Sparkplug B: births, aliases, sequence, deaths, and bytes that another implementation wrote."""

from typing import Any

import pytest

from tankwatch.core.readings import RejectReason
from tankwatch.ingest.mqtt.client import Arrival
from tankwatch.ingest.mqtt.sparkplug import SparkplugReader
from tankwatch.ingest.mqtt.sparkplug_wire import Payload, decode, properties_of, value_of
from tankwatch.ingest.rows import Rows
from tankwatch.settings_live import MqttSource

INT8, INT16, INT32, INT64, FLOAT, DOUBLE, BOOLEAN, STRING = 1, 2, 3, 4, 9, 10, 11, 12
AT = 1_772_433_000_000


def reader(**more: Any) -> SparkplugReader:
    given = {"payload": "sparkplug_b", "tank": "{device}", **more}
    made = SparkplugReader("plant", MqttSource(**given))
    made.is_channel = {"pressure", "temperature"}.__contains__
    return made


def message(seq: int | None, *values: dict[str, Any], at: int = AT) -> bytes:
    payload = Payload(timestamp=at)
    if seq is not None:
        payload.seq = seq
    for value in values:
        properties = value.pop("properties", {})
        named = payload.values.add(**value)
        for key, held in properties.items():
            named.properties.keys.append(key)
            kind = "string_value" if isinstance(held, str) else "int_value"
            named.properties.values.add(**{kind: held})
    data: bytes = payload.SerializeToString()
    return data


def read(one: SparkplugReader, topic: str, payload: bytes, at_ms: int = AT) -> Rows:
    rows = Rows()
    arrival = Arrival(
        f"spBv1.0/{topic}", payload, qos=0, mid=0, retain=False, again=False, at_ms=at_ms
    )
    one.read(arrival, rows)
    return rows


def values(rows: Rows) -> list[tuple[Any, ...]]:
    return list(zip(rows.tanks, rows.times, rows.channels, rows.values, rows.units, strict=True))


def born(one: SparkplugReader) -> None:
    life = {"name": "bdSeq", "datatype": INT64, "long_value": 3}
    control = {"name": "Node Control/Rebirth", "datatype": BOOLEAN, "boolean_value": False}
    read(one, "G/NBIRTH/E", message(0, life, control))
    pressure = {
        "name": "pressure",
        "alias": 1,
        "datatype": DOUBLE,
        "double_value": 1.0,
        "properties": {"engUnit": "bar"},
    }
    firmware = {"name": "Properties/Firmware", "datatype": STRING, "string_value": "1.2"}
    read(one, "G/DBIRTH/E/T1", message(1, pressure, firmware))


def test_a_birth_brings_values_and_the_names_of_aliases() -> None:
    one = reader()
    born(one)
    rows = read(one, "G/DDATA/E/T1", message(2, {"alias": 1, "double_value": 2.5, "timestamp": 7}))
    assert values(rows) == [("T1", 7, "pressure", 2.5, "bar")]
    assert rows.origins == ["mqtt plant: spBv1.0/G/DDATA/E/T1: pressure"]
    assert one.requests() == []
    assert one.not_read == {"bdSeq", "Node Control/Rebirth", "Properties/Firmware"}


def test_a_value_without_its_own_time_has_that_of_its_message() -> None:
    one = reader()
    born(one)
    rows = read(one, "G/DDATA/E/T1", message(2, {"alias": 1, "double_value": 2.5}, at=9))
    assert rows.times == [9]


def test_names_of_values_may_hold_the_tank() -> None:
    one = reader(tank="{edge}-{tank}", value_name="Tanks/{tank}/{channel}")
    rows = read(
        one, "G/NBIRTH/E", message(0, {"name": "Tanks/7/pressure", "double_value": 1.5, "alias": 4})
    )
    assert values(rows) == [("E-7", AT, "pressure", 1.5, "")]


def test_an_unknown_alias_is_refused_and_the_birth_asked_for_once() -> None:
    one = reader()
    for number in range(3):
        rows = read(one, "G/DDATA/E/T1", message(5 + number, {"alias": 1, "double_value": 2.5}))
        assert [record.reason for record in rows.broken] == [RejectReason.UNKNOWN_CHANNEL]
        assert not len(rows)
    ((topic, payload),) = one.requests()
    assert topic == "spBv1.0/G/NCMD/E"
    (command,) = decode(payload).values
    assert (command.name, command.datatype) == ("Node Control/Rebirth", BOOLEAN)
    assert command.boolean_value is True
    assert one.requests() == []
    read(one, "G/DDATA/E/T1", message(8, {"alias": 1, "double_value": 2.5}), at_ms=AT + 60_000)
    assert len(one.requests()) == 1


def test_a_missing_number_of_the_sequence_asks_for_births_and_keeps_the_values() -> None:
    one = reader()
    born(one)
    rows = read(one, "G/DDATA/E/T1", message(5, {"alias": 1, "double_value": 2.5}))
    assert rows.values == [2.5]
    assert [topic for topic, _ in one.requests()] == ["spBv1.0/G/NCMD/E"]
    born(one)
    read(one, "G/DDATA/E/T1", message(2, {"alias": 1, "double_value": 2.5}))
    assert one.requests() == []


def test_the_sequence_goes_on_from_255_to_0() -> None:
    one = reader()
    born(one)
    for seq in [*range(2, 256), 0, 1]:
        read(one, "G/DDATA/E/T1", message(seq, {"alias": 1, "double_value": 1.0}))
    assert one.requests() == []


def test_a_death_forgets_the_births_of_that_life_only() -> None:
    one = reader()
    born(one)
    earlier = message(None, {"name": "bdSeq", "datatype": INT64, "long_value": 2})
    read(one, "G/NDEATH/E", earlier)
    assert read(one, "G/DDATA/E/T1", message(2, {"alias": 1, "double_value": 1.0})).values == [1.0]
    read(one, "G/NDEATH/E", message(None, {"name": "bdSeq", "datatype": INT64, "long_value": 3}))
    assert read(one, "G/DDATA/E/T1", message(3, {"alias": 1, "double_value": 1.0})).broken


def test_a_device_that_died_has_no_aliases_any_more() -> None:
    one = reader()
    born(one)
    read(one, "G/DDEATH/E/T1", message(2))
    assert read(one, "G/DDATA/E/T1", message(3, {"alias": 1, "double_value": 1.0})).broken


def test_births_do_not_outlast_the_line_they_came_by() -> None:
    one = reader()
    born(one)
    one.reconnected()
    assert read(one, "G/DDATA/E/T1", message(2, {"alias": 1, "double_value": 1.0})).broken
    assert len(one.requests()) == 1


def test_a_value_of_bad_quality_is_refused_with_its_code() -> None:
    one = reader()
    born(one)
    stale = {"alias": 1, "double_value": 9.0, "properties": {"Quality": 500}}
    rows = read(one, "G/DDATA/E/T1", message(2, stale))
    (record,) = rows.broken
    assert (record.reason, record.raw) == (RejectReason.BAD_QUALITY, "9.0")
    assert "500" in record.detail


def test_null_and_other_messages_bring_nothing() -> None:
    one = reader()
    born(one)
    assert not len(read(one, "G/DDATA/E/T1", message(2, {"alias": 1, "is_null": True})))
    for topic in ("STATE/host", "G/NCMD/E", "G/DCMD/E/T1", "G", "G/DDATA/E/T1/more"):
        rows = read(one, topic, b"{}")
        assert (len(rows), rows.broken) == (0, [])


@pytest.mark.parametrize(
    ("kind", "held", "datatype", "value"),
    [
        ("int_value", 0xFFFFFFFF, INT32, -1),
        ("int_value", 0xFF, INT8, -1),
        ("int_value", 0xFFFFFF80, INT8, -128),
        ("int_value", 300, INT16, 300),
        ("int_value", 0xFFFFFFFF, 7, 4294967295),
        ("long_value", 2**64 - 5, INT64, -5),
        ("float_value", 0.5, FLOAT, 0.5),
        ("boolean_value", True, BOOLEAN, True),
        ("string_value", "x", STRING, "x"),
        ("bytes_value", b"abc", 17, "3 bytes"),
    ],
)
def test_values_of_each_type(kind: str, held: Any, datatype: int, value: Any) -> None:
    payload = Payload()
    named = payload.values.add(**{kind: held})
    assert value_of(named, datatype) == value
    assert properties_of(named) == {}


def test_bytes_as_the_specification_lays_them_out_are_read() -> None:
    # Written by hand from the field numbers: timestamp=5, one metric (name=1 "pressure",
    # timestamp=3, datatype=4 Double, double_value=13), an unknown field 8, and seq=3.
    name = b"\x0a\x08pressure"
    metric = name + b"\x18\x07" + b"\x20\x0a" + b"\x42\x02\x08\x01" + b"\x69" + b"\0\0\0\0\0\0\xf8?"
    data = b"\x08\x05" + b"\x12" + bytes([len(metric)]) + metric + b"\x18\x00"
    rows = read(reader(), "G/DBIRTH/E/T1", data)
    assert values(rows) == [("T1", 7, "pressure", 1.5, "")]


def test_a_host_says_that_it_is_online_and_lets_the_broker_say_when_it_is_not() -> None:
    one = reader(host_id="tankwatch")
    one.reconnected()
    will = one.will()
    assert will is not None
    assert (will.topic, will.qos, will.retain) == ("spBv1.0/STATE/tankwatch", 1, True)
    ((topic, online),) = one.announcement(online=True)
    assert topic == will.topic
    assert isinstance(will.payload, bytes)
    assert online == will.payload.replace(b"false", b"true")
    assert reader().will() is None
