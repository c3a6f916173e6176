"""Buttons of mails that shelve: for a time, or until the incident clears."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tankwatch import clock
from tankwatch.core.incident import IncidentState
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.core.mail_action import MailAction
from tankwatch.core.muting import ShelfKind
from tankwatch.settings import Settings
from tankwatch.settings_alarms import Alarms
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import apply_event
from tankwatch.store.mail_acts import UsedLinkRow
from tankwatch.store.shelves import ShelfRow, load_shelves
from tests.integration.mail_door import LATER, Door, opened


@pytest.fixture
def door(engine: Engine, tanks: dict[str, int]) -> Iterator[Door]:
    assert tanks
    with opened(engine) as made:
        yield made


@pytest.mark.parametrize(
    ("action", "kind", "hours"),
    [
        (MailAction.SHELVE_1H, ShelfKind.SHELVED, 1),
        (MailAction.SHELVE_8H, ShelfKind.SHELVED, 8),
        (MailAction.SHELVE_UNTIL_CLEAR, ShelfKind.ONE_SHOT, None),
    ],
)
def test_confirmed_link_shelves_with_the_reason_that_was_given(
    door: Door, action: MailAction, kind: ShelfKind, hours: int | None
) -> None:
    link = door.link(action)
    assert " required>" in door.client.get(link).text
    answer = door.confirm(link, why="being mended")
    assert "being mended" in answer.text
    with reading(door.engine) as connection:
        (shelf,) = load_shelves(connection, clock.now())
    assert (shelf.kind, shelf.by, shelf.reason) == (kind, "kim", "being mended")
    assert shelf.until is not None
    if hours is not None:
        assert shelf.until - shelf.since == timedelta(hours=hours)
    assert door.stands() is IncidentState.UNACKNOWLEDGED


def test_shelving_acts_once_and_needs_a_reason(door: Door) -> None:
    link = door.link(MailAction.SHELVE_8H)
    before = door.everything()
    answer = door.confirm(link, why="  ")
    assert (answer.status_code, "needs a reason" in answer.text) == (422, True)
    assert door.everything() == before
    door.confirm(link, why="pump test")
    after = (door.everything(), door.count(ShelfRow))
    door.confirm(link, why="pump test")
    assert (door.everything(), door.count(ShelfRow)) == after


def test_what_is_over_cannot_be_shelved(door: Door) -> None:
    with writing(door.engine) as connection:
        apply_event(
            connection,
            door.incident_id,
            IncidentEvent.RETURN,
            at=LATER,
            actor="tankwatch",
            ended_at=LATER,
        )
    for action in (MailAction.SHELVE_1H, MailAction.SHELVE_UNTIL_CLEAR):
        assert "This alarm is over" in door.confirm(door.link(action), why="x").text
    assert door.count(ShelfRow) == 0


def test_shelving_for_longer_than_is_allowed_is_refused_with_the_remedy(
    engine: Engine, tanks: dict[str, int]
) -> None:
    assert tanks
    with opened(engine, Settings(alarms=Alarms(longest_shelf_h=4))) as door:
        answer = door.confirm(door.link(MailAction.SHELVE_8H), why="x")
        assert answer.status_code == 409
        assert "longest_shelf_h" in answer.text
        assert (door.count(ShelfRow), door.count(UsedLinkRow)) == (0, 0)
