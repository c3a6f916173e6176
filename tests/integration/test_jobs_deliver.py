"""Deliveries: leased, sent, marked; tried again, given up, or held with a reason."""

import socket
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tankwatch.core.incident import MessageKind
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import apply_event
from tankwatch.store.outbox import MessageState, claim_message, count_messages, load_messages
from tests.integration.plant import at, incidents, make_context, make_settings, quiet_values, store

NOW = at(200)


class Server:
    """What an SMTP server answers, and what it took."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.taken: list[str] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer.startswith("250"):
            content = envelope.content
            text = content.decode() if isinstance(content, bytes) else str(content)
            self.taken += [line for line in text.splitlines() if line.startswith("Message-ID:")]
        return answer


def serve(server: Server) -> Controller:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    return controller


def plant(engine: Engine, home: Path, **mail: Any) -> Context:
    """A tank that was above its limit for ten minutes, an hour ago."""
    settings = make_settings(home, channels={"pressure": {"high": 2.0}}, mail=mail)
    context = make_context(engine, settings)
    values = quiet_values(1, 200)
    values[0, 120:130, 0] = 2.5
    store(engine, values, slice(0, 200))
    assert detect(context, now=NOW).raised == 1
    return context


def smtp(controller: Controller, **more: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": controller.port, "security": "none", "attempts": 3, **more}


def states(engine: Engine) -> list[tuple[MessageKind, MessageState, str]]:
    with reading(engine) as connection:
        return [(m.kind, m.state, m.reason) for m in load_messages(connection)]


def test_alarm_and_all_clear_are_written_once_and_threaded(engine: Engine, tmp_path: Path) -> None:
    context = plant(engine, tmp_path)
    result = deliver(context, now=NOW)
    assert (result.sent, result.failed) == (2, 0)
    assert deliver(context, now=NOW).sent == 0
    assert len(list((tmp_path / "outbox").glob("*.eml"))) == 2
    assert [reason for *_, reason in states(engine)] == ["send_alarm", "send_all_clear"]


def test_a_busy_server_is_tried_again_and_the_all_clear_waits(
    engine: Engine, tmp_path: Path
) -> None:
    server = Server("451 come back later")
    controller = serve(server)
    try:
        context = plant(engine, tmp_path, **smtp(controller))
        first = deliver(context, now=NOW)
        assert (first.sent, first.retried, first.held) == (0, 1, 0)
        assert deliver(context, now=NOW).sent == 0
        later = deliver(context, now=NOW + timedelta(minutes=5))
        assert later.sent == 2
    finally:
        controller.stop()
    assert [line.split(".")[2].split("@")[0] for line in server.taken] == ["alarm", "all_clear"]


def test_a_refusal_for_good_is_kept_and_shown(engine: Engine, tmp_path: Path) -> None:
    controller = serve(Server("554 never"))
    try:
        context = plant(engine, tmp_path, **smtp(controller))
        result = deliver(context, now=NOW)
    finally:
        controller.stop()
    assert result.failed == 1
    with reading(engine) as connection:
        (failed,) = load_messages(connection, state=MessageState.FAILED)
    assert "554" in failed.last_error
    assert states(engine)[1][1:] == (MessageState.HELD, "hold_alarm_never_sent")


def test_tries_come_to_an_end(engine: Engine, tmp_path: Path) -> None:
    controller = serve(Server(*["451 later"] * 9))
    try:
        context = plant(engine, tmp_path, **smtp(controller))
        for hour in range(4):
            deliver(context, now=NOW + timedelta(hours=hour))
    finally:
        controller.stop()
    with reading(engine) as connection:
        (failed,) = load_messages(connection, state=MessageState.FAILED)
        assert failed.attempts == 3
        assert count_messages(connection)[MessageState.PENDING] == 0


def test_a_wrong_address_fails_its_message_and_not_the_pass(engine: Engine, tmp_path: Path) -> None:
    context = plant(engine, tmp_path, sender="not an address")
    result = deliver(context, now=NOW)
    assert result.failed == 1


def test_a_message_leased_by_a_dead_process_is_sent_after_the_lease(
    engine: Engine, tmp_path: Path
) -> None:
    context = plant(engine, tmp_path)
    with writing(engine) as connection:
        until = NOW + timedelta(minutes=5)
        assert claim_message(connection, owner="dead", now=NOW, until=until) is not None
    assert deliver(context, now=NOW).sent == 0
    assert deliver(context, now=until).sent == 2


def test_what_a_round_of_the_same_process_left_leased_is_sent_by_the_next(
    engine: Engine, tmp_path: Path
) -> None:
    context = plant(engine, tmp_path)
    until = NOW + timedelta(minutes=5)
    with writing(engine) as connection:
        assert claim_message(connection, owner=context.owner, now=NOW, until=until) is not None
    assert deliver(context, now=NOW).sent == 2


def test_a_message_sent_twice_is_the_same_file_with_the_same_content(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = plant(engine, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("tankwatch.jobs.deliver.mark_sent", _crash)
        with pytest.raises(KeyboardInterrupt):
            deliver(context, now=NOW)
    (before,) = [path.read_bytes() for path in (tmp_path / "outbox").glob("*.eml")]
    deliver(context, now=NOW + timedelta(minutes=6))
    mails = {path.name: path.read_bytes() for path in (tmp_path / "outbox").glob("*.eml")}
    assert len(mails) == 2
    assert before in mails.values()


def test_what_an_operator_closed_already_is_held(engine: Engine, tmp_path: Path) -> None:
    context = plant(engine, tmp_path)
    (one,) = incidents(engine)
    with writing(engine) as connection:
        apply_event(connection, one.incident_id, IncidentEvent.CLOSE, at=NOW, actor="kim")
    assert deliver(context, now=NOW).held == 2
    assert states(engine)[0][2] == "hold_already_closed"


def _crash(*_arguments: object, **_more: object) -> EmailMessage:
    raise KeyboardInterrupt
