"""Payloads to rows: what is a value, what is refused and why."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tankwatch.errors import SettingsError
from tankwatch.ingest.mqtt.client import Arrival
from tankwatch.ingest.mqtt.listen import reader_of
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.rows import Rows, assemble_rows
from tankwatch.settings_live import MqttSource

TOPICS = ("plant/{site}/{tank}/{channel}",)
TOPIC = "plant/north/T1/pressure"
CAME_MS = 1_772_433_000_123
OPTIONS = FileOptions(channels=("pressure", "temperature"))


def read(
    payload: bytes | str | Any, /, *, topic: str = TOPIC, retain: bool = False, **settings: Any
) -> Rows:
    source = MqttSource(**{"topics": TOPICS, **settings})
    data = payload if isinstance(payload, bytes | str) else json.dumps(payload)
    data = data.encode() if isinstance(data, str) else data
    rows = Rows()
    arrival = Arrival(topic, data, qos=1, mid=1, retain=retain, again=False, at_ms=CAME_MS)
    reader_of("plant", source).read(arrival, rows)
    return rows


def values(rows: Rows) -> list[tuple[Any, ...]]:
    return list(zip(rows.tanks, rows.times, rows.channels, rows.values, rows.units, strict=True))


def refused(rows: Rows) -> list[tuple[str, str]]:
    return [(record.reason.value, record.detail) for record in rows.broken]


def test_json_with_a_value_and_a_time() -> None:
    rows = read({"timestamp": "2026-03-02T06:30:00Z", "value": 12.5})
    assert values(rows) == [("T1", "2026-03-02T06:30:00Z", "pressure", 12.5, "")]
    assert rows.sites == {"T1": "north"}
    assert rows.origins == ["mqtt plant: plant/north/T1/pressure"]


def test_paths_lead_into_objects_and_lists() -> None:
    fields = {"time": "t.at", "value": "v.0.now", "unit": "v.0.unit"}
    payload = {"t": {"at": 1772433000}, "v": [{"now": 1.5, "unit": "bar"}]}
    assert values(read(payload, fields=fields)) == [("T1", 1772433000, "pressure", 1.5, "bar")]


def test_a_name_with_dots_at_the_top_wins_over_a_path() -> None:
    fields = {"time": "at", "value": "tank.pressure"}
    payload = {"at": 1, "tank.pressure": 2.0, "tank": {"pressure": 3.0}}
    assert rows_of(read(payload, fields=fields)) == [2.0]


def rows_of(rows: Rows) -> list[Any]:
    return list(rows.values)


def test_several_values_in_one_payload_and_a_missing_one_is_no_fault() -> None:
    told: dict[str, Any] = {
        "topics": ("p/{tank}",),
        "values": {"pressure": "p", "temperature": "t"},
    }
    rows = read({"timestamp": 5, "p": 1.0, "t": 20.0}, topic="p/T1", **told)
    assert values(rows) == [("T1", 5, "pressure", 1.0, ""), ("T1", 5, "temperature", 20.0, "")]
    assert rows_of(read({"timestamp": 5, "t": 20.0}, topic="p/T1", **told)) == [20.0]
    empty = read({"timestamp": 5}, topic="p/T1", **told)
    assert refused(empty) == [("no_value", "no channel has a value")]


def test_a_list_of_readings_each_with_its_own_tank_and_site() -> None:
    fields = {"time": "ts", "value": "v", "tank": "id", "site": "where", "channel": "what"}
    told: dict[str, Any] = {"topics": ("gateway/{gate}",), "fields": fields, "each": "readings"}
    payload = {
        "readings": [
            {"id": 7, "where": "north", "what": "pressure", "ts": 1, "v": 1.0},
            {"id": "T8", "where": "south", "what": "temperature", "ts": 2, "v": 2.0},
            "no object",
        ]
    }
    rows = read(payload, topic="gateway/g1", tank="{site}-{tank}", **told)
    assert values(rows) == [
        ("north-7", 1, "pressure", 1.0, ""),
        ("south-T8", 2, "temperature", 2.0, ""),
    ]
    assert rows.sites == {"north-7": "north", "south-T8": "south"}
    assert refused(rows) == [("broken_row", "not the JSON we need: it is a str, not an object")]
    without = read({"other": 1}, topic="gateway/g1", **told)
    assert refused(without) == [
        ("broken_row", "not the JSON we need: at 'readings' there is no list")
    ]


def test_a_payload_without_the_tank_it_should_tell_has_none() -> None:
    fields = {"time": "ts", "value": "v", "tank": "id"}
    rows = read({"ts": 1, "v": 1}, topic="p/pressure", topics=("p/{channel}",), fields=fields)
    _, rejected = assemble_rows(rows, OPTIONS)
    assert [record.reason.value for record in rejected] == ["no_tank"]


def test_a_plain_number_has_the_time_of_its_arrival() -> None:
    assert values(read(b" 12.5\n", payload="number")) == [
        ("T1", CAME_MS, "pressure", " 12.5\n", "")
    ]


def test_json_without_a_path_to_time_has_the_time_of_its_arrival() -> None:
    rows = read({"value": 3}, fields={"value": "value"})
    assert values(rows) == [("T1", CAME_MS, "pressure", 3, "")]


@pytest.mark.parametrize("how", [{"payload": "number"}, {"fields": {"value": "value"}}])
def test_a_retained_message_without_a_time_is_not_taken_for_new(how: dict[str, Any]) -> None:
    rows = read(b"5", retain=True, **how)
    assert [reason for reason, _ in refused(rows)] == ["bad_time"]
    assert not len(rows)


def test_a_retained_message_with_its_time_is_stored() -> None:
    assert rows_of(read({"timestamp": 1, "value": 5}, retain=True)) == [5]


@pytest.mark.parametrize(
    ("payload", "how"),
    [
        (b"", {}),
        (b"{", {}),
        (b"\xff\xfe", {}),
        (b"12.5", {}),
        (b"[" * 100_000, {}),
        (b'{"timestamp": "\\ud800", "value": 1}', {}),
        (b"\xff", {"payload": "number"}),
    ],
)
def test_what_is_no_reading_is_refused_with_its_payload(payload: bytes, how: Any) -> None:
    rows = read(payload, **how)
    (record,) = rows.broken
    assert record.reason.value == "broken_row"
    assert record.source == "mqtt plant: plant/north/T1/pressure"
    assert not len(rows)


def test_a_topic_of_another_form_is_refused() -> None:
    for kind in ("json", "number"):
        rows = read(b"1", topic="other/topic", payload=kind)
        assert [record.source for record in rows.broken] == ["mqtt plant: other/topic"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(time=ANY_JSON, value=ANY_JSON, unit=ANY_JSON, tank=ANY_JSON)
def test_whatever_stands_in_the_fields_it_is_stored_or_refused(
    time: Any, value: Any, unit: Any, tank: Any
) -> None:
    fields = {"time": "t", "value": "v", "unit": "u", "tank": "k"}
    payload = {"t": time, "v": value, "u": unit, "k": tank}
    rows = read(payload, topic="p/pressure", topics=("p/{channel}",), fields=fields)
    batch, rejected = assemble_rows(rows, OPTIONS)
    assert batch.rows + len(rejected) >= 1


@given(st.binary(max_size=60))
def test_whatever_bytes_come_nothing_breaks(payload: bytes) -> None:
    for kind in ("json", "number"):
        assemble_rows(read(payload, payload=kind), OPTIONS)
    spark: dict[str, Any] = {
        "payload": "sparkplug_b",
        "tank": "{device}",
        "topic": "spBv1.0/g/DBIRTH/e/T1",
    }
    assemble_rows(read(payload, **spark), OPTIONS)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"topics": ("p/{channel}",)}, r"sources\.mqtt\.plant\.tank = '{tank}' needs tank"),
        ({"topics": ("p/{tank}",)}, r"channel = '{channel}' needs channel"),
        ({"fields": {"time": "t"}}, "nothing says where the value stands"),
        ({"topics": ()}, "names no topic"),
        ({"payload": "sparkplug_b", "tank": "{tank}"}, "tank needs tank"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(how: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        read(b"{}", **how)
