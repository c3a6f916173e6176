"""Links of a mail that act for one operator on one incident, signed and with an end.

Nothing of a link is stored: what it may do stands in it, under a signature (HMAC-SHA-256) that only
who has the installation's key can make.  The end is part of what is signed, so that a mail which
is sent again has the same links.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from itsdangerous import BadData, URLSafeSerializer

from tankwatch.core.actor import Role
from tankwatch.core.mail_action import BUTTON_WORDS, LinkClaim, MailAction

# Changed whenever what is signed changes its form, so that an old link is refused and not misread.
_SALT: Final = "tankwatch.mail-link.1"
_LONGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class LinkHolder:
    """The operator whom links are for; `session_epoch` of another value than theirs voids them."""

    name: str
    session_epoch: int
    role: Role


@dataclass(frozen=True, slots=True)
class ActionLink:
    """A button of a mail: what it does, what it says, where it leads, and until when it acts."""

    action: MailAction
    label: str
    url: str
    until: datetime


class LinkFault(StrEnum):
    """Why a link is not taken at its word."""

    FORGED = "forged"
    EXPIRED = "expired"


def action_links(
    holder: LinkHolder,
    incident_uid: str,
    actions: Sequence[MailAction],
    *,
    key: str,
    base_url: str,
    until: datetime,
) -> tuple[ActionLink, ...]:
    """Return the links of a mail; none without a page's address or for who may only look.

    Args:
        holder: the one operator whom the mail goes to.
        incident_uid: stable name of the one incident.
        actions: what the mail offers, in the order of its buttons.
        key: the installation's signing key.
        base_url: address of the page as operators reach it; empty if there is none.
        until: from when on the links do nothing; whole seconds count.
    """
    if not base_url or not holder.role.covers(Role.OPERATOR):
        return ()
    signer = _signer(key)
    return tuple(
        ActionLink(
            action,
            BUTTON_WORDS[action],
            f"{base_url.rstrip('/')}/act/{_sign(signer, holder, incident_uid, action, until)}",
            until,
        )
        for action in actions
    )


def read_link(token: str, *, key: str, at: datetime) -> LinkClaim | LinkFault:
    """Return what the last part of a link's address says, or why it is not believed."""
    if len(token) > _LONGEST:
        return LinkFault.FORGED
    try:
        name, epoch, uid, action, until = _signer(key).loads(token)
        claim = LinkClaim(
            operator=str(name),
            session_epoch=int(epoch),
            incident_uid=str(uid),
            action=MailAction(action),
            until=datetime.fromtimestamp(until, UTC),
        )
    except (BadData, ValueError, TypeError, OverflowError):
        return LinkFault.FORGED
    return LinkFault.EXPIRED if at >= claim.until else claim


def _sign(
    signer: URLSafeSerializer,
    holder: LinkHolder,
    incident_uid: str,
    action: MailAction,
    until: datetime,
) -> str:
    said = [holder.name, holder.session_epoch, incident_uid, action.value, int(until.timestamp())]
    return signer.dumps(said)


def _signer(key: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        key,
        salt=_SALT,
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )
