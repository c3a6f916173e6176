"""An alarm that stands and that nobody has acknowledged is told again, to the same people."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tankwatch.core.actor import Actor, Via
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.push import push
from tankwatch.jobs.realarm import queue_realarms
from tankwatch.store.acts import acknowledge, close
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.notifications import load_notifications
from tankwatch.store.outbox import load_messages
from tankwatch.store.pushes import load_pushes
from tankwatch.store.realarms import claim_repeat, load_last_told
from tankwatch.store.scope import scope_of_tank
from tankwatch.store.shelves import shelve
from tests.integration.hook import hooked
from tests.integration.mailbox import Mailbox, posted, text_of
from tests.integration.plant import (
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    store,
)
from tests.integration.test_told import lead, person

RAISED = at(126)
MINUTE, AGAIN = timedelta(minutes=1), timedelta(minutes=30)
KIM = Actor("kim", Via.PAGE)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with posted() as mailbox:
        yield mailbox


def plant(
    engine: Engine, home: Path, box: Mailbox, *, tanks: int = 1, until: int = 400, **more: Any
) -> Context:
    """Tanks that are above their limit from step 120 to `until`, as of step 126."""
    alarms = {"realarm_s": 1800, **more.pop("alarms", {})}
    channels = {"pressure": {"high": 2.0}}
    settings = make_settings(home, channels=channels, alarms=alarms, mail=box.settings, **more)
    context = make_context(engine, settings)
    values = quiet_values(tanks, 400)
    values[:, 120:until, 0] = 2.5
    store(engine, values, slice(0, 126))
    assert detect(context, now=RAISED).raised == tanks
    store(engine, values, slice(126, 400))
    return context


def send(context: Context, box: Mailbox, now: datetime) -> int:
    box.now = now
    return deliver(context, now=now).sent


def told(context: Context) -> list[tuple[str, str, str]]:
    """Return (kind, state, reason) of every message."""
    with reading(context.engine) as connection:
        found = load_messages(connection)
    return [(one.kind.value, one.state.value, one.reason) for one in found]


def test_alarm_is_told_again_in_its_thread_each_time_up_to_the_most(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    context = plant(engine, tmp_path, box, alarms={"realarm_times": 2})
    person(engine, "kim")
    person(engine, "ada")
    lead(engine, "kim")
    lead(engine, "ada")
    assert send(context, box, RAISED) == 2
    assert send(context, box, RAISED + AGAIN - MINUTE) == 0
    assert send(context, box, RAISED + AGAIN) == 2
    assert send(context, box, RAISED + AGAIN) == 0
    assert send(context, box, RAISED + 2 * AGAIN) == 2
    assert send(context, box, RAISED + 20 * AGAIN) == 0
    assert [now for now, *_ in box.taken] == [
        RAISED + n * AGAIN for n in range(3) for _ in ("kim", "ada")
    ]
    for to in ("kim@x.example", "ada@x.example"):
        first, second, third = (mail for _, whom, mail in box.taken if whom == to)
        assert first["In-Reply-To"] is None
        for mail in (second, third):
            assert mail["In-Reply-To"] == mail["References"] == first["Message-ID"]
            assert str(mail["Subject"]) == (
                "ALARM TK-1 pressure above high limit: still stands, since 02:00 UTC (site north)"
            )
        assert "acknowledged this since it was told at 02:06 UTC" in text_of(second)
        assert "This is repeat 1 of at most 2." in text_of(second)
        assert "This is repeat 2 of at most 2." in text_of(third)
        assert len({str(mail["Message-ID"]) for mail in (first, second, third)}) == 3
    assert told(context)[1:] == [("realarm", "sent", "send_realarm")] * 2


def test_repeats_are_off_unless_they_are_asked_for(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    context = plant(engine, tmp_path, box, alarms={"realarm_s": 0})
    assert send(context, box, RAISED) == 1
    assert send(context, box, RAISED + 100 * AGAIN) == 0


def test_two_who_see_that_a_repeat_is_due_queue_one(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    context = plant(engine, tmp_path, box)
    send(context, box, RAISED)
    with reading(engine) as connection:
        (seen,) = load_last_told(connection, since=RAISED)
    with writing(engine) as connection:
        assert queue_realarms(connection, context.settings, now=RAISED + AGAIN) == 1
    with writing(engine) as connection:
        assert claim_repeat(connection, seen) is None
        assert queue_realarms(connection, context.settings, now=RAISED + AGAIN) == 0


@pytest.mark.parametrize("how", ["acknowledged", "closed", "over"])
def test_an_answer_or_the_end_stops_it_with_a_stored_reason(
    engine: Engine, tmp_path: Path, box: Mailbox, how: str
) -> None:
    context = plant(engine, tmp_path, box, until=130 if how == "over" else 400)
    send(context, box, RAISED)
    (one,) = incidents(engine)
    with writing(engine) as connection:
        if how == "acknowledged":
            acknowledge(connection, one.incident_id, by=KIM, at=RAISED + MINUTE)
        if how == "closed":
            close(connection, one.incident_id, by=KIM, at=RAISED + MINUTE, reason="mended")
    if how == "over":
        detect(context, now=at(200))
    for times in range(1, 8):
        send(context, box, RAISED + times * AGAIN)
    assert [mail["X-Tankwatch-Kind"] for *_, mail in box.taken].count("realarm") == 0
    why = "hold_over" if how == "over" else "hold_acknowledged"
    assert [one for one in told(context) if one[0] == "realarm"] == [("realarm", "held", why)]


def test_an_answer_while_the_repeat_is_gathered_keeps_it_from_leaving(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    context = plant(engine, tmp_path, box, alarms={"realarm_s": 120})
    person(engine, "kim")
    lead(engine, "kim")
    send(context, box, RAISED)
    assert send(context, box, RAISED + 2 * MINUTE) == 0  # a mail left two minutes ago
    (one,) = incidents(engine)
    with writing(engine) as connection:
        acknowledge(connection, one.incident_id, by=KIM, at=RAISED + 3 * MINUTE)
    assert send(context, box, RAISED + 5 * MINUTE) == 0
    with reading(engine) as connection:
        reasons = [one.reason for one in load_notifications(connection)]
    assert reasons == ["send_alarm", "hold_acknowledged"]


def test_repeats_keep_the_least_time_between_two_mails(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    context = plant(engine, tmp_path, box, tanks=12, alarms={"realarm_s": 60, "realarm_times": 9})
    person(engine, "kim")
    lead(engine, "kim")
    for minute in range(30):
        send(context, box, RAISED + minute * MINUTE)
    times = [now for now, *_ in box.taken]
    assert len(times) == 6
    assert all(b - a >= timedelta(minutes=5) for a, b in pairwise(times))
    assert "still not acknowledged" in text_of(box.taken[1][2])


def test_what_is_shelved_is_not_repeated_until_it_stands_without_a_shelf(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    context = plant(engine, tmp_path, box)
    send(context, box, RAISED)
    span = timedelta(hours=3)
    with writing(engine) as connection:
        tank = scope_of_tank(connection, "TK-1")
        shelve(connection, tank, span=span, longest=span, by=KIM, at=RAISED, reason="known")
    for times in range(1, 6):
        assert send(context, box, RAISED + times * AGAIN) == 0
    assert told(context)[1:] == [("realarm", "held", "hold_shelved")]
    assert send(context, box, RAISED + span) == 1
    assert told(context)[1:] == [("realarm", "sent", "send_realarm")]
    assert send(context, box, RAISED + span + AGAIN) == 1


def test_a_whole_site_is_told_again_once(engine: Engine, tmp_path: Path, box: Mailbox) -> None:
    settings = make_settings(
        tmp_path,
        siblings={"least_tanks": 3, "window_s": 900, "wait_s": 60},
        detect={"stale_s": 600},
        alarms={"realarm_s": 1800},
        mail=box.settings,
    )
    context = make_context(engine, settings)
    store(engine, quiet_values(6, 126), slice(0, 126))
    detect(context, now=at(126))
    detect(context, now=at(140))  # nothing comes any more: six tanks are silent
    for minute in range(0, 95, 5):
        send(context, box, at(142) + minute * MINUTE)
    subjects = [subject for subject in box.subjects() if "6 of 6 tanks" in subject]
    assert len(subjects) == 4
    assert subjects[0].startswith("ALARM 6 of 6 tanks:")
    assert all("no readings: still stands, since 02:" in subject for subject in subjects[1:])
    assert [kind for kind, *_ in told(context)].count("site_realarm") == 3


def test_channels_beside_mail_are_told_again_by_the_same_policy(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    with hooked() as hook:
        context = plant(engine, tmp_path, box, push={"ops": {"url": hook.url}})
        for minutes in (0, 30, 60):
            now = RAISED + minutes * MINUTE
            send(context, box, now)
            push(context, now=now)
        (one,) = incidents(engine)
        with writing(engine) as connection:
            acknowledge(connection, one.incident_id, by=KIM, at=RAISED + 61 * MINUTE)
        send(context, box, RAISED + 90 * MINUTE)
        push(context, now=RAISED + 90 * MINUTE)
        titles = [post["title"] for post in hook.posts]
    assert titles[0] == "ALARM TK-1 pressure above high limit (site north)"
    assert titles[1:] == ["ALARM TK-1 pressure above high limit: still stands (site north)"] * 2
    with reading(engine) as connection:
        reasons = [one.reason for one in load_pushes(connection)]
    assert reasons == ["send_alarm", "send_realarm", "send_realarm", "hold_acknowledged"]


def test_channel_is_told_again_where_nobody_is_mailed(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    with hooked() as hook:
        context = plant(engine, tmp_path, box, push={"ops": {"url": hook.url}})
        context.settings.mail.__dict__["recipients"] = ()
        for minutes in (0, 30, 60):
            send(context, box, RAISED + minutes * MINUTE)
            push(context, now=RAISED + minutes * MINUTE)
        assert len(hook.posts) == 3
    assert box.taken == []


_KILLED = """
import os, signal, sys, threading
from datetime import datetime
from pathlib import Path
from tankwatch.jobs import deliver as module
from tankwatch.jobs.context import Context
from tankwatch.settings import Settings
from tankwatch.store.engine import connect
address, home, port, now = sys.argv[1:]
mail = {"host": "127.0.0.1", "port": int(port), "security": "none"}
settings = Settings(home=Path(home), mail=mail, alarms={"realarm_s": 1800},
                    channels={"pressure": {"high": 2.0}}, detect={"detector": "robust_z"})
module.mark_sent = lambda *_a, **_k: os.kill(os.getpid(), signal.SIGKILL)
module.deliver(Context(connect(address), settings, threading.Event()),
               now=datetime.fromisoformat(now))
"""


def test_repeat_that_was_killed_while_it_left_is_the_same_mail_and_not_one_more(
    engine: Engine, database_url: str, tmp_path: Path, box: Mailbox
) -> None:
    context = plant(engine, tmp_path, box)
    send(context, box, RAISED)
    box.now = due = RAISED + AGAIN
    arguments = [database_url, str(tmp_path), str(box.port), due.isoformat()]
    run = subprocess.run(
        [sys.executable, "-c", _KILLED, *arguments], env=dict(os.environ), check=False
    )
    assert run.returncode == -9
    assert len(box.taken) == 2  # it left, and nobody could note that
    assert send(context, box, due + 6 * MINUTE) == 1
    assert box.taken[1][2].as_bytes() == box.taken[2][2].as_bytes()
    assert send(context, box, due + 7 * MINUTE) == 0
    assert told(context)[1:] == [("realarm", "sent", "send_realarm")]
