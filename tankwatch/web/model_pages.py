"""Model versions on the page: looked at by everybody, chosen by an admin."""

from collections.abc import Mapping
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.errors import ModelError, ProblemError, UsageError
from tankwatch.store.engine import reading, writing
from tankwatch.store.model_acts import find_version, roll_back, use_version
from tankwatch.store.registry import ModelState, load_versions
from tankwatch.web import models_page
from tankwatch.web.forms import filled
from tankwatch.web.page_access import Visitor, needs
from tankwatch.web.page_route import PageRoute, page
from tankwatch.web.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Admin = Annotated[Visitor, Depends(needs(Role.ADMIN))]
Form = Annotated[Mapping[str, str], Depends(filled)]
_LONGEST_REASON = 500
_LOAD_AGAIN = "load the page of models again and look which versions there are"


@router.get("/models")
def show_models(
    request: Request, visitor: Annotated[Visitor, Depends(needs(Role.VIEWER))]
) -> Response:
    """Show each version, its figures, and why it is used."""
    service: Service = request.app.state.service
    with reading(service.engine) as connection:
        versions = load_versions(connection)
    view = models_page.view(
        versions,
        alarming=service.settings.detect.detector,
        zone=ZoneInfo(service.settings.plant.time_zone),
    )
    may_choose = visitor.role.covers(Role.ADMIN)
    return page(request, "models", view=view, may_choose=may_choose)


@router.post("/models/{number}/promote")
def promote(request: Request, number: int, visitor: Admin, form: Form) -> Response:
    """Use a version from the next pass on.

    Raises:
        ProblemError: 422, no reason is given; 409, it is used already or is in shadow.
    """
    service: Service = request.app.state.service
    reason = _reason(form)
    try:
        with writing(service.engine) as connection:
            chosen = find_version(load_versions(connection), number)
            _refuse(chosen.state, number)
            use_version(connection, number, by=visitor.actor, at=clock.now(), reason=reason)
    except (ModelError, UsageError) as error:
        raise _of(error) from error
    return RedirectResponse("/models", status_code=303)


@router.post("/models/rollback")
def go_back(request: Request, visitor: Admin, form: Form) -> Response:
    """Use the version of a detector again that was in use before.

    The form says which version that was when it was shown: if it is another by now, nothing is
    done.

    Raises:
        ProblemError: 422, no reason is given; 409, there is none, or it is another one by now.
    """
    service: Service = request.app.state.service
    detector, expected = form.get("detector", ""), form.get("to", "")
    reason = _reason(form)
    try:
        with writing(service.engine) as connection:
            done = roll_back(connection, detector, by=visitor.actor, at=clock.now(), reason=reason)
            if expected != str(done):
                message = f"version {done} was in use before, and no longer {expected}"
                raise ModelError(message)
    except (ModelError, UsageError) as error:
        raise _of(error) from error
    return RedirectResponse("/models", status_code=303)


def _refuse(state: ModelState, number: int) -> None:
    if state is ModelState.CHAMPION:
        message = f"version {number} is in use already"
        raise ModelError(message)
    if state is ModelState.SHADOW:
        message = f"version {number} is in shadow, and what that showed is to be looked at first"
        raise ProblemError(
            409,
            message,
            where="form",
            remedy=f"compare it with `tankwatch models compare {number}`, then use "
            f"`tankwatch models promote {number}`, which refuses one that did worse",
        )


def _reason(form: Mapping[str, str]) -> str:
    reason = form.get("reason", "").strip()
    if not reason or len(reason) > _LONGEST_REASON:
        raise ProblemError(
            422,
            f"a reason is needed, of at most {_LONGEST_REASON} characters",
            where="form",
            remedy="go back and say why: it is stored with the version",
        )
    return reason


def _of(error: Exception) -> ProblemError:
    what = str(error).partition(": ")[0]  # the remedy there is a command
    return ProblemError(409, what, where="form", remedy=_LOAD_AGAIN)
