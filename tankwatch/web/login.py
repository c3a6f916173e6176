"""Logging in to the page, and out of it.

These are the routes that need no role: whoever is here is not known yet, or wants to leave.
"""

from collections.abc import Mapping
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from tankwatch import clock
from tankwatch.core.actor import Actor, Role, Via
from tankwatch.errors import ProblemError
from tankwatch.store.acts import audit
from tankwatch.store.engine import reading, writing
from tankwatch.store.people import find_operator, has_logins, load_password_hash
from tankwatch.store.signing import signing_key
from tankwatch.web import sessions
from tankwatch.web.forms import filled
from tankwatch.web.page_access import (
    Visitor,
    address_of,
    find_visitor,
    needs,
    session_length,
)
from tankwatch.web.page_route import PageRoute, own_address, page
from tankwatch.web.passwords import is_right
from tankwatch.web.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_Next = Annotated[str, Query(alias="next", max_length=2000)]
_LONGEST_LOGIN = 60


@router.get("/login")
def show_login(request: Request, after: _Next = "/") -> Response:
    """Show the form, or go on if somebody is logged in already."""
    service: Service = request.app.state.service
    with reading(service.engine) as connection:
        visitor = find_visitor(connection, request)
        possible = has_logins(connection)
    if visitor is not None:
        return _go(after)
    return page(request, "login", after=own_address(after), possible=possible, login="", fault="")


@router.post("/login")
async def log_in(request: Request, form: Annotated[Mapping[str, str], Depends(filled)]) -> Response:
    """Begin a session if login and password are right; every wrong one is counted.

    Raises:
        ProblemError: 429, too many were wrong.
    """
    service: Service = request.app.state.service
    login, after = form.get("login", "").strip().lower()[:_LONGEST_LOGIN], form.get("next", "/")
    address = address_of(request)
    wait_s = service.throttle.wait_s(login, address, now=clock.now())
    if wait_s:
        raise ProblemError(
            429,
            "too many wrong passwords",
            where="login",
            remedy=f"wait {-(-wait_s // 60)} min, then try again",
            retry_after=str(wait_s),
        )
    # Counted before it is known to be wrong, so that many at once are no more than one by one.
    service.throttle.note_wrong(login, address, now=clock.now())
    password = form.get("password", "")
    cookie = await anyio.to_thread.run_sync(
        _begun, service, login, password, address, limiter=service.hashing
    )
    if cookie is None:
        fault = "The login or the password is wrong."
        shown = {"after": own_address(after), "possible": True, "login": login, "fault": fault}
        return page(request, "login", status=401, **shown)
    service.throttle.note_right(login, address)
    answer = _go(after)
    sessions.give(request, answer, cookie, session_length(request))
    return answer


@router.post("/logout")
def log_out(request: Request, visitor: Annotated[Visitor, Depends(needs(Role.VIEWER))]) -> Response:
    """End the session in this browser."""
    service: Service = request.app.state.service
    with writing(service.engine) as connection:
        subject = f"operator {visitor.name}"
        audit(connection, visitor.actor, action="logout", subject=subject, at=clock.now())
    answer = RedirectResponse("/login", status_code=303)
    sessions.take_back(request, answer)
    return answer


def _go(after: str) -> Response:
    return RedirectResponse(own_address(after), status_code=303)


def _begun(service: Service, login: str, password: str, address: str) -> str | None:
    """Return the cookie of a new session, None if login or password is wrong; both are audited."""
    with reading(service.engine) as connection:
        known = find_operator(connection, login) if login.isprintable() else None
        stored = load_password_hash(connection, login) if known else None
    right = is_right(password, stored)
    if known is None:
        return None
    now, who = clock.now(), Actor(login, Via.PAGE, address)
    action = "login" if right else "login-refused"
    with writing(service.engine) as connection:
        audit(connection, who, action=action, subject=f"operator {login}", at=now)
        return sessions.sealed(signing_key(connection), known, now=now) if right else None
