"""What operators do to incidents on the page: forms that are posted, with or without scripts."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.errors import ProblemError, UsageError
from tankwatch.store import acts
from tankwatch.store.engine import Connection, writing
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.scope import scope_of_incident
from tankwatch.store.shelves import shelve as store_shelf
from tankwatch.store.shelves import shelve_until_clear
from tankwatch.store.shelves import unshelve as end_shelf
from tankwatch.web.alarm_page import VERDICT_WORDS
from tankwatch.web.alarms import need_incident
from tankwatch.web.forms import filled
from tankwatch.web.page_access import Visitor, needs
from tankwatch.web.page_route import PageRoute, own_address
from tankwatch.web.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_By = Annotated[Visitor, Depends(needs(Role.OPERATOR))]
_Form = Annotated[Mapping[str, str], Depends(filled)]
_LONGEST = 500
# What a form can ask for; None is until the incident clears.
SPANS = {
    "1h": timedelta(hours=1),
    "8h": timedelta(hours=8),
    "24h": timedelta(hours=24),
    "clear": None,
}


@router.post("/incidents/{uid}/acknowledge")
def acknowledge(request: Request, uid: str, by: _By, form: _Form) -> Response:
    """Note that somebody has seen an incident."""

    def done(connection: Connection, stored: StoredIncident) -> None:
        if not stored.incident.state.is_unseen:
            who = f" by {stored.acknowledged_by}" if stored.acknowledged_by else ""
            raise late(f"it is {stored.incident.state.value.replace('_', ' ')} already{who}")
        reason = one_line(form, "reason")
        acts.acknowledge(connection, stored.incident_id, by=by.actor, at=clock.now(), reason=reason)

    return _acted(request, uid, form, done)


@router.post("/incidents/{uid}/reset")
def reset(request: Request, uid: str, by: _By, form: _Form) -> Response:
    """Let go of an incident that is over and latched."""

    def done(connection: Connection, stored: StoredIncident) -> None:
        reason = one_line(form, "reason")
        acts.reset(connection, stored.incident_id, by=by.actor, at=clock.now(), reason=reason)

    return _acted(request, uid, form, done)


@router.post("/incidents/{uid}/close")
def close(request: Request, uid: str, by: _By, form: _Form) -> Response:
    """Close an incident by hand, for a reason."""
    reason = _needed(form, "reason", "closing an incident by hand needs a reason")

    def done(connection: Connection, stored: StoredIncident) -> None:
        acts.close(connection, stored.incident_id, by=by.actor, at=clock.now(), reason=reason)

    return _acted(request, uid, form, done)


@router.post("/incidents/{uid}/label")
def label(request: Request, uid: str, by: _By, form: _Form) -> Response:
    """Store what an operator says an incident was."""
    verdict, cause = form.get("verdict", ""), one_line(form, "cause")
    if verdict not in VERDICT_WORDS:
        raise _lacking("verdict", "say whether it was a fault or not")

    def done(connection: Connection, stored: StoredIncident) -> None:
        key, at = stored.incident_id, clock.now()
        acts.label(connection, key, verdict=verdict, by=by.actor, at=at, cause=cause)

    return _acted(request, uid, form, done)


@router.post("/incidents/{uid}/shelve")
def shelve(request: Request, uid: str, by: _By, form: _Form) -> Response:
    """Shelve the tank of an incident for hours, or the incident until it clears, for a reason."""
    reason = _needed(form, "reason", "shelving needs a reason")
    asked, now = form.get("for", ""), clock.now()
    service: Service = request.app.state.service
    alarms = service.settings.alarms
    if asked not in SPANS:
        raise _lacking("for", "say for how long")

    def done(connection: Connection, stored: StoredIncident) -> None:
        key, span = stored.incident_id, SPANS[asked]
        if span is None:
            most = timedelta(hours=alarms.longest_one_shot_h)
            shelve_until_clear(connection, key, longest=most, by=by.actor, at=now, reason=reason)
            return
        most, scope = timedelta(hours=alarms.longest_shelf_h), scope_of_incident(connection, key)
        store_shelf(connection, scope, span=span, longest=most, by=by.actor, at=now, reason=reason)

    return _acted(request, uid, form, done)


@router.post("/incidents/{uid}/unshelve")
def unshelve(request: Request, uid: str, by: _By, form: _Form) -> Response:
    """Let the alarms of the tank of an incident through again."""

    def done(connection: Connection, stored: StoredIncident) -> None:
        scope = scope_of_incident(connection, stored.incident_id)
        end_shelf(connection, scope, by=by.actor, at=clock.now())

    return _acted(request, uid, form, done)


def _acted(
    request: Request,
    uid: str,
    form: Mapping[str, str],
    done: Callable[[Connection, StoredIncident], None],
) -> Response:
    """Do something to an incident in one transaction, and lead back to where the form was."""
    service: Service = request.app.state.service
    with writing(service.engine) as connection:
        stored = need_incident(connection, uid)
        try:
            done(connection, stored)
        except UsageError as error:
            raise late(str(error)) from error
    back = own_address(form.get("back", ""), otherwise=f"/incidents/{stored.incident.uid}")
    return RedirectResponse(back, status_code=303)


def one_line(form: Mapping[str, str], name: str) -> str:
    """Return a field as one line of bounded length."""
    return " ".join(form.get(name, "").split())[:_LONGEST]


def _needed(form: Mapping[str, str], name: str, what: str) -> str:
    text = one_line(form, name)
    if not text:
        raise _lacking(name, what)
    return text


def _lacking(name: str, what: str) -> ProblemError:
    return ProblemError(422, what, where=f"field {name}", remedy="fill the form in, and send it")


def late(what: str) -> ProblemError:
    """Return the refusal of what cannot be done any more."""
    return ProblemError(
        409, what, where="incident", remedy="load the page again: somebody else may have acted"
    )
