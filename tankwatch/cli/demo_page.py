"""The demo with its page: readings that end at the present, operators, and the server beside it."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from tankwatch.cli.common import OUTPUT
from tankwatch.core.actor import Actor, Role, Via
from tankwatch.core.times import parse_time
from tankwatch.errors import SettingsError
from tankwatch.store.acts import audit
from tankwatch.store.engine import Connection
from tankwatch.store.people import add_operator, set_password_hash

OPERATORS = {"kim": Role.OPERATOR, "ada": Role.ADMIN, "guest": Role.VIEWER}
_FILES = ("history.csv.gz", "live.csv.gz", "labels.csv")
_TIMES = ("timestamp", "start", "end")
_SERVER = """
import sys
from tankwatch.parent import end_with_parent
end_with_parent(int(sys.argv.pop(1)))
from tankwatch.cli import main
main()
"""


def move_sample(sample: Path, folder: Path, *, now: datetime) -> Path:
    """Return a copy of the sample data, moved in time so that it ends with the last full minute."""
    last = pd.read_csv(sample / "live.csv.gz", usecols=["timestamp"])["timestamp"].max()
    end = now.replace(second=0, microsecond=0)
    by = end - (parse_time(str(last)) + timedelta(minutes=1))
    moved = folder / "sample"
    moved.mkdir()
    for name in _FILES:
        frame = pd.read_csv(sample / name)
        for column in frame.columns.intersection(list(_TIMES)):
            times = pd.to_datetime(frame[column], utc=True) + by
            frame[column] = times.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        frame.to_csv(moved / name, index=False)
    return moved


def settings_of_page(port: int) -> str:
    """Return the section of the settings that the page needs."""
    return f'\n[serve]\nport = {port}\nbase_url = "http://127.0.0.1:{port}"\n'


def add_demo_operators(connection: Connection, *, at: datetime) -> dict[str, str]:
    """Store an operator of each role, and return their passwords.

    Raises:
        SettingsError: what hashes passwords is not installed.
    """
    try:
        from tankwatch.web.passwords import hash_password  # noqa: PLC0415 - an extra brings it
    except ModuleNotFoundError as error:
        message = "the page needs its parts: pip install 'tankwatch[serve]'"
        raise SettingsError(message) from error
    by, given = Actor("demo", Via.COMMAND), {}
    for name, role in OPERATORS.items():
        email = f"{name}@demo.invalid"
        key = add_operator(connection, name, full_name=name.title(), email=email, role=role, at=at)
        given[name] = secrets.token_urlsafe(9)
        set_password_hash(connection, key, hash_password(given[name]))
        subject = f"operator {name}"
        audit(connection, by, action="operator-add", subject=subject, at=at, detail=role.value)
    return given


@contextmanager
def serving(config: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    """Run the server as a program beside the demo until the block ends.

    Raises:
        SettingsError: it does not begin to serve; the message says why.
    """
    program = [sys.executable, "-c", _SERVER, str(os.getpid()), "--config", str(config), "serve"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stderr is not None  # noqa: S101 - a pipe, as asked for
        told = server.stderr.readline().strip()
        if "listening at" not in told:
            rest = " ".join([told, *server.stderr.read().split()])
            message = f"the page cannot be served ({rest}): choose another port than {port}"
            raise SettingsError(f"{message} with --port")
        try:
            yield server
        finally:
            server.terminate()


def introduce(address: str, passwords: dict[str, str]) -> None:
    """Say where the page is and how to log in."""
    OUTPUT.print(f"the page is at {address}; log in there and watch alarms arrive (step 3):")
    for name, password in passwords.items():
        OUTPUT.print(f"  {name:6} {password}   ({OPERATORS[name].value})", markup=False)


def stay(server: "subprocess.Popen[str]", address: str) -> None:
    """Leave the page open until it is stopped with Ctrl-C."""
    OUTPUT.print()
    OUTPUT.print(f"the page stays at {address} until Ctrl-C")
    try:
        server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
