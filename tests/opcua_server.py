"""An OPC UA server as a program of its own, which a test may kill; it keeps history on disk.

Told by lines of JSON on standard input what to write: {"node", "value", "at" (ms), "status"}.
"""

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

from asyncua import Server, ua
from asyncua.common.node import Node
from asyncua.server.history_sql import HistorySQLite
from asyncua.server.user_managers import User, UserManager, UserRole

# By number: the history that comes with the server makes tables of their ids.
NODES = {"T1.PT": 1001, "T1.TT": 1002, "T2.PT": 1003}
TEXT = 1004
USER, SECRET = "reader", "s3cret"


class OneUser(UserManager):  # type: ignore[misc]
    """Lets in who knows the password."""

    def get_user(
        self, iserver: Any, username: Any = None, password: Any = None, certificate: Any = None
    ) -> User | None:
        del iserver, certificate
        known = (username, password) == (USER, SECRET)
        return User(role=UserRole.User, name=username) if known else None


async def main(arguments: argparse.Namespace) -> None:
    server = Server(user_manager=OneUser() if arguments.login else None)
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{arguments.port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    if arguments.certificate:
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        await server.load_certificate(arguments.certificate)
        await server.load_private_key(arguments.key)
    space = await server.register_namespace("urn:tankwatch:test")
    if arguments.history:
        server.iserver.history_manager.set_storage(HistorySQLite(arguments.history))
        await server.iserver.history_manager.init()
    nodes: dict[str, Node] = {}
    for name, number in NODES.items():
        wanted = ua.NodeId(number, space)
        nodes[name] = await server.nodes.objects.add_variable(wanted, name, 0.0)
        started = ua.DataValue(ua.Variant(None), StatusCode=code("BadWaitingForInitialData"))
        await server.write_attribute_value(wanted, started)
    await server.nodes.objects.add_variable(ua.NodeId(TEXT, space), "T1.NAME", "one")
    async with server:
        if arguments.history:
            for node in nodes.values():
                await server.historize_node_data_change(node, period=None, count=0)
        print("ready", flush=True)  # noqa: T201 - told to the test
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            await server.write_attribute_value(nodes[order["node"]].nodeid, value(order))
            print("written", flush=True)  # noqa: T201


def value(order: dict[str, Any]) -> ua.DataValue:
    at = order.get("at")
    moment = None if at is None else datetime.fromtimestamp(at / 1000, UTC)
    held = order["value"]
    kind = None if held is None else ua.VariantType.Double
    if isinstance(held, str):
        kind = ua.VariantType.String
    return ua.DataValue(
        ua.Variant(held, kind),
        StatusCode=code(order.get("status", "Good")),
        SourceTimestamp=moment,
        ServerTimestamp=datetime.now(UTC),
    )


def code(name: str) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(getattr(ua.StatusCodes, name)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--history", default="")
    parser.add_argument("--login", action="store_true")
    parser.add_argument("--certificate", default="")
    parser.add_argument("--key", default="")
    asyncio.run(main(parser.parse_args()))
