"""Buttons of mails: a page that asks, and what is done once it was confirmed.

The link is all that is needed, by design: it is signed, for one operator, one incident and one
action, and it ends.  Asking for the page changes nothing, since programs that guard mailboxes ask
for every address of a mail; only the form's POST acts.
"""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response

from tankwatch import clock
from tankwatch.core.mail_action import LinkClaim
from tankwatch.errors import ProblemError, UsageError
from tankwatch.notify.links import LinkFault, read_link
from tankwatch.store.engine import reading, writing
from tankwatch.store.mail_acts import LinkLook, LinkState, follow, look_at
from tankwatch.store.signing import known_signing_key
from tankwatch.web.forms import filled
from tankwatch.web.mail_page import act_view
from tankwatch.web.page_route import PageRoute, page
from tankwatch.web.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_LONGEST_WHY = 500
_FAULTS = {
    LinkFault.FORGED: (
        HTTPStatus.FORBIDDEN,
        "this link is damaged, or not one of this installation's",
        "follow it from the mail itself, or copy all of it; nothing was done",
    ),
    LinkFault.EXPIRED: (
        HTTPStatus.GONE,
        "this link is too old to act",
        "open the incident on the page of tankwatch; nothing was done",
    ),
}
_REFUSALS = {
    LinkState.NO_INCIDENT: (
        HTTPStatus.GONE,
        "the incident of this link is not kept any more",
        "look for it in the reports; nothing was done",
    ),
    LinkState.NO_OPERATOR: (
        HTTPStatus.FORBIDDEN,
        "the operator whom this link was sent to is not known any more",
        "use a link that was sent to you; nothing was done",
    ),
    LinkState.DISABLED: (
        HTTPStatus.FORBIDDEN,
        "the operator whom this link was sent to may not act any more",
        "use a link that was sent to you; nothing was done",
    ),
    LinkState.RENEWED: (
        HTTPStatus.FORBIDDEN,
        "this link is void since its operator has a new password",
        "log in to the page of tankwatch, or wait for the next mail; nothing was done",
    ),
    LinkState.ROLE_TOO_LOW: (
        HTTPStatus.FORBIDDEN,
        "the operator whom this link was sent to may only look now",
        "ask somebody of the shift; nothing was done",
    ),
}


@router.api_route("/act/{token}", methods=["GET", "HEAD"])
def ask(request: Request, token: str) -> Response:
    """Show what a link would do, or what it did; nothing changes, however often it is asked for."""
    service: Service = request.app.state.service
    claim = _claim(service, token)
    with reading(service.engine) as connection:
        look = _let_in(look_at(connection, claim, at=clock.now()))
    return page(
        request, "act", view=act_view(claim, look, ZoneInfo(service.settings.plant.time_zone))
    )


@router.post("/act/{token}")
def act(
    request: Request, token: str, fields: Annotated[Mapping[str, str], Depends(filled)]
) -> Response:
    """Do what a link says, once; then lead to the page that says so."""
    service: Service = request.app.state.service
    claim = _claim(service, token)
    why = " ".join(fields.get("why", "").split())[:_LONGEST_WHY]
    if claim.action.is_shelving and not why:
        raise ProblemError(
            422, "shelving needs a reason", where="form", remedy="go back and say why"
        )
    try:
        with writing(service.engine) as connection:
            _let_in(
                follow(
                    connection,
                    claim,
                    at=clock.now(),
                    address=request.client.host if request.client else "",
                    longest=_longest(service, claim),
                    why=why,
                )
            )
    except UsageError as error:
        with reading(service.engine) as connection:
            if look_at(connection, claim, at=clock.now()).state is LinkState.READY:
                what, _, remedy = str(error).rpartition(": ")
                raise ProblemError(
                    409, what or str(error), where="incident", remedy=remedy or "look at it again"
                ) from error
    # A page that is loaded again asks again, and acts no more.
    return Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": token})


def _claim(service: Service, token: str) -> LinkClaim:
    """Return what a link says.

    Raises:
        ProblemError: 403 or 410, it is not to be believed.
    """
    with reading(service.engine) as connection:
        key = known_signing_key(connection)
    claim = LinkFault.FORGED if key is None else read_link(token, key=key, at=clock.now())
    if isinstance(claim, LinkFault):
        status, what, remedy = _FAULTS[claim]
        raise ProblemError(status, what, where="link", remedy=remedy)
    return claim


def _longest(service: Service, claim: LinkClaim) -> timedelta:
    """Return the longest time for which such a link may shelve."""
    alarms = service.settings.alarms
    is_timed = claim.action.shelved_for is not None
    return timedelta(hours=alarms.longest_shelf_h if is_timed else alarms.longest_one_shot_h)


def _let_in(look: LinkLook) -> LinkLook:
    """Return what there is to know of a link whose operator may follow it.

    Raises:
        ProblemError: 403 or 410, they may not, or the incident is gone.
    """
    if look.state in _REFUSALS:
        status, what, remedy = _REFUSALS[look.state]
        raise ProblemError(status, what, where="link", remedy=remedy)
    return look
