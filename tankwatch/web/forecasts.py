"""What a tank is expected to do next: for charts, and as a page where no script runs."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo

import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response

from tankwatch.core.actor import Role
from tankwatch.scoring.forecast import MOST_STEPS, Forecast, LimitAhead
from tankwatch.scoring.wording import basis_sentence, limit_sentence
from tankwatch.settings import Settings
from tankwatch.store.engine import reading
from tankwatch.store.plant import Tank, load_channels
from tankwatch.store.series import load_kept
from tankwatch.web import forecast_page
from tankwatch.web.foreseen import Foreseen
from tankwatch.web.page_access import needs
from tankwatch.web.page_route import PageRoute, page
from tankwatch.web.places import tank_at
from tankwatch.web.problems import problem_responses
from tankwatch.web.schemas_forecast import ChannelForecast, ForecastOut, LimitOut
from tankwatch.web.series import load_series
from tankwatch.web.service import Service

router = APIRouter(tags=["charts"], dependencies=[Depends(needs(Role.VIEWER))])
pages = APIRouter(
    route_class=PageRoute, dependencies=[Depends(needs(Role.VIEWER))], include_in_schema=False
)
_DECIMALS = 6
# Of what is drawn, this share is what was read; the rest lies ahead.
_PAST = 3


@router.get(
    "/api/v1/tanks/{place:path}/forecast",
    responses=problem_responses(401, 403, 404, 422, 503),
)
async def get_forecast(
    request: Request,
    place: str,
    steps: Annotated[
        int | None,
        Query(ge=1, le=MOST_STEPS, description="Steps ahead; by default the response time."),
    ] = None,
) -> ForecastOut:
    """Return what is expected of a tank, ``site/tank``, and when it reaches its limits."""
    service: Service = request.app.state.service

    def look() -> ForecastOut:
        with reading(service.engine) as connection:
            tank = tank_at(connection, place)
        return _out(tank, service.foresight.of(tank, steps), service.settings)

    return await anyio.to_thread.run_sync(look, limiter=service.looking)


@pages.get("/forecast/{place:path}")
async def show_forecast(request: Request, place: str) -> Response:
    """Show what is expected of a tank, with pictures and a table."""
    service: Service = request.app.state.service

    def look() -> Response:
        settings = service.settings
        with reading(service.engine) as connection:
            tank = tank_at(connection, place)
            channels = load_channels(connection)
            kept = load_kept(connection, tank.tank_id)
        found = _out(tank, service.foresight.of(tank), settings)
        series = None
        if found.t and kept is not None:
            until_ms = found.t[-1] + found.step_ms
            span = (found.t[0] - _PAST * (until_ms - found.t[0]), until_ms)
            with reading(service.engine) as connection:
                series = load_series(
                    connection, tank, channels, kept, span, points=400, settings=settings
                )
        view = forecast_page.view(found, series, zone=ZoneInfo(settings.plant.time_zone))
        return page(request, "forecast", view=view)

    return await anyio.to_thread.run_sync(look, limiter=service.looking)


def _out(tank: Tank, foreseen: Foreseen, settings: Settings) -> ForecastOut:
    found, step_ms = foreseen.forecast, settings.grid.step_s * 1000
    common: dict[str, Any] = {"site": tank.site, "tank": tank.name, "step_ms": step_ms}
    if found is None:
        reason = f"There is no forecast: {foreseen.reason}."
        return ForecastOut(**common, model_version=None, t=[], channels=[], basis=reason)
    return ForecastOut(
        **common,
        model_version=found.model_version_id,
        t=[found.from_ms + step * found.step_s * 1000 for step in range(found.steps)],
        channels=[_channel(found, place) for place in range(len(found.channels))],
        basis=basis_sentence(found, ZoneInfo(settings.plant.time_zone)),
    )


def _channel(found: Forecast, place: int) -> ChannelForecast:
    low, median, high = np.round(found.bands[:, :, place], _DECIMALS).tolist()
    name = found.channels[place]
    return ChannelForecast(
        channel=name,
        unit=found.units[place],
        by_trend=found.by_trend[place],
        low=low,
        median=median,
        high=high,
        limits=[_limit(found, one) for one in found.limits if one.channel == name],
    )


def _limit(found: Forecast, one: LimitAhead) -> LimitOut:
    earliest, latest = one.when.earliest, one.when.latest
    return LimitOut(
        side="high" if one.side == "high" else "low",
        limit=one.limit,
        is_passed=one.is_passed,
        probability=one.when.share,
        earliest_s=None if earliest is None else earliest * found.step_s,
        latest_s=None if latest is None else latest * found.step_s,
        says=limit_sentence(one, found),
    )
