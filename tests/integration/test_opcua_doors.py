"""OPC UA: who is let in, and what is said when nobody is, or a node is not there."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tankwatch.errors import SettingsError, SourceError
from tankwatch.ingest.opcua.listen import OpcuaListener
from tankwatch.settings_live import OpcuaNode, OpcuaSource
from tankwatch.store.engine import Engine
from tests.acceptance.program import inside, inside_json
from tests.brokers import free_port
from tests.certificates import certificate
from tests.integration.mqtt import database, stored, wait_for
from tests.integration.opcua import PRESSURE, OpcuaServer, listening, settings, source
from tests.opcua_server import SECRET, USER

AT = 1_772_433_000_125
MISSING = OpcuaNode(node="ns=2;i=9999", tank="T9", channel="pressure")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = database(tmp_path)
    yield opened
    opened.dispose()


def check(engine: Engine, one: OpcuaSource) -> list[str]:
    return asyncio.run(OpcuaListener(engine, settings(one), "plc").check())


def trouble(engine: Engine, one: OpcuaSource) -> str:
    """Return what an operator is told who tries the source by hand."""
    with pytest.raises(SourceError) as told:
        check(engine, one)
    return str(told.value)


def test_a_server_that_is_not_there_is_told(engine: Engine) -> None:
    port = free_port()
    told = trouble(engine, source(port))
    assert told.startswith(f"the server opc.tcp://127.0.0.1:{port}/ is not there")
    assert "check url and firewall" in told


def test_a_login_is_asked_for_and_a_wrong_one_told(engine: Engine, tmp_path: Path) -> None:
    server = OpcuaServer(tmp_path, ("--login",), history=False).start()
    server.write("T1.PT", 1.5, at=AT)
    told = trouble(engine, source(server.port, username=USER, password="wrong"))
    assert "does not let us in" in told
    assert "set username and password" in told
    (held,) = check(engine, source(server.port, PRESSURE, username=USER, password=SECRET))
    assert held.startswith("ns=2;i=1001: T1 pressure: value 1.5, Good, source time 2026-03-02T")
    server.kill()


def test_a_node_that_is_not_there_is_told_and_the_others_are_read(
    engine: Engine, tmp_path: Path
) -> None:
    server = OpcuaServer(tmp_path, history=False).start()
    told = trouble(engine, source(server.port, PRESSURE, MISSING))
    assert "ns=2;i=9999: T9 pressure: value None, BadNodeIdUnknown" in told
    assert "correct sources.opcua.plc.nodes" in told
    with listening(engine, source(server.port, PRESSURE, MISSING)) as listener:
        server.write("T1.PT", 1.5, at=AT)
        wait_for(lambda: stored(engine))
        assert any("1 of 2 nodes are refused" in note for note in listener.tally.notes)
    with listening(engine, source(server.port, MISSING)) as listener:
        assert "1 of 1 nodes are refused" in listener.tally.trouble
    server.kill()


def test_messages_are_signed_and_encrypted(engine: Engine, tmp_path: Path) -> None:
    theirs = certificate(tmp_path, "server", "urn:freeopcua:python:server")
    ours = certificate(tmp_path, "tankwatch", "urn:tankwatch:test")
    words = ("--certificate", str(theirs[0]), "--key", str(theirs[1]))
    server = OpcuaServer(tmp_path, words, history=False).start()
    server.write("T1.PT", 1.5, at=AT)
    keys = {"certificate_file": str(ours[0]), "key_file": str(ours[1])}
    secure = source(server.port, PRESSURE, security="sign_and_encrypt", **keys)
    with listening(engine, secure):
        wait_for(lambda: stored(engine))
    told = trouble(engine, source(server.port, security="sign", **keys))
    assert "offers no such security" in told
    server.kill()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"nodes": ()}, "name at least one node"),
        ({"nodes": (OpcuaNode(node="x", tank="a", channel="pressure"),)}, "is not a node id"),
        (
            {"nodes": (OpcuaNode(node="ns=2;i=1", tank="a", channel="colour"),)},
            "no channel 'colour': known are pressure, temperature",
        ),
        (
            {"nodes": (OpcuaNode(node="ns=2;i=1", tank="a", channel="pressure", unit="degC"),)},
            "'degC' is not a unit of pressure",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(
    engine: Engine, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        OpcuaListener(engine, settings(OpcuaSource(**given)), "plc")


@pytest.mark.parametrize("files", [{}, {"certificate_file": "nowhere", "key_file": "nowhere"}])
def test_security_without_a_certificate_is_a_wrong_setting(
    engine: Engine, files: dict[str, str]
) -> None:
    with pytest.raises(SettingsError, match="certificate_file"):
        check(engine, source(free_port(), security="sign", **files))


@pytest.mark.usefixtures("engine")
def test_by_hand_a_source_is_tried_and_listened_to(tmp_path: Path) -> None:
    server = OpcuaServer(tmp_path, history=False).start()
    server.write("T1.PT", 1.5, at=AT)
    (tmp_path / "tankwatch.toml").write_text(
        f'[sources.opcua.plc]\nurl = "opc.tcp://127.0.0.1:{server.port}/"\n'
        'nodes = [{node = "ns=2;i=1001", tank = "T1", channel = "pressure", unit = "bar"}]\n'
    )
    assert "T1 pressure: value 1.5, Good" in inside(tmp_path, "listen", "opcua", "--check").stdout
    told = inside_json(tmp_path, "listen", "opcua", "--for", "4")
    assert (told["stored"], told["connections"], told["trouble"]) == (1, 1, "")
    server.kill()
