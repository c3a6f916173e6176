"""GET /events: news of the alarm list as server-sent events, for the scripts of the page."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.web.live import Live, Seen
from tankwatch.web.page_access import Visitor, needs, session_length
from tankwatch.web.page_route import PageRoute
from tankwatch.web.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
# A proxy ends what is silent for long, and only what is sent tells that a reader is gone.
_LOOKS_BETWEEN_SIGNS = 15


@router.get("/events")
async def follow(
    request: Request, visitor: Annotated[Visitor, Depends(needs(Role.VIEWER))]
) -> Response:
    """Tell of each change of the alarm list, until the reader leaves or may look no more."""
    service: Service = request.app.state.service
    lasts = session_length(request)

    def is_void(seen: Seen) -> bool:
        session = visitor.session
        if session is None:
            # Looked on without a login, which ends as soon as somebody can log in.
            return seen.has_logins
        is_old = clock.now() - session.since >= lasts
        return is_old or seen.epochs.get(session.operator_id) != session.epoch

    async def told(live: Live) -> AsyncIterator[str]:
        before: tuple[object, ...] = ()
        silent = 0
        async with aclosing(live.follow()) as looks:
            async for seen in looks:
                if is_void(seen):
                    yield "event: over\ndata: {}\n\n"
                    return
                now = (*seen.marker, seen.unseen)
                silent += 1
                if now != before:
                    yield f"event: alarms\ndata: {json.dumps({'unseen': seen.unseen})}\n\n"
                    before, silent = now, 0
                elif silent >= _LOOKS_BETWEEN_SIGNS:
                    yield ": nothing new\n\n"
                    silent = 0

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(told(service.live), media_type="text/event-stream", headers=headers)
