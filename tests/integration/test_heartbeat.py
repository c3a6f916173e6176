"""The heartbeat calls a real server while all is well, and never waits for one that hangs."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tankwatch.core.incident import MessageKind
from tankwatch.errors import DeliveryError
from tankwatch.jobs.context import Context, RunFacts
from tankwatch.jobs.heartbeat import Trouble, run_heartbeat, troubles
from tankwatch.jobs.scheduler import jobs
from tankwatch.settings import Settings
from tankwatch.settings_heartbeat import Heartbeat
from tankwatch.store.engine import Engine, writing
from tankwatch.store.incidents import open_incident
from tankwatch.store.outbox import queue_message
from tankwatch.store.runs import JobRun, Outcome, finish_run, start_run
from tests.certificates import certificate
from tests.integration.test_store_views import OPENING

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@contextmanager
def listener(status: int, tls: tuple[Path, Path] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Run a server that answers `status`; yield its address and the paths that were called."""
    called: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_parts: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/ping/1?x=2", called
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def context_of(engine: Engine, url: str, **more: Any) -> Context:
    return Context(engine, Settings(heartbeat={"url": url, **more}))  # type: ignore[arg-type]


def end_pass(engine: Engine, ended: datetime, outcome: Outcome = Outcome.DONE) -> None:
    with writing(engine) as connection:
        key = start_run(connection, "detect", at=ended)
        finish_run(connection, key, JobRun("detect", ended, ended, outcome, 0, None, ""))


def queue(engine: Engine, tank: int, *, queued: datetime, due: datetime) -> None:
    with writing(engine) as connection:
        opening = replace(OPENING, tank_id=tank, tank="T1")
        key = open_incident(connection, opening, reason="")
        queue_message(connection, key, "u", kind=MessageKind.ALARM, domain="d", at=queued, due=due)


def test_it_is_called_while_all_is_well(engine: Engine) -> None:
    end_pass(engine, NOW - MINUTE)
    with listener(200) as (url, called):
        facts = RunFacts()
        run_heartbeat(context_of(engine, url), NOW, facts)
    assert (called, facts.rows) == (["/ping/1?x=2"], 1)


def test_it_is_not_called_without_a_pass(engine: Engine) -> None:
    end_pass(engine, NOW, Outcome.FAILED)
    with listener(200) as (url, called):
        context, facts = context_of(engine, url), RunFacts()
        run_heartbeat(context, NOW, facts)
        assert troubles(context, now=NOW) == [Trouble.NO_PASS]
        end_pass(engine, NOW - 11 * MINUTE)
        assert troubles(context, now=NOW) == [Trouble.LATE_PASS]
        assert troubles(context, now=NOW - 2 * MINUTE) == []
    assert (called, facts.rows) == ([], 0)
    assert facts.detail == f"not called: {Trouble.NO_PASS}"


def test_a_message_that_waits_too_long_is_not_well_and_one_that_is_due_later_is(
    engine: Engine, tanks: dict[str, int]
) -> None:
    end_pass(engine, NOW)
    context = context_of(engine, "http://127.0.0.1:9")
    queue(engine, tanks["T1"], queued=NOW - 30 * MINUTE, due=NOW - 5 * MINUTE)
    assert troubles(context, now=NOW) == []
    assert troubles(context, now=NOW + 6 * MINUTE) == [Trouble.STUCK_OUTBOX]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusal_is_an_error_of_the_run(engine: Engine, status: int) -> None:
    end_pass(engine, NOW)
    with listener(status) as (url, _), pytest.raises(DeliveryError, match=f"answered {status}"):
        run_heartbeat(context_of(engine, url), NOW, RunFacts())


def test_a_server_that_hangs_is_given_up(engine: Engine) -> None:
    end_pass(engine, NOW)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DeliveryError, match=r"no answer|timed out"):
            run_heartbeat(context_of(engine, url, timeout_s=0.3), NOW, RunFacts())


def test_nobody_who_listens_is_an_error_of_the_run(engine: Engine) -> None:
    end_pass(engine, NOW)
    with pytest.raises(DeliveryError, match="refused"):
        run_heartbeat(context_of(engine, "http://127.0.0.1:9"), NOW, RunFacts())


def test_a_certificate_is_checked(engine: Engine, tmp_path: Path) -> None:
    end_pass(engine, NOW)
    files = certificate(tmp_path, "beat")
    with listener(200, files) as (url, called):
        with pytest.raises(DeliveryError, match="certificate"):
            run_heartbeat(context_of(engine, url), NOW, RunFacts())
        run_heartbeat(context_of(engine, url, ca_file=str(files[0])), NOW, RunFacts())
    assert len(called) == 1


def test_without_an_address_there_is_no_job(engine: Engine) -> None:
    for url, expected in (("", False), ("https://example.org/x", True)):
        names = {job.name for job in jobs(context_of(engine, url))}
        assert ("heartbeat" in names) is expected
    with pytest.raises(ValidationError, match="must begin with"):
        Heartbeat(url="ftp://x")  # type: ignore[arg-type]
