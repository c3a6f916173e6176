"""Whether the server lives, and whether it can take readings."""

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from tankwatch.errors import StoreError
from tankwatch.store.schema import require_current
from tankwatch.web.schemas import Health
from tankwatch.web.service import Service

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Health:
    """Say that the server runs."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health, "description": "It cannot take any now."}})
async def readyz(request: Request, response: Response) -> Health:
    """Say whether readings would be taken now: the database answers and there is a free place."""
    faults = await anyio.to_thread.run_sync(_faults, request.app.state.service)
    if faults:
        response.status_code = 503
        return Health(status="not ready", faults=faults)
    return Health(status="ready")


def _faults(service: Service) -> list[str]:
    faults = []
    try:
        require_current(service.engine)
    except StoreError as error:
        faults.append(str(error))
    if not service.writer.is_alive:
        faults.append("nothing is being written: start the server again")
    if service.is_full:
        faults.append("every place for a post is taken: wait, or raise serve.waiting_posts")
    return faults
