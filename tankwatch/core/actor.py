"""Who does something, from where, and what each role may do."""

from dataclasses import dataclass
from enum import StrEnum

from tankwatch.errors import UsageError


class Via(StrEnum):
    """The way by which somebody acts."""

    COMMAND = "command"
    PAGE = "page"
    MAIL = "mail"
    DAEMON = "daemon"


class Role(StrEnum):
    """What an operator may do: each role may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Return whether somebody of this role may do what `needed` may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and from where.

    Attributes:
        name: login of an operator, or whose account runs the command.
        via: the way.
        address: network address that the request came from; empty if there is none.
    """

    name: str
    via: Via
    address: str = ""


def parse_role(text: str) -> Role:
    """Return the role called `text`.

    Raises:
        UsageError: there is none of that name.
    """
    try:
        return Role(text)
    except ValueError:
        message = f"{text!r} is no role: say {', '.join(role.value for role in Role)}"
        raise UsageError(message) from None
