"""The pages: how the plant's watch fares, and the quality of its readings."""

from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.store.engine import reading
from tankwatch.store.leases import load_leases
from tankwatch.store.plant import load_channels
from tankwatch.store.quality import load_channel_days, load_quality_days
from tankwatch.store.status import (
    count_tank_states,
    load_job_health,
    load_newest_days,
    load_quality,
)
from tankwatch.store.traffic import count_quarantine, load_message_counts
from tankwatch.web import health_page, quality_page
from tankwatch.web.page_access import needs
from tankwatch.web.page_route import PageRoute, page
from tankwatch.web.places import tank_at
from tankwatch.web.service import Service

router = APIRouter(
    route_class=PageRoute, dependencies=[Depends(needs(Role.VIEWER))], include_in_schema=False
)
TANKS_A_PAGE = 200
SINCE = timedelta(hours=24)
_Days = Annotated[int, Query(ge=1, le=366)]


@router.get("/health")
def show_health(request: Request) -> Response:
    """Show the last pass, the jobs and who runs them, and what went in and out since yesterday."""
    service: Service = request.app.state.service
    now = clock.now()
    with reading(service.engine) as connection:
        jobs = load_job_health(connection)
        states = count_tank_states(connection)
        leases = load_leases(connection)
        messages = load_message_counts(connection, since=now - SINCE)
        refused = count_quarantine(connection, since=now - SINCE)
    view = health_page.health(jobs, states, settings=service.settings, now=now)
    zone = ZoneInfo(service.settings.plant.time_zone)
    traffic = health_page.traffic(leases, messages, refused, zone=zone, now=now)
    return page(request, "health", view=view, traffic=traffic)


@router.get("/quality")
def show_quality(
    request: Request,
    days: _Days = 7,
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """Show the figures of each tank over the newest days, the worst first."""
    with reading(request.app.state.service.engine) as connection:
        newest = load_newest_days(connection, limit=days)
        rows = load_quality(connection, from_day_ms=newest[-1]) if newest else []
    view = quality_page.fleet(rows, newest, days=days, number=number, at_once=TANKS_A_PAGE)
    return page(request, "quality", view=view)


# Site and tank are one part: either name may have a slash in it.
@router.get("/quality/{place:path}")
def show_tank(request: Request, place: str, days: _Days = 31) -> Response:
    """Show the figures of a tank day by day, and the values of each channel."""
    with reading(request.app.state.service.engine) as connection:
        tank = tank_at(connection, place)
        newest = load_newest_days(connection, limit=days)
        from_ms = newest[-1] if newest else 0
        figures = load_quality_days(connection, tank, from_day_ms=from_ms)
        channels = load_channel_days(connection, tank, from_day_ms=from_ms)
        units = {channel.name: channel.unit for channel in load_channels(connection)}
    view = quality_page.tank(tank, figures, channels, units=units, days=days)
    return page(request, "quality_tank", view=view)
