"""MQTT: who is let in, what is said when nobody is, and what is refused of what comes."""

import asyncio
import gc
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tankwatch.errors import SettingsError, SourceError
from tankwatch.ingest.mqtt.listen import MqttListener
from tankwatch.settings_live import MqttSource
from tankwatch.store.engine import Engine
from tests.acceptance.program import inside, inside_json
from tests.brokers import SECRET, USER, Broker, free_port
from tests.certificates import certificate
from tests.integration.mqtt import (
    SPOKEN,
    Spoken,
    database,
    every_broker,
    listening,
    message,
    quarantined,
    sent,
    settings,
    source,
    stored,
    wait_for,
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = database(tmp_path)
    yield opened
    opened.dispose()


@pytest.fixture(params=SPOKEN, ids=str)
def spoken(request: pytest.FixtureRequest) -> Spoken:
    chosen: Spoken = request.param
    return chosen


@pytest.fixture
def broker(spoken: Spoken, tmp_path: Path) -> Iterator[Broker]:
    started = Broker(spoken.kind, tmp_path).start()
    yield started
    started.kill()


def trouble(engine: Engine, one: MqttSource) -> str:
    """Return what an operator is told who tries the source by hand."""
    with pytest.raises(SourceError) as told:
        asyncio.run(MqttListener(engine, settings(one), "plant").check())
    return str(told.value)


def test_a_wrong_login_is_told_with_its_remedy(
    broker: Broker, spoken: Spoken, engine: Engine
) -> None:
    told = trouble(engine, source(broker, spoken, password="wrong"))
    assert f"the broker 127.0.0.1:{broker.port} does not let us in" in told
    assert "set username and password" in told


def test_a_daemon_with_a_wrong_login_goes_on_trying(
    broker: Broker, spoken: Spoken, engine: Engine
) -> None:
    with listening(engine, source(broker, spoken, username="nobody")) as listener:
        assert "does not let us in" in listener.tally.trouble
        assert listener.tally.connected_at is None


def test_a_broker_that_is_not_there_is_told(engine: Engine) -> None:
    port = free_port()
    told = trouble(engine, MqttSource(host="127.0.0.1", port=port, topics=("p/{tank}/{channel}",)))
    assert told.startswith(f"the broker 127.0.0.1:{port} is not there")
    assert "check host, port and security" in told


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@every_broker
def test_a_line_is_encrypted_and_a_strange_certificate_refused(
    spoken: Spoken, engine: Engine, tmp_path: Path
) -> None:
    files = certificate(tmp_path)
    broker = Broker(spoken.kind, tmp_path, certificate=files).start()
    told = trouble(engine, source(broker, spoken, security="tls"))
    assert "its certificate is not accepted" in told
    assert "set ca_file" in told
    trusted = source(broker, spoken, security="tls", ca_file=str(files[0]))
    found = asyncio.run(MqttListener(engine, settings(trusted), "plant").check())
    assert found == ["0 messages in 5 s, 0 values in them"]
    broker.kill()
    gc.collect()


def test_a_certificate_file_that_is_not_there_is_a_wrong_setting(engine: Engine) -> None:
    one = MqttSource(security="tls", ca_file="nowhere.pem", topics=("p/{tank}/{channel}",))
    with pytest.raises(SettingsError, match="check ca_file"):
        asyncio.run(MqttListener(engine, settings(one), "plant").check())


def test_what_cannot_be_stored_is_acknowledged_and_kept_in_quarantine(
    broker: Broker, spoken: Spoken, engine: Engine
) -> None:
    one = source(broker, spoken, units={"pressure": "bar"})
    bad = "plant/north/T1/pressure"
    with listening(engine, one) as listener:
        sent(
            broker.port,
            (bad, "no JSON"),
            (bad, '{"timestamp": "yesterday", "value": 1}'),
            (bad, '{"timestamp": 1772433000, "value": "high"}'),
            ("plant/north/T1/colour", '{"timestamp": 1772433000, "value": 1}'),
            (bad, '{"timestamp": 4000000000, "value": 1}'),
            (bad, '{"timestamp": 1772433000, "value": 0.5}'),
        )
        wait_for(lambda: listener.tally.messages == 6)
        assert listener.tally.accepted.rejected == 5
    assert stored(engine) == [("T1", 1_772_433_000_000, 50.0)]
    kept = {row.reason.value: row for row in quarantined(engine)}
    assert set(kept) == {
        "broken_row",
        "bad_time",
        "bad_number",
        "unknown_channel",
        "future_time",
    }
    assert kept["broken_row"].source == "mqtt plant: plant/north/T1/pressure"
    assert kept["broken_row"].raw == "no JSON"
    assert kept["bad_number"].raw == '{"timestamp": 1772433000, "value": "high"}'


def test_plain_numbers_are_stored_with_the_time_of_their_arrival(
    broker: Broker, spoken: Spoken, engine: Engine
) -> None:
    with listening(engine, source(broker, spoken, payload="number")):
        sent(broker.port, ("plant/north/T1/pressure", "1.5"))
        wait_for(lambda: stored(engine))
    ((tank, observed_ms, value),) = stored(engine)
    assert (tank, value) == ("T1", 1.5)
    age = datetime.now(UTC) - datetime.fromtimestamp(observed_ms / 1000, UTC)
    assert timedelta(0) <= age < timedelta(minutes=10)


def test_a_retained_number_is_not_taken_for_a_new_one(
    broker: Broker, spoken: Spoken, engine: Engine
) -> None:
    sent(broker.port, ("plant/north/T1/pressure", "1.5"), retain=True)
    with listening(engine, source(broker, spoken, payload="number")) as listener:
        wait_for(lambda: listener.tally.accepted.rejected)
    assert stored(engine) == []
    assert [row.reason.value for row in quarantined(engine)] == ["bad_time"]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("spoken", SPOKEN[-1:], ids=str, indirect=True)
def test_by_hand_a_source_is_tried_and_listened_to(
    broker: Broker, spoken: Spoken, tmp_path: Path
) -> None:
    home = {"host": "127.0.0.1", "port": broker.port, "version": spoken.version}
    login = {"username": USER, "password": SECRET}
    table: dict[str, Any] = {**home, **login, "topics": ["plant/{site}/{tank}/{channel}"]}
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    (tmp_path / "tankwatch.toml").write_text("\n".join(["[sources.mqtt.plant]", *lines]))
    sent(broker.port, ("plant/north/T9/pressure", '{"timestamp": 1772433000, "value": 1}'))
    assert "0 messages in 5 s" in inside(tmp_path, "listen", "mqtt", "--check").stdout
    told = inside_json(tmp_path, "listen", "mqtt", "plant", "--for", "2")
    assert (told["connections"], told["trouble"]) == (1, "")
    sent(broker.port, message(0))
    told = inside_json(tmp_path, "listen", "mqtt", "--for", "3")
    assert (told["messages"], told["stored"]) == (1, 1)
    wrong = inside(tmp_path, "listen", "mqtt", "depot", code=2).stderr
    assert "no source mqtt 'depot'; the settings have plant" in wrong
    broker.kill()
    wrong = inside(tmp_path, "listen", "mqtt", "--check", code=1).stderr
    assert "is not there or closed the line" in wrong
