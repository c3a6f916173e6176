"""Links of mails that are not followed: forged, expired, of another key, of another operator."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.core.incident import IncidentState
from tankwatch.core.mail_action import MailAction
from tankwatch.store.engine import Engine, writing
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.mail_acts import UsedLinkRow
from tankwatch.store.people import (
    change_operator,
    need_operator,
    set_active,
    set_password_hash,
)
from tankwatch.store.signing import forget_signing_key, signing_key
from tests.integration.mail_door import FORM, Door, opened


@pytest.fixture
def door(engine: Engine, tanks: dict[str, int]) -> Iterator[Door]:
    assert tanks
    with opened(engine) as made:
        yield made


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
