"""Who is at the page, and what a route needs of them.

A route of the page says which role it needs: ``dependencies=[Depends(needs(Role.VIEWER))]``, or as
a parameter where it wants to know who acts. Decision 0020 says why.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request

from tankwatch import clock
from tankwatch.core.actor import Actor, Role, Via
from tankwatch.errors import ProblemError
from tankwatch.store.alarm_list import count_unseen
from tankwatch.store.engine import Connection, reading
from tankwatch.store.people import has_logins, load_operators
from tankwatch.store.signing import known_signing_key
from tankwatch.web import sessions
from tankwatch.web.forms import filled
from tankwatch.web.page_password import may_look
from tankwatch.web.service import Service

FORM_TOKEN = "form_token"  # noqa: S105 - a field
TOKEN_HEADER = "x-form-token"  # noqa: S105 - a header


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is at the page.

    Attributes:
        name: login; empty for somebody who may only look, as nobody can log in yet.
        full_name: name as it is shown.
        role: what they may do.
        address: network address they come from.
        form_token: what their forms must show; empty without a session.
        session: their session; None without one.
    """

    name: str
    full_name: str
    role: Role
    address: str
    form_token: str = ""
    session: sessions.Session | None = None

    @property
    def may_act(self) -> bool:
        """Return whether they may do what operators do."""
        return self.role.covers(Role.OPERATOR)

    @property
    def actor(self) -> Actor:
        """Return who acts, as the audit trail has it."""
        return Actor(self.name, Via.PAGE, self.address)


def visiting(request: Request) -> Visitor:
    """Return who is at the page, and note it for its layout.

    Raises:
        ProblemError: 303 to the login, or 401 or 403: they may not look.
    """
    service: Service = request.app.state.service
    with reading(service.engine) as connection:
        visitor = find_visitor(connection, request)
        if visitor is None and has_logins(connection):
            raise _log_in_first(request)
        unseen = count_unseen(connection)
    if visitor is None:
        may_look(request)
        visitor = Visitor("", "", Role.VIEWER, address_of(request))
    request.state.visitor, request.state.unseen = visitor, unseen
    return visitor


def find_visitor(connection: Connection, request: Request) -> Visitor | None:
    """Return who is logged in; None without a valid session."""
    cookie = request.cookies.get(sessions.COOKIE, "")
    key = known_signing_key(connection) if cookie else None
    if key is None:
        return None
    lasts = session_length(request)
    session = sessions.opened(key, cookie, now=clock.now(), lasts=lasts)
    found = load_operators(connection, ids=[session.operator_id]) if session else []
    if session is None or not found or not session.is_of(found[0]):
        return None
    return Visitor(
        name=found[0].name,
        full_name=found[0].full_name,
        role=found[0].role,
        address=address_of(request),
        form_token=sessions.form_token(key, cookie),
        session=session,
    )


def session_length(request: Request) -> timedelta:
    """Return how long a login lasts."""
    service: Service = request.app.state.service
    return timedelta(hours=service.settings.serve.session_h)


def address_of(request: Request) -> str:
    """Return the network address of who asks, as a proxy on this machine tells it."""
    return request.client.host if request.client else ""


class Needs:
    """A dependency that lets pass who covers a role; a form must show its session's token."""

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(
        self,
        request: Request,
        visitor: Annotated[Visitor, Depends(visiting)],
        form: Annotated[Mapping[str, str], Depends(filled)],
    ) -> Visitor:
        """Return who is at the page.

        Raises:
            ProblemError: 403, their role does not cover it, or the form is not of their session.
        """
        if not visitor.role.covers(self.role):
            raise _refusal(visitor, self.role)
        if request.method == "POST":
            shown = form.get(FORM_TOKEN) or request.headers.get(TOKEN_HEADER, "")
            if not visitor.form_token or not hmac.compare_digest(
                visitor.form_token.encode(), shown.encode()
            ):
                raise _not_of_the_session()
        return visitor


@cache
def needs(role: Role) -> Needs:
    """Return the dependency of routes that somebody of `role` may use."""
    return Needs(role)


def _log_in_first(request: Request) -> ProblemError:
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    shown = request.method == "GET"
    login = f"/login?next={quote(asked, safe='')}" if shown else "/login"
    what, remedy = "you are not logged in, or no longer", "log in, then do it again"
    if shown and "text/html" in request.headers.get("accept", "") and not _is_part(request):
        return ProblemError(303, what, where="session", remedy=remedy, location=login)
    return ProblemError(401, what, where="session", remedy=remedy, hx_redirect=login)


def _is_part(request: Request) -> bool:
    """Return whether a script of ours asks for a part of a page."""
    return request.headers.get("hx-request") == "true"


def _refusal(visitor: Visitor, role: Role) -> ProblemError:
    if not visitor.name:
        return ProblemError(
            403,
            "nobody can log in yet, so this page may be looked at and no more",
            where="session",
            remedy="give an operator a password: tankwatch operator password NAME",
        )
    return ProblemError(
        403,
        f"{visitor.name} is a {visitor.role.value} here, and this is for the role {role.value}",
        where="role",
        remedy="ask somebody of that role, or who looks after tankwatch",
    )


def _not_of_the_session() -> ProblemError:
    return ProblemError(
        403,
        "the form does not belong to your login",
        where="form",
        remedy="load the page again and use its form: it may be older than your login",
    )
