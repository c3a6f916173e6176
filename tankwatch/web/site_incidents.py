"""What many tanks of a site do together: its page, and acknowledging all of it at once."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.errors import ProblemError, UsageError
from tankwatch.store import acts
from tankwatch.store.alarm_list import sorted_alarms
from tankwatch.store.engine import Connection, reading
from tankwatch.store.patience import written
from tankwatch.store.siblings import SiteIncident, find_site_incident
from tankwatch.web import site_page
from tankwatch.web.acts import late, one_line
from tankwatch.web.alarms import MOST, lines_of
from tankwatch.web.forms import filled
from tankwatch.web.page_access import Visitor, needs
from tankwatch.web.page_route import PageRoute, own_address, page
from tankwatch.web.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_PATIENCE_S = 10.0


@router.get("/site-incidents/{uid}", dependencies=[Depends(needs(Role.VIEWER))])
def show_site_incident(request: Request, uid: str) -> Response:
    """Show what many tanks of a site do together, and the incident of each."""
    service: Service = request.app.state.service
    now, zone = clock.now(), service.settings.plant.time_zone
    with reading(service.engine) as connection:
        one = _need(connection, uid)
        members = sorted_alarms(connection, one.incident_ids)
        lines = lines_of(connection, members[:MOST], time_zone=zone, now=now)
    view = site_page.site_incident(one, members, lines, time_zone=zone, now=now)
    return page(request, "site_incident", view=view)


@router.post("/site-incidents/{uid}/acknowledge")
def acknowledge(
    request: Request,
    uid: str,
    by: Annotated[Visitor, Depends(needs(Role.OPERATOR))],
    form: Annotated[Mapping[str, str], Depends(filled)],
) -> Response:
    """Note that somebody has seen what the tanks do, in one transaction."""
    service: Service = request.app.state.service
    reason = one_line(form, "reason")

    done: set[int] = set()

    def note(connection: Connection) -> None:
        one = _need(connection, uid)
        try:
            seen = acts.acknowledge_together(
                connection, one, by=by.actor, at=clock.now(), reason=reason
            )
        except UsageError as error:
            raise late(str(error)) from error
        # Done again, as the answer to the commit was lost, it finds nothing left to do.
        if not seen and not done:
            raise late("all of it is acknowledged already")
        done.update(seen)

    # It holds many incidents, so it and a pass may each wait for what the other holds.
    written(service.engine, note, patience_s=_PATIENCE_S)
    back = own_address(form.get("back", ""), otherwise=f"/site-incidents/{uid}")
    return RedirectResponse(back, status_code=303)


def _need(connection: Connection, uid: str) -> SiteIncident:
    found = find_site_incident(connection, uid)
    if found is None:
        raise ProblemError(
            404,
            f"there is no incident of a site {uid[:60]!r}",
            where="address",
            remedy="those that go on stand above the alarm list; "
            "`tankwatch site-incidents --all` has every one",
        )
    return found
