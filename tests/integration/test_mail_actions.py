"""Buttons of mails over a real port: what is asked, what is done once, and what is refused."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import func, select, update

from tankwatch import clock
from tankwatch.core.actor import Actor, Role, Via
from tankwatch.core.incident import IncidentState
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.core.mail_action import MailAction
from tankwatch.notify.links import LinkHolder, action_links
from tankwatch.store.acts import acknowledge, close, label
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import IncidentRow, apply_event, load_incidents, open_incident
from tankwatch.store.mail_acts import UsedLinkRow
from tankwatch.store.operators import LabelRow
from tankwatch.store.people import (
    add_operator,
    change_operator,
    need_operator,
    set_active,
    set_password_hash,
)
from tankwatch.store.runs import AuditRow
from tankwatch.store.signing import forget_signing_key, signing_key
from tankwatch.store.transitions import TransitionRow
from tests.integration.test_store_incidents import OPENING, STARTED_AT
from tests.integration.web_server import served

LEE = Actor("lee", Via.COMMAND)
FORM = {"content-type": "application/x-www-form-urlencoded"}
LATER = STARTED_AT + timedelta(minutes=10)


@dataclass
class Door:
    """A server, and an incident of a tank of whose mail there are links."""

    engine: Engine
    client: httpx.Client
    incident_id: int
    uid: str

    def link(
        self, action: MailAction = MailAction.ACKNOWLEDGE, *, hours: float = 1.0, **changes: Any
    ) -> str:
        """Return the address of a link as a mail to kim has it, without the server."""
        with writing(self.engine) as connection:
            key = changes.get("key") or signing_key(connection)
            kim = need_operator(connection, "kim")
        holder = LinkHolder(changes.get("name", "kim"), kim.session_epoch, Role.OPERATOR)
        (made,) = action_links(
            holder,
            changes.get("uid", self.uid),
            (action,),
            key=key,
            base_url="http://watch.example",
            until=clock.now() + timedelta(hours=hours),
        )
        return made.url.removeprefix("http://watch.example")

    def stands(self) -> IncidentState:
        with reading(self.engine) as connection:
            return load_incidents(connection, ids=[self.incident_id])[0].incident.state

    def count(self, table: Any) -> int:
        with reading(self.engine) as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def everything(self) -> list[int]:
        """Return how many rows there are of whatever a link may write."""
        return [self.count(table) for table in (AuditRow, TransitionRow, LabelRow, UsedLinkRow)]

    def confirm(self, link: str, **fields: str) -> httpx.Response:
        """Send the form of a link's page as a browser does, and follow where it leads."""
        return self.client.post(
            link, content=urlencode(fields), headers=FORM, follow_redirects=True
        )


@pytest.fixture
def door(engine: Engine, tanks: dict[str, int]) -> Iterator[Door]:
    assert tanks["T1"] == OPENING.tank_id
    with writing(engine) as connection:
        for name in ("kim", "lee"):
            add_operator(
                connection,
                name,
                full_name=f"{name.title()} Sand",
                email=f"{name}@plant.example",
                role=Role.OPERATOR,
                at=STARTED_AT,
            )
        key = open_incident(connection, OPENING, reason="score 1.5")
        uid = load_incidents(connection, ids=[key])[0].incident.uid
    with served(engine) as web:
        yield Door(engine, web.client, key, uid)


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


def refused(door: Door, link: str, status: int, said: str) -> None:
    before = door.everything()
    for answer in (door.client.get(link), door.confirm(link)):
        assert answer.status_code == status
        assert said in answer.text
        assert "T1" not in answer.text
    assert door.everything() == before
    assert door.stands() is IncidentState.UNACKNOWLEDGED


def test_expired_link_is_refused(door: Door) -> None:
    refused(door, door.link(hours=-0.001), 410, "too old to act")


def test_link_of_another_key_is_refused(door: Door) -> None:
    refused(door, door.link(key="another" * 8), 403, "damaged, or not one of this")


def test_links_of_a_forgotten_key_are_refused(door: Door) -> None:
    link = door.link()
    with writing(door.engine) as connection:
        forget_signing_key(connection)
    refused(door, link, 403, "damaged, or not one of this")
    with writing(door.engine) as connection:
        signing_key(connection)
    refused(door, link, 403, "damaged, or not one of this")


@pytest.mark.parametrize("forged", ["x", "a.b", "%00", "WyJraW0iXQ.c2ln", "." * 2000])
def test_forged_link_is_refused(door: Door, forged: str) -> None:
    door.link()
    refused(door, f"/act/{forged}", 403, "damaged, or not one of this")


def test_link_for_one_incident_cannot_be_turned_to_another(door: Door) -> None:
    refused(door, door.link(uid="0123456789abcdef"), 410, "not kept any more")
    payload, signature = (door.link(uid=uid).rpartition(".") for uid in (door.uid, "other"))
    refused(door, f"{payload[0]}.{signature[2]}", 403, "damaged")


def test_link_of_an_operator_who_may_not_act_any_more_is_refused(door: Door) -> None:
    link = door.link()
    with writing(door.engine) as connection:
        kim = need_operator(connection, "kim").operator_id
        change_operator(connection, kim, role=Role.VIEWER.value)
    refused(door, link, 403, "may only look now")
    with writing(door.engine) as connection:
        set_active(connection, kim, is_active=False)
    refused(door, link, 403, "may not act any more")
    with writing(door.engine) as connection:
        change_operator(connection, kim, role=Role.OPERATOR.value)
        set_active(connection, kim, is_active=True)
    refused(door, link, 403, "has a new password")


def test_new_password_voids_the_links_of_mails_before_it(door: Door) -> None:
    link = door.link()
    with writing(door.engine) as connection:
        set_password_hash(connection, need_operator(connection, "kim").operator_id, "hash")
    refused(door, link, 403, "has a new password")
    assert door.client.get(door.link()).status_code == 200


def test_link_of_an_unknown_operator_is_refused(door: Door) -> None:
    refused(door, door.link(name="ghost"), 403, "not known any more")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(door: Door, method: str) -> None:
    before = door.everything()
    assert door.client.request(method, door.link()).status_code == 405
    assert door.everything() == before


def test_form_of_another_site_and_too_large_a_form_are_refused(door: Door) -> None:
    link, before = door.link(), door.everything()
    foreign = door.client.post(link, data={}, headers=FORM | {"origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert door.client.post(link, data={"why": "x" * 100_000}).status_code == 413
    assert door.everything() == before


def test_name_of_a_tank_cannot_add_markup(door: Door) -> None:
    with writing(door.engine) as connection:
        change_operator(
            connection, need_operator(connection, "kim").operator_id, full_name="<script>x</script>"
        )
    assert "<script>x" not in door.client.get(door.link()).text


def test_used_links_are_forgotten_after_their_end(door: Door) -> None:
    door.confirm(door.link(MailAction.REAL_FAULT))
    past: datetime = clock.now() - timedelta(days=1)
    with writing(door.engine) as connection:
        connection.execute(update(UsedLinkRow).values(until_at=past))
    door.confirm(door.link())
    assert door.count(UsedLinkRow) == 1
    assert door.count(IncidentRow) == 1
