"""The buttons of a mail, in groups, with what has to be said of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from tankwatch.core.mail_action import MailAction
from tankwatch.notify import wording
from tankwatch.notify.links import ActionLink

_GROUPS: Final = (
    ("Was it a fault?", (MailAction.REAL_FAULT, MailAction.NOT_A_FAULT)),
    (
        "Keep it quiet for a while",
        (MailAction.SHELVE_1H, MailAction.SHELVE_8H, MailAction.SHELVE_UNTIL_CLEAR),
    ),
)


@dataclass(frozen=True, slots=True)
class ButtonGroup:
    """Buttons that answer one question."""

    title: str
    links: tuple[ActionLink, ...]


@dataclass(frozen=True, slots=True)
class Buttons:
    """All buttons: the first ones under the sentence, the others below what they rest on.

    `note` says how they behave; empty without buttons.
    """

    first: tuple[ActionLink, ...]
    groups: tuple[ButtonGroup, ...]
    note: str


def buttons_of(actions: Sequence[ActionLink], zone: ZoneInfo) -> Buttons:
    """Return the buttons of a mail as its templates show them."""
    if not actions:
        return Buttons((), (), "")
    until = wording.date_time(min(link.until for link in actions), zone)
    groups = (
        ButtonGroup(title, tuple(link for link in actions if link.action in wanted))
        for title, wanted in _GROUPS
    )
    return Buttons(
        first=tuple(link for link in actions if link.action is MailAction.ACKNOWLEDGE),
        groups=tuple(group for group in groups if group.links),
        note=(
            "Each button opens a page that asks you to confirm; nothing happens before. They act "
            f"in your name until {until}: do not pass this mail on."
        ),
    )
