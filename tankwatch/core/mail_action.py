"""What an operator can do with a link of a mail."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tankwatch.core.incident import MessageKind


class MailAction(StrEnum):
    """What a link of a mail does, once it is confirmed."""

    ACKNOWLEDGE = "acknowledge"
    SHELVE_1H = "shelve_1h"
    SHELVE_8H = "shelve_8h"
    SHELVE_UNTIL_CLEAR = "shelve_until_clear"
    NOT_A_FAULT = "not_a_fault"
    REAL_FAULT = "real_fault"

    @property
    def is_shelving(self) -> bool:
        """Return whether it keeps alarms away for a time."""
        return self.value.startswith("shelve")

    @property
    def shelved_for(self) -> timedelta | None:
        """Return for how long it shelves; None if it does not shelve, or until all is clear."""
        return {
            MailAction.SHELVE_1H: timedelta(hours=1),
            MailAction.SHELVE_8H: timedelta(hours=8),
        }.get(self)


@dataclass(frozen=True, slots=True)
class LinkClaim:
    """What a link says that it may do; whether its operator still may is for the store to say.

    Attributes:
        operator: login of the one who may follow it.
        session_epoch: of that operator when the mail was written; another one voids the link.
        incident_uid: stable name of the incident.
        until: from when on it does nothing.
    """

    operator: str
    session_epoch: int
    incident_uid: str
    action: MailAction
    until: datetime

    @property
    def digest(self) -> str:
        """Return a name for the link, by what it says.

        Not by how it is written: base 64 writes the same signature in several ways, and a link
        that acts once would act once for each.
        """
        said = (self.operator, str(self.session_epoch), self.incident_uid, self.action.value)
        return hashlib.sha256("|".join([*said, self.until.isoformat()]).encode()).hexdigest()


BUTTON_WORDS = {
    MailAction.ACKNOWLEDGE: "Acknowledge",
    MailAction.SHELVE_1H: "Shelve 1 h",
    MailAction.SHELVE_8H: "Shelve 8 h",
    MailAction.SHELVE_UNTIL_CLEAR: "Shelve until it clears",
    MailAction.NOT_A_FAULT: "Not a fault",
    MailAction.REAL_FAULT: "Real fault",
}

_ANSWERS = (MailAction.ACKNOWLEDGE, MailAction.NOT_A_FAULT, MailAction.REAL_FAULT)


def actions_of(kind: MessageKind) -> tuple[MailAction, ...]:
    """Return what a mail of this kind offers: shelving only of what stands.

    Nothing is offered of a whole site, or of what was withdrawn.
    """
    if kind.is_trouble and not kind.is_of_site:
        return tuple(MailAction)
    return _ANSWERS if kind in {MessageKind.ALL_CLEAR, MessageKind.SETTLED} else ()
