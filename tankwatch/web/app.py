"""The application: its routes, its errors, and the writer that lives as long as it does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from tankwatch import __version__
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine
from tankwatch.web import (
    acts,
    alarms,
    events,
    fleet_pages,
    forecasts,
    health,
    login,
    mail_actions,
    model_pages,
    pages,
    readings,
    scrape,
    series,
    site_incidents,
    tank_pages,
)
from tankwatch.web.guard import Guarded
from tankwatch.web.problems import Problem, add_handlers
from tankwatch.web.service import Service


def create_app(engine: Engine, settings: Settings) -> FastAPI:
    """Return the application over a database that is current."""
    service = Service(engine, settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.writer.start()
        async with service.live.running():
            yield
        await anyio.to_thread.run_sync(service.writer.stop)

    app = FastAPI(
        title="tankwatch",
        version=__version__,
        description="Readings of oil-tank farms in. A monitoring aid, not a safety system.",
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    app.state.figures = scrape.Figures(service)
    app.include_router(readings.router)
    app.include_router(health.router)
    app.include_router(scrape.router)
    app.include_router(series.router)
    app.include_router(forecasts.router)
    app.include_router(forecasts.pages)
    app.include_router(login.router)
    app.include_router(mail_actions.router)
    app.include_router(fleet_pages.router)
    app.include_router(tank_pages.router)
    app.include_router(model_pages.router)
    app.include_router(alarms.router)
    app.include_router(acts.router)
    app.include_router(site_incidents.router)
    app.include_router(events.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(packages=[("tankwatch.web", "static")]))
    app.add_middleware(scrape.Counted, figures=app.state.figures)
    app.add_middleware(Guarded)
    add_handlers(app)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Put the schema of problems into the OpenAPI document, which answers refer to by name."""
    described = app.openapi()
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
