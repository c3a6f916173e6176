"""Values of nodes: status codes to quality, source time or the server's."""

from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua

from tankwatch.core.times import to_ms
from tankwatch.errors import SettingsError
from tankwatch.ingest.opcua.nodes import node_ids
from tankwatch.ingest.opcua.values import ValueReader
from tankwatch.ingest.rows import Rows
from tankwatch.settings_live import OpcuaNode, OpcuaSource

NODE = OpcuaNode(node="ns=2;s=T1.PT", tank="T1", channel="pressure", unit="bar")
SOURCE = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
SERVER = datetime(2026, 3, 2, 6, 31, tzinfo=UTC)


def data(value: Any = 1.5, status: str = "Good", **times: Any) -> ua.DataValue:
    moments = {"SourceTimestamp": SOURCE, "ServerTimestamp": SERVER, **times}
    code = ua.StatusCode(ua.UInt32(getattr(ua.StatusCodes, status)))
    return ua.DataValue(ua.Variant(value), StatusCode=code, **moments)


def read(one: ua.DataValue, **settings: Any) -> Rows:
    rows = Rows()
    ValueReader("plc", OpcuaSource(**settings)).read(NODE, one, rows)
    return rows


def test_a_good_value_is_a_reading_at_its_source_time() -> None:
    rows = read(data())
    assert (rows.tanks, rows.channels, rows.values, rows.units) == (
        ["T1"],
        ["pressure"],
        [1.5],
        ["bar"],
    )
    assert rows.times == [to_ms(SOURCE)]
    assert rows.origins == ["opcua plc: ns=2;s=T1.PT"]


def test_times_without_a_zone_are_utc() -> None:
    assert read(data(SourceTimestamp=SOURCE.replace(tzinfo=None))).times == [to_ms(SOURCE)]


@pytest.mark.parametrize("status", ["Bad", "BadSensorFailure", "BadOutOfService"])
def test_a_bad_value_is_quarantined_with_its_code(status: str) -> None:
    rows = read(data(status=status))
    (record,) = rows.broken
    assert record.reason.value == "bad_quality"
    assert record.detail.startswith(f"{status}: ")
    assert record.raw == (
        f"value 1.5, {status}, source time 2026-03-02T06:30:00Z, server time 2026-03-02T06:31:00Z"
    )
    assert not len(rows)


def test_an_uncertain_value_is_stored_or_not_as_the_settings_say() -> None:
    uncertain = data(status="UncertainSensorNotAccurate")
    assert read(uncertain).values == [1.5]
    (record,) = read(uncertain, uncertain="quarantine").broken
    assert record.detail.startswith("UncertainSensorNotAccurate: ")


def test_without_a_source_time_the_servers_is_taken_and_counted() -> None:
    rows, reader = Rows(), ValueReader("plc", OpcuaSource())
    reader.read(NODE, data(SourceTimestamp=None), rows)
    assert rows.times == [to_ms(SERVER)]
    assert reader.server_times == 1


@pytest.mark.parametrize(
    ("setting", "times"),
    [
        ("quarantine", {"SourceTimestamp": None}),
        ("server", {"SourceTimestamp": None, "ServerTimestamp": None}),
    ],
)
def test_without_any_time_that_may_be_taken_a_value_is_refused(
    setting: str, times: dict[str, Any]
) -> None:
    rows = read(data(**times), without_source_time=setting)
    assert [record.reason.value for record in rows.broken] == ["bad_time"]


@pytest.mark.parametrize(
    ("value", "stored"), [(3, 3), (True, True), ("x", "x"), (b"x", "b'x'"), (None, None)]
)
def test_what_a_node_holds_is_judged_like_any_reading(value: Any, stored: Any) -> None:
    assert read(data(value)).values == [stored]


def test_a_list_is_refused() -> None:
    assert [record.reason.value for record in read(data([1.0, 2.0])).broken] == ["bad_number"]


def test_a_node_id_that_is_none_is_a_wrong_setting() -> None:
    wrong = OpcuaNode(node="TK-101", tank="T1", channel="pressure")
    with pytest.raises(SettingsError, match=r"sources\.opcua\.plc: 'TK-101' is not a node id"):
        node_ids("plc", [wrong])
    assert len(node_ids("plc", [NODE, NODE])) == 2
