"""Channels beside mail: told by the policy of mail, over a real port, tried again, gathered."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tankwatch.core.actor import Actor, Via
from tankwatch.errors import LeaseError
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.push import push
from tankwatch.store.acts import close
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.outbox import MessageState
from tankwatch.store.pushes import claim_pushes, load_pushes
from tankwatch.store.scope import scope_of_tank
from tankwatch.store.shelves import shelve
from tests.acceptance.program import inside_json
from tests.integration.hook import Hook, hooked
from tests.integration.plant import (
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    store,
)

RAISED, OVER = at(126), at(200)
MINUTE = timedelta(minutes=1)
KIM = Actor("kim", Via.COMMAND)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooked() as served:
        yield served


def plant(engine: Engine, home: Path, hook: Hook, *, tanks: int = 1, **more: Any) -> Context:
    """Tanks that are above their limit from step 120 to 130, as of step 126."""
    channel = {"url": hook.url, **more.pop("channel", {})}
    settings = make_settings(
        home,
        channels={"pressure": {"high": 2.0}},
        push={"ops": channel},
        serve={"base_url": "https://watch.example/"},
        mail={"attempts": 3},
        **more,
    )
    context = make_context(engine, settings)
    values = quiet_values(tanks, 200)
    values[:, 120:130, 0] = 2.5
    store(engine, values, slice(0, 126))
    assert detect(context, now=RAISED).raised == tanks
    store(engine, values, slice(126, 200))
    return context


def rows(context: Context) -> list[tuple[MessageState, str]]:
    with reading(context.engine) as connection:
        return [(one.state, one.reason) for one in load_pushes(connection)]


def test_alarm_and_its_end_are_told_with_a_link(engine: Engine, tmp_path: Path, hook: Hook) -> None:
    context = plant(engine, tmp_path, hook)
    assert push(context, now=RAISED).sent == 1
    assert push(context, now=RAISED + MINUTE).sent == 0
    detect(context, now=OVER)
    assert push(context, now=OVER).sent == 1
    alarm, clear = hook.posts
    assert alarm["title"] == "ALARM TK-1 pressure above high limit (site north)"
    sentence, link = alarm["message"].splitlines()
    assert sentence.startswith("TK-1 pressure has been above its high limit of 2.0 kPa since 02:00")
    uid = incidents(engine)[0].incident.uid
    assert link == f"https://watch.example/incidents/{uid}"
    assert (clear["title"], clear["type"]) == (
        "All clear TK-1 pressure back within limits (site north)",
        "success",
    )
    assert rows(context) == [
        (MessageState.SENT, "send_alarm"),
        (MessageState.SENT, "send_all_clear"),
    ]


def test_channel_that_fails_is_tried_again_with_growing_pauses_then_given_up(
    engine: Engine, tmp_path: Path, hook: Hook
) -> None:
    context = plant(engine, tmp_path, hook)
    hook.answers = [503] * 9
    assert push(context, now=RAISED).retried == 1
    with reading(engine) as connection:
        (first,) = load_pushes(connection)
    assert timedelta(seconds=15) <= first.due_at - RAISED <= timedelta(seconds=30)
    assert "503" in first.last_error
    push(context, now=first.due_at - timedelta(seconds=1))
    assert hook.tries == 1
    assert push(context, now=first.due_at).retried == 1
    with reading(engine) as connection:
        (second,) = load_pushes(connection)
    assert timedelta(seconds=30) <= second.due_at - first.due_at <= timedelta(seconds=60)
    assert push(context, now=second.due_at).failed == 1
    assert push(context, now=second.due_at + timedelta(hours=1)).failed == 0
    assert (hook.tries, hook.posts) == (3, [])
    assert rows(context) == [(MessageState.FAILED, "")]
    url = engine.url.render_as_string(hide_password=False)
    (tmp_path / "tankwatch.toml").write_text(f'[database]\nurl = "{url}"\n')
    (line,) = inside_json(tmp_path, "status")["attention"]
    assert line.startswith("not told: ops, message 1: ")
    assert "503" in line


def test_channel_that_comes_back_is_told_once(engine: Engine, tmp_path: Path, hook: Hook) -> None:
    context = plant(engine, tmp_path, hook)
    hook.answers = [500]
    push(context, now=RAISED)
    assert push(context, now=RAISED + MINUTE).sent == 1
    assert push(context, now=RAISED + 9 * MINUTE).sent == 0
    assert len(hook.posts) == 1


def test_what_comes_close_together_is_told_at_once(
    engine: Engine, tmp_path: Path, hook: Hook
) -> None:
    context = plant(engine, tmp_path, hook, tanks=3)
    assert push(context, now=RAISED).sent == 3
    (post,) = hook.posts
    assert post["title"] == "3 messages of tankwatch"
    assert [line for line in post["message"].splitlines() if line.startswith("ALARM")] == [
        f"ALARM TK-{number} pressure above high limit (site north)" for number in (1, 2, 3)
    ]
    detect(context, now=RAISED + 2 * MINUTE)
    later = at(150)
    detect(context, now=later)
    push(context, now=RAISED + 4 * MINUTE)
    assert len(hook.posts) == 1
    push(context, now=later)
    assert len(hook.posts) == 2


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        ({"sites": ["south"]}, "hold_other_site"),
        ({"sites": ["north"]}, "send_alarm"),
        ({"severity": "journal"}, "send_alarm"),
    ],
)
def test_channel_is_told_of_its_sites(
    engine: Engine, tmp_path: Path, hook: Hook, channel: dict[str, Any], reason: str
) -> None:
    context = plant(engine, tmp_path, hook, channel=channel)
    push(context, now=RAISED)
    assert [why for _, why in rows(context)] == [reason]
    assert len(hook.posts) == (reason == "send_alarm")


@pytest.mark.parametrize(("least", "is_told"), [("alert", True), ("alarm", False)])
def test_channel_is_told_from_its_severity_on(
    engine: Engine,
    tmp_path: Path,
    hook: Hook,
    least: str,
    is_told: bool,  # noqa: FBT001
) -> None:
    context = plant(engine, tmp_path, hook, channel={"severity": least})
    with writing(engine) as connection:
        connection.execute(update(IncidentRow).values(severity="alert"))
    push(context, now=RAISED)
    assert len(hook.posts) == is_told
    assert rows(context)[0][1] == ("send_alarm" if is_told else "hold_not_alarm_severity")


def test_end_of_what_was_not_told_is_not_told(engine: Engine, tmp_path: Path, hook: Hook) -> None:
    context = plant(engine, tmp_path, hook, channel={"sites": ["south"]})
    push(context, now=RAISED)
    detect(context, now=OVER)
    push(context, now=OVER)
    assert rows(context)[1] == (MessageState.HELD, "hold_alarm_never_sent")
    assert hook.posts == []


def test_closed_incident_is_not_told(engine: Engine, tmp_path: Path, hook: Hook) -> None:
    context = plant(engine, tmp_path, hook)
    with writing(engine) as connection:
        close(connection, incidents(engine)[0].incident_id, by=KIM, at=RAISED, reason="known")
    push(context, now=RAISED)
    assert rows(context) == [(MessageState.HELD, "hold_already_closed")]


def test_shelved_tank_waits_and_is_told_when_it_is_back(
    engine: Engine, tmp_path: Path, hook: Hook
) -> None:
    context = plant(engine, tmp_path, hook)
    with writing(engine) as connection:
        shelve(
            connection,
            scope_of_tank(connection, "TK-1"),
            span=10 * MINUTE,
            longest=60 * MINUTE,
            by=KIM,
            at=RAISED - MINUTE,
            reason="pump test",
        )
    push(context, now=RAISED)
    assert rows(context) == [(MessageState.PENDING, "hold_shelved")]
    push(context, now=RAISED + 5 * MINUTE)
    assert hook.posts == []
    push(context, now=RAISED + 11 * MINUTE)
    assert [post["title"] for post in hook.posts] == [
        "ALARM TK-1 pressure above high limit (site north)"
    ]


def test_channel_does_not_depend_on_mail(engine: Engine, tmp_path: Path, hook: Hook) -> None:
    context = plant(engine, tmp_path, hook)
    assert deliver(context, now=RAISED).sent == 1
    assert push(context, now=RAISED).sent == 1


def test_new_channel_is_not_told_of_the_past(engine: Engine, tmp_path: Path, hook: Hook) -> None:
    context = plant(engine, tmp_path, hook)
    push(context, now=RAISED + timedelta(days=2))
    assert (rows(context), hook.posts) == ([], [])


def test_what_another_is_telling_is_left_to_it(engine: Engine, tmp_path: Path, hook: Hook) -> None:
    context = plant(engine, tmp_path, hook)
    hook.answers = [500]
    push(context, now=RAISED)
    later = RAISED + MINUTE
    with writing(engine) as connection:
        claim = {"owner": "other", "now": later, "until": later + 5 * MINUTE}
        claim_pushes(connection, [1], **claim)  # type: ignore[arg-type]
        with pytest.raises(LeaseError):
            claim_pushes(connection, [1], **claim)  # type: ignore[arg-type]
    assert push(context, now=later).sent == 0
    assert push(context, now=later + 6 * MINUTE).sent == 1


def test_what_a_round_of_the_same_process_left_leased_is_told_by_the_next(
    engine: Engine, tmp_path: Path, hook: Hook
) -> None:
    context = plant(engine, tmp_path, hook)
    hook.answers = [500]
    push(context, now=RAISED)
    later = RAISED + MINUTE
    with writing(engine) as connection:
        until = later + 5 * MINUTE
        claim_pushes(connection, [1], owner=context.owner, now=later, until=until)
    assert push(context, now=later).sent == 1
