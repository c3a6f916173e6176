"""Short messages, and the way out through Apprise to a real port."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tankwatch.core.incident import MessageKind, Severity
from tankwatch.core.siblings import Kind, SiteNotice
from tankwatch.errors import DeliveryError
from tankwatch.notify.push import MOST_LINES, AppriseTransport, Short, push_message, short
from tests.integration.hook import Hook, hooked
from tests.unit.test_notify_render import ALARM, ALL_CLEAR, INCIDENT

LINK = "https://watch.example/incidents/1"
ONE = short(ALARM, sentence="TK-104 pressure has been low.", link=LINK)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooked() as served:
        yield served


def test_subject_is_that_of_the_mail() -> None:
    assert ONE.subject == "ALARM TK-104 pressure below expected (site north)"
    alert = replace(ALARM, incident=replace(INCIDENT, severity=Severity.ALERT))
    assert short(alert, sentence="", link="").subject.startswith("ALERT TK-104")
    clear = short(ALL_CLEAR, sentence="", link="")
    assert clear.subject == "All clear TK-104 pressure back to expected (site north)"
    withdrawn = short(replace(ALARM, kind=MessageKind.WITHDRAWAL), sentence="", link="")
    assert withdrawn.subject.startswith("Alarm withdrawn: TK-104")
    assert [one.is_end for one in (ONE, clear, withdrawn)] == [False, True, True]


def test_what_a_site_does_is_one_subject() -> None:
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    notice = SiteNotice(
        kind=MessageKind.SITE_ALARM,
        uid="u",
        site="north",
        channel="pressure",
        what=Kind.BELOW,
        started_at=moment,
        raised_at=moment,
        ended_at=None,
        site_tanks=40,
        members=(INCIDENT,),
        message_id="<a@b>",
        thread_id="<a@b>",
        queued_at=moment,
    )
    subject = short(notice, sentence="", link="").subject
    assert subject == "ALARM 1 of 40 tanks: pressure below expected (site north)"


def test_one_thing_has_its_sentence_and_link() -> None:
    message = push_message([ONE])
    assert message["Subject"] == ONE.subject
    assert message.get_content() == f"TK-104 pressure has been low.\n{LINK}\n"


def test_many_things_are_listed_and_counted() -> None:
    many = [Short(f"ALARM {number}", "", "", is_end=False) for number in range(MOST_LINES + 3)]
    message = push_message(many)
    assert message["Subject"] == f"{MOST_LINES + 3} messages of tankwatch"
    lines = message.get_content().splitlines()
    assert lines[0] == "ALARM 0"
    assert lines[-1] == "and 3 more"
    assert len(lines) == MOST_LINES + 1


def test_hook_is_told_subject_sentence_and_link(hook: Hook) -> None:
    assert AppriseTransport("ops", hook.url).send(push_message([ONE])) == ()
    (post,) = hook.posts
    assert post["title"] == ONE.subject
    assert post["message"].splitlines() == ["TK-104 pressure has been low.", LINK]
    assert post["type"] == "warning"


def test_end_is_no_warning(hook: Hook) -> None:
    clear = short(ALL_CLEAR, sentence="It is over.", link="")
    AppriseTransport("ops", hook.url).send(push_message([clear]))
    assert hook.posts[0]["type"] == "success"


@pytest.mark.parametrize("status", [500, 503, 404, 429])
def test_refusal_is_tried_again_and_says_which_channel(hook: Hook, status: int) -> None:
    hook.answers = [status]
    with pytest.raises(DeliveryError, match=f"push.ops: it was not taken .*{status}") as refused:
        AppriseTransport("ops", hook.url).send(push_message([ONE]))
    assert refused.value.retry


def test_nobody_there_is_tried_again_and_the_secret_is_not_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    transport = AppriseTransport("ops", f"json://me:secret1@127.0.0.1:{port}/secret2")
    with pytest.raises(DeliveryError) as refused:
        transport.send(push_message([ONE]))
    assert refused.value.retry
    assert "secret" not in f"{refused.value} {transport!r}"


@pytest.mark.parametrize("url", ["nonsense://x", "http//x", ""])
def test_address_that_apprise_does_not_know_is_hopeless(url: str) -> None:
    with pytest.raises(DeliveryError, match="none that Apprise knows") as refused:
        AppriseTransport("ops", url).check()
    assert not refused.value.retry
