"""What comes and goes is told once, held while it does, and told when it has settled or stands."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tankwatch.core.actor import Actor, Via
from tankwatch.core.incident import MessageKind, Severity, Symptom
from tankwatch.core.routing import Hours, parse_days, parse_span
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.push import push
from tankwatch.store.acts import acknowledge
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.outbox import MessageState, OutboxRow
from tankwatch.store.outbox_hold import hurry_alarm
from tankwatch.store.pushes import load_pushes
from tankwatch.store.routes import NewRoute, add_route
from tests.integration.hook import hooked
from tests.integration.mailbox import Mailbox, posted, text_of
from tests.integration.plant import START, make_context, make_settings, quiet_values, store
from tests.integration.test_told import lead, person
from tests.integration.turns import MINUTE, T0, Plant

KIM = Actor("kim", Via.PAGE)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with posted() as mailbox:
        yield mailbox


ALARM, CLEAR = ("alarm", "sent", "send_alarm"), ("all_clear", "sent", "send_all_clear")
HELD = ("alarm", "held", "hold_chattering")
HELD_CLEAR = ("all_clear", "held", "hold_chattering")
CHATTERING = ("chattering", "sent", "send_chattering")
SETTLED = ("settled", "sent", "send_settled")


def test_what_comes_and_goes_is_told_once_then_held_then_told_that_it_settled(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box)
    plant.turns(0, 15, 30, 45, 60, 75)
    assert plant.told() == [
        *[ALARM, CLEAR] * 2,
        HELD,
        CHATTERING,
        HELD_CLEAR,
        *[HELD, HELD_CLEAR] * 3,
    ]
    assert plant.deliver(80 + 59) == 0
    assert plant.deliver(80 + 60) == 1
    assert plant.told()[-1] == SETTLED
    assert plant.deliver(500) == 0
    alarm = "TK-1 pressure above high limit"
    assert [subject.removesuffix(" (site north)") for subject in box.subjects()] == [
        *[f"ALARM {alarm}", "All clear TK-1 pressure back within limits"] * 2,
        f"ALARM {alarm}: comes and goes, 3 times since 05:50 UTC",
        f"Settled {alarm}: came and went 6 times since 05:50 UTC",
    ]
    chattering, settled = box.taken[4][2], box.taken[5][2]
    assert "Further times are recorded, but not mailed until it has been quiet" in text_of(
        chattering
    )
    assert "It has been quiet for 1 h. From now on each time is mailed again." in text_of(settled)


def test_what_comes_after_it_settled_is_told_as_ever(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box)
    plant.turns(0, 15, 30)
    plant.deliver(100)
    plant.turns(110)
    assert plant.told()[-3:] == [SETTLED, ALARM, CLEAR]


def test_mails_of_one_who_is_told_by_a_route_hang_on_the_first_alarm(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box)
    person(engine, "kim")
    lead(engine, "kim")
    plant.turns(0, 15, 30)
    plant.deliver(100)
    first, *_, chattering, settled = (mail for *_, mail in box.taken)
    assert chattering["In-Reply-To"] == settled["In-Reply-To"] == first["Message-ID"]


def test_alarm_that_stands_when_it_has_settled_is_told(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box)
    plant.turns(0, 15, 30)
    last = plant.comes(50)
    assert plant.told()[-1] == HELD
    assert plant.deliver(50 + 59) == 0
    assert plant.deliver(50 + 60) == 1
    assert box.subjects()[-1] == "ALARM TK-1 pressure above high limit (site north)"
    assert plant.told()[-2:] == [ALARM, ("settled", "held", "hold_stands")]
    plant.goes(last, 120)
    assert plant.told()[-1] == CLEAR


def test_what_is_not_scored_is_not_known_to_be_quiet(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box, scored=420)
    plant.turns(0, 15, 30)
    assert plant.deliver(600) == 0
    store(engine, quiet_values(2, 1000), slice(420, 456))
    detect(plant.context, now=START + 456 * MINUTE)
    assert plant.deliver(600) == 1
    assert plant.told()[-1] == SETTLED


def test_nothing_is_held_for_word_that_could_not_be_sent(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box)
    plant.turns(0, 15, 30)
    with writing(engine) as connection:
        failed = update(OutboxRow).where(OutboxRow.kind == MessageKind.CHATTERING.value)
        connection.execute(failed.values(state=MessageState.FAILED.value))
    plant.turns(100)
    assert plant.told()[-2:] == [ALARM, CLEAR]


def test_last_turn_that_stands_acknowledged_is_told_as_settled(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box)
    plant.turns(0, 15, 30)
    last = plant.comes(50)
    with writing(engine) as connection:
        acknowledge(connection, plant.key(last), by=KIM, at=T0 + 55 * MINUTE)
    assert plant.deliver(110) == 1
    assert "came and went 4 times and stands, since 05:50 UTC" in box.subjects()[-1]


@pytest.mark.parametrize(
    "other",
    [
        {"symptom": Symptom.BELOW_LIMIT},
        {"detector": "fused"},
        {"channel": 2},
        {"tank": "TK-2"},
    ],
)
def test_another_alarm_is_told_as_ever(
    engine: Engine, tmp_path: Path, box: Mailbox, other: dict[str, Any]
) -> None:
    plant = Plant(engine, tmp_path, box)
    plant.turns(0, 15, 30)
    plant.comes(45, **other)
    assert plant.told()[-1] == ALARM


def test_more_severe_one_is_told_as_ever(engine: Engine, tmp_path: Path, box: Mailbox) -> None:
    plant = Plant(engine, tmp_path, box, notify={"least_gap_s": 0})
    person(engine, "kim")
    always = Hours(parse_days(""), *parse_span(""))
    with writing(engine) as connection:
        new = NewRoute(None, Severity.ALERT, always, "kim", None, 0, digest=False)
        add_route(connection, new, at=START)
    for minute in (0, 15, 30):
        plant.goes(plant.comes(minute, severity=Severity.ALERT), minute + 5)
    assert CHATTERING in plant.told()
    plant.comes(45)
    assert plant.told()[-1] == ALARM


def test_turn_that_something_else_joins_is_told(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box)
    plant.turns(0, 15, 30)
    uid = plant.comes(45)
    key = plant.key(uid)
    with writing(engine) as connection:
        hurry_alarm(connection, key, at=T0 + 46 * MINUTE)
    assert plant.deliver(46) == 1
    assert plant.told()[-1] == ALARM


def test_alarms_that_nobody_was_told_of_do_not_count(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box)
    for minute in (0, 15, 30):
        plant.goes(plant.comes(minute, historical=True), minute + 5)
    plant.turns(45, 60)
    assert plant.told()[-4:] == [ALARM, CLEAR] * 2


def test_slower_ones_and_a_window_of_nothing_are_mailed_each(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    plant = Plant(engine, tmp_path, box)
    plant.turns(0, 40, 80, 120)
    assert plant.told() == [ALARM, CLEAR] * 4
    off = Plant(engine, tmp_path, box, alarms={"chatter_window_s": 0})
    off.turns(200, 210, 220)
    assert off.told()[-6:] == [ALARM, CLEAR] * 3


def test_channels_beside_mail_follow_and_are_told_what_stands(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    with hooked() as hook:
        plant = Plant(engine, tmp_path, box, push={"ops": {"url": hook.url}})

        def pushed(minute: float) -> None:
            plant.deliver(minute)
            push(plant.context, now=T0 + minute * MINUTE)

        for minute in (0, 15, 30):
            uid = plant.comes(minute)
            pushed(minute)
            plant.goes(uid, minute + 6)
            pushed(minute + 6)
        plant.comes(50)
        for minute in (50, 80, 109, 110):
            pushed(minute)
        titles = [post["title"] for post in hook.posts]
    assert titles[-2:] == [
        "ALARM TK-1 pressure above high limit: comes and goes, 3 times (site north)",
        "ALARM TK-1 pressure above high limit (site north)",
    ]
    with reading(engine) as connection:
        reasons = [one.reason for one in load_pushes(connection)]
    assert reasons.count("hold_chattering") == 2  # the third turn, and its all-clear
    assert reasons[-2:] == ["send_alarm", "hold_stands"]


def test_limit_that_is_crossed_again_and_again_is_told_once_all_the_way_from_readings(
    engine: Engine, tmp_path: Path, box: Mailbox
) -> None:
    settings = make_settings(
        tmp_path,
        channels={"pressure": {"high": 2.0}},
        alarms={"chatter_window_s": 3600},
        detect={"merge_gap_steps": 5},
        mail=box.settings,
    )
    context, values = make_context(engine, settings), quiet_values(1, 420)
    for begin in (120, 150, 180, 210, 240):
        values[0, begin : begin + 8, 0] = 2.5
    store(engine, values, slice(0, 115))
    for cut in range(115, 421, 5):
        store(engine, values, slice(cut - 5, cut))
        detect(context, now=START + cut * MINUTE)
        box.now = START + cut * MINUTE
        deliver(context, now=box.now)
    words = [subject.split(" TK-1")[0] for subject in box.subjects()]
    assert words == ["ALARM", "All clear", "ALARM", "All clear", "ALARM", "Settled"]
    assert "came and went 5 times since 02:00 UTC" in box.subjects()[-1]
