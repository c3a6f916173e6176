"""The page of a tank: its chart, state, incidents and limits."""

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.store.engine import reading
from tankwatch.store.incidents import load_incidents
from tankwatch.store.muting import load_mute
from tankwatch.store.plant import load_channels
from tankwatch.store.series import load_kept
from tankwatch.store.status import load_one_status
from tankwatch.web import tank_page
from tankwatch.web.page_access import needs
from tankwatch.web.page_route import PageRoute, page
from tankwatch.web.places import tank_at
from tankwatch.web.series import load_series, span_of
from tankwatch.web.service import Service

router = APIRouter(
    route_class=PageRoute, dependencies=[Depends(needs(Role.VIEWER))], include_in_schema=False
)
POINTS = 400
MOST_INCIDENTS = 30


# Site and tank are one part: either name may have a slash in it.
@router.get("/tanks/{place:path}")
def show_tank(
    request: Request,
    place: str,
    begin: Annotated[str, Query(alias="from", max_length=40)] = "",
    end: Annotated[str, Query(alias="to", max_length=40)] = "",
    hours: Annotated[int, Query(ge=1, le=100_000)] = 24,
) -> Response:
    """Show a tank: a chart where scripts run, pictures of the same span where none do."""
    service: Service = request.app.state.service
    now = clock.now()
    zone = ZoneInfo(service.settings.plant.time_zone)
    with reading(service.engine) as connection:
        tank = tank_at(connection, place)
        kept = load_kept(connection, tank.tank_id)
        span = span_of(begin, end, kept, hours=hours)
        series = load_series(
            connection,
            tank,
            load_channels(connection),
            kept,
            span,
            points=POINTS,
            settings=service.settings,
        )
        status = load_one_status(connection, tank)
        incidents = load_incidents(connection, tank=tank.name, limit=MOST_INCIDENTS)
        mute = load_mute(connection, tank.tank_id, status["open_incident_id"], now)
    view = tank_page.view(
        tank,
        status,
        series,
        incidents,
        hours="" if begin or end else str(hours),
        zone=zone,
        mute=mute,
        now=now,
    )
    return page(request, "tank", view=view)
