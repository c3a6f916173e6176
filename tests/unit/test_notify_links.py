"""Signed links: what they are bound to, and what is not believed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tankwatch.core.actor import Role
from tankwatch.core.incident import MessageKind
from tankwatch.core.mail_action import BUTTON_WORDS, LinkClaim, MailAction, actions_of
from tankwatch.notify.links import ActionLink, LinkFault, LinkHolder, action_links
from tankwatch.notify.links import read_link as read

KEY = "k" * 48
UNTIL = datetime(2026, 3, 5, 6, 30, tzinfo=UTC)
BEFORE = UNTIL - timedelta(seconds=1)
KIM = LinkHolder("kim", 3, Role.OPERATOR)
UID = "3f9a1c2b77d04e51"


def links(holder: LinkHolder = KIM, **changes: Any) -> tuple[ActionLink, ...]:
    settings: dict[str, Any] = {"key": KEY, "base_url": "https://watch.example/", "until": UNTIL}
    return action_links(holder, UID, tuple(MailAction), **(settings | changes))


def token(**changes: Any) -> str:
    return links(**changes)[0].url.rpartition("/")[2]


def test_link_says_who_may_do_what_to_which_incident_until_when() -> None:
    for link, action in zip(links(), MailAction, strict=True):
        assert link.url.startswith("https://watch.example/act/")
        claim = read(link.url.rpartition("/")[2], key=KEY, at=BEFORE)
        assert claim == LinkClaim("kim", 3, UID, action, UNTIL)
        assert link.label == BUTTON_WORDS[action]


def test_link_is_over_at_its_end() -> None:
    assert read(token(), key=KEY, at=UNTIL) is LinkFault.EXPIRED
    assert read(token(), key=KEY, at=UNTIL + timedelta(days=900)) is LinkFault.EXPIRED


def test_link_of_another_key_is_forged() -> None:
    assert read(token(key="other" * 9), key=KEY, at=BEFORE) is LinkFault.FORGED


def test_no_character_of_a_link_can_be_changed() -> None:
    good = token()
    for place in range(len(good)):
        other = "A" if good[place] != "A" else "B"
        changed = f"{good[:place]}{other}{good[place + 1 :]}"
        # The last character of base 64 carries bits that mean nothing.
        if place != len(good) - 1:
            assert read(changed, key=KEY, at=BEFORE) is LinkFault.FORGED, place


def test_signature_of_one_action_does_not_fit_another() -> None:
    first, second = (link.url.rpartition("/")[2] for link in links()[:2])
    mixed = f"{second.rpartition('.')[0]}.{first.rpartition('.')[2]}"
    assert read(mixed, key=KEY, at=BEFORE) is LinkFault.FORGED


@pytest.mark.parametrize("text", ["", ".", "a.b", "Tk-104", "é.é", "\0.\0", "." * 999, "A" * 5000])
def test_what_is_no_link_is_forged(text: str) -> None:
    assert read(text, key=KEY, at=BEFORE) is LinkFault.FORGED


def test_same_mail_has_the_same_links() -> None:
    assert links() == links()


@pytest.mark.parametrize(
    ("holder", "base_url"),
    [(replace(KIM, role=Role.VIEWER), "https://watch.example"), (KIM, "")],
)
def test_who_may_only_look_and_who_has_no_page_gets_no_links(
    holder: LinkHolder, base_url: str
) -> None:
    assert links(holder, base_url=base_url) == ()


def test_only_what_stands_can_be_shelved() -> None:
    assert actions_of(MessageKind.ALARM) == tuple(MailAction)
    assert not any("shelve" in action.value for action in actions_of(MessageKind.ALL_CLEAR))
    assert actions_of(MessageKind.WITHDRAWAL) == actions_of(MessageKind.SITE_ALARM) == ()
    hours = [action.shelved_for for action in MailAction if action.shelved_for is not None]
    assert hours == [timedelta(hours=1), timedelta(hours=8)]
