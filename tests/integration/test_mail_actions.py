"""Buttons of mails over a real port: what is asked, what is done once, and what is refused."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from tankwatch.core.incident import IncidentState
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.core.mail_action import MailAction
from tankwatch.store.acts import acknowledge, close, label
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import apply_event, load_incidents
from tankwatch.store.operators import LabelRow
from tankwatch.store.runs import AuditRow
from tankwatch.store.transitions import TransitionRow
from tests.integration.mail_door import LATER, LEE, Door, opened


@pytest.fixture
def door(engine: Engine, tanks: dict[str, int]) -> Iterator[Door]:
    assert tanks
    with opened(engine) as made:
        yield made


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("action", [MailAction.ACKNOWLEDGE, MailAction.NOT_A_FAULT])
def test_program_that_asks_for_every_address_changes_nothing(
    door: Door, method: str, action: MailAction
) -> None:
    link, before = door.link(action), door.everything()
    for _ in range(3):
        answer = door.client.request(method, link)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
    assert door.everything() == before
    assert door.stands() is IncidentState.UNACKNOWLEDGED


def test_page_says_what_it_would_do_to_what_and_as_whom(door: Door) -> None:
    answer = door.client.get(door.link())
    for said in (
        "Acknowledge this alarm?",
        "Nothing has happened yet.",
        "T1 pressure above expected",
        "T1, site north",
        "standing, not acknowledged",
        "Kim Sand (kim, operator)",
    ):
        assert said in answer.text
    assert '<form method="post"' in answer.text
    assert "form-action 'self'" in answer.headers["content-security-policy"]


def test_confirmed_link_acknowledges_and_is_audited_with_its_way_and_address(door: Door) -> None:
    answer = door.confirm(door.link())
    assert answer.status_code == 200
    assert [step.status_code for step in answer.history] == [303]
    assert "<h1>Acknowledged</h1>" in answer.text
    assert "kim did this" in answer.text
    with reading(door.engine) as connection:
        (stored,) = load_incidents(connection)
        done = connection.execute(select(AuditRow.__table__).order_by(AuditRow.at.desc())).first()
    assert (stored.incident.state, stored.acknowledged_by) == (IncidentState.ACKNOWLEDGED, "kim")
    assert done is not None
    assert (done.actor, done.action, done.via, done.address) == (
        "kim",
        "acknowledge",
        "mail",
        "127.0.0.1",
    )


@pytest.mark.parametrize(
    ("action", "verdict"),
    [(MailAction.NOT_A_FAULT, "not_a_fault"), (MailAction.REAL_FAULT, "real_fault")],
)
def test_confirmed_link_labels_with_the_cause_that_was_given(
    door: Door, action: MailAction, verdict: str
) -> None:
    link = door.link(action)
    assert 'name="why"' in door.client.get(link).text
    door.confirm(link, why="  vent\nstuck <b> ")
    with reading(door.engine) as connection:
        (row,) = connection.execute(select(LabelRow.__table__)).all()
    assert (row.verdict, row.cause, row.labelled_by) == (verdict, "vent stuck <b>", "kim")
    assert door.stands() is IncidentState.UNACKNOWLEDGED


def test_link_acts_once_however_often_it_is_confirmed(door: Door) -> None:
    link = door.link()
    door.confirm(link)
    after = door.everything()
    answer = door.confirm(link)
    assert door.everything() == after
    assert "kim did this on" in answer.text
    assert "from 127.0.0.1" in answer.text
    assert "<form" not in door.client.get(link).text.partition("<main")[2]


def test_link_written_in_another_way_is_the_same_link(door: Door) -> None:
    link = door.link(MailAction.REAL_FAULT)
    door.confirm(link)
    after = door.everything()
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # The last two bits of a signature in base 64 mean nothing.
    other = link[:-1] + digits[digits.index(link[-1]) ^ 1]
    assert other != link
    assert "kim did this" in door.confirm(other).text
    assert door.everything() == after


def test_of_many_confirmations_at_once_one_acts(door: Door) -> None:
    link, before = door.link(MailAction.REAL_FAULT), door.count(LabelRow)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: door.confirm(link), range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert door.count(LabelRow) == before + 1


def test_of_two_operators_at_once_one_acknowledges(door: Door) -> None:
    links = [door.link(), door.link(name="lee")]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(door.confirm, links))
    assert {answer.status_code for answer in answers} == {200}
    assert door.count(TransitionRow) == 2


def test_what_another_did_already_is_said_with_who_and_when(door: Door) -> None:
    with writing(door.engine) as connection:
        acknowledge(connection, door.incident_id, by=LEE, at=LATER)
        label(connection, door.incident_id, verdict="real_fault", by=LEE, at=LATER)
    before = door.everything()
    for action, title in (
        (MailAction.ACKNOWLEDGE, "Acknowledged already"),
        (MailAction.REAL_FAULT, "Put down as a real fault already"),
    ):
        answer = door.confirm(door.link(action))
        assert f"<h1>{title}</h1>" in answer.text
        assert "lee did this on 2026-03-02 06:40 UTC" in answer.text
    assert door.everything() == before


def test_another_verdict_than_the_last_can_be_given(door: Door) -> None:
    with writing(door.engine) as connection:
        label(connection, door.incident_id, verdict="real_fault", by=LEE, at=LATER)
    page = door.client.get(door.link(MailAction.NOT_A_FAULT)).text
    assert "a real fault by lee" in page
    door.confirm(door.link(MailAction.NOT_A_FAULT))
    assert door.count(LabelRow) == 2


def test_incident_that_is_over_is_closed_by_its_acknowledgement(door: Door) -> None:
    with writing(door.engine) as connection:
        apply_event(
            connection,
            door.incident_id,
            IncidentEvent.RETURN,
            at=LATER,
            actor="tankwatch",
            ended_at=LATER,
        )
    assert "over, not acknowledged" in door.client.get(door.link()).text
    door.confirm(door.link())
    assert door.stands() is IncidentState.CLOSED


def test_closed_incident_cannot_be_acknowledged_but_can_be_labelled(door: Door) -> None:
    with writing(door.engine) as connection:
        close(connection, door.incident_id, by=LEE, at=LATER, reason="tank is empty")
    before = door.everything()
    assert "This incident is closed" in door.confirm(door.link()).text
    assert door.everything() == before
    door.confirm(door.link(MailAction.NOT_A_FAULT))
    assert door.count(LabelRow) == 1


@pytest.mark.parametrize("action", [MailAction.ACKNOWLEDGE, MailAction.REAL_FAULT])
def test_withdrawn_alarm_takes_nothing_any_more(door: Door, action: MailAction) -> None:
    with writing(door.engine) as connection:
        apply_event(connection, door.incident_id, IncidentEvent.WITHDRAW, at=LATER, actor="x")
    before = door.everything()
    answer = door.confirm(door.link(action))
    assert "This alarm was withdrawn" in answer.text
    assert door.everything() == before
