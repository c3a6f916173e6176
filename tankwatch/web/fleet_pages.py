"""The first page: the fleet by site."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.core.rollup import HOUR_MS
from tankwatch.store.engine import reading
from tankwatch.store.fleet_status import load_fleet_status
from tankwatch.store.score_hours import load_score_hours
from tankwatch.web import fleet_page
from tankwatch.web.page_access import needs
from tankwatch.web.page_route import PageRoute, page
from tankwatch.web.series import detectors_of
from tankwatch.web.service import Service

router = APIRouter(
    route_class=PageRoute, dependencies=[Depends(needs(Role.VIEWER))], include_in_schema=False
)


@router.get("/")
def show_fleet(
    request: Request,
    site: Annotated[str, Query(max_length=200)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """Show a tile for each tank of a small fleet or of a site; of a large one the worst."""
    service: Service = request.app.state.service
    with reading(service.engine) as connection:
        chosen = fleet_page.choose(load_fleet_status(connection), site=site, number=number)
        hours = load_score_hours(
            connection,
            detectors_of(service.settings),
            chosen.tank_ids,
            from_ms=chosen.until_ms - fleet_page.HOURS * HOUR_MS,
            until_ms=chosen.until_ms,
        )
    view = fleet_page.view(chosen, hours, site=site, now=clock.now())
    return page(request, "fleet", view=view)
