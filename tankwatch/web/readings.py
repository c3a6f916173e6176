"""POST /api/v1/readings: a body of readings in, a verdict for each row out."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import anyio
import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Depends, Request, Response, Security

from tankwatch.core.readings import StoredRows
from tankwatch.errors import ProblemError, SourceError, UsageError, WrongSiteError
from tankwatch.ingest.body import Form, read_body, row_verdicts
from tankwatch.ingest.chunk import Chunk
from tankwatch.ingest.delivery import Delivery
from tankwatch.ingest.writer import Verdicts as Codes
from tankwatch.store.tokens import Token
from tankwatch.web.bodies import form_of, is_packed, read_limited, unpack
from tankwatch.web.parameters import Understanding, described, understood
from tankwatch.web.problems import of_source, of_usage, problem_responses
from tankwatch.web.schemas import READINGS_BODY, Verdicts, shown_rejects
from tankwatch.web.service import Service
from tankwatch.web.tokens import BEARER, authenticate, site_for

router = APIRouter(prefix="/api/v1", tags=["readings"])


@dataclass(frozen=True, slots=True)
class Post:
    """A body that has arrived, and what the request says of it."""

    body: bytes
    form: Form
    is_packed: bool
    understanding: Understanding
    token: Token
    site: str

    @property
    def name(self) -> str:
        """Return what quarantine calls the body: a repeated one has the same name."""
        return f"http:{self.token.name}/{hashlib.sha256(self.body).hexdigest()[:16]}"


@router.post(
    "/readings",
    response_model=Verdicts,
    responses=problem_responses(400, 401, 403, 408, 413, 415, 422, 429, 500, 503),
    openapi_extra={**READINGS_BODY, "parameters": described()},
    dependencies=[Security(BEARER)],
)
async def post_readings(
    request: Request, understanding: Annotated[Understanding, Depends(understood)]
) -> Response:
    """Store readings, and say what became of each row.

    The answer comes once they are committed.  The same body again changes nothing: what was stored
    or updated is then a duplicate.
    """
    service: Service = request.app.state.service
    token = await anyio.to_thread.run_sync(authenticate, service, request)
    site = site_for(service, token, understanding.site)
    form, packed = form_of(request), is_packed(request)
    with service.place():
        body = await read_limited(request, service.settings.serve)
        post = Post(body, form, packed, understanding, token, site)
        chunks, codes = await _deliver(service, post)
    return Response(_answer(chunks, codes), media_type="application/json")


async def _deliver(service: Service, post: Post) -> tuple[list[Chunk], Codes]:
    """Return the body's parts, and what became of its readings, once they are committed."""
    for is_last in (False, True):
        chunks = await anyio.to_thread.run_sync(_parse, service, post, limiter=service.parsing)
        delivery = Delivery(chunks, post.site, post.token)
        try:
            return chunks, await asyncio.wrap_future(service.writer.put(delivery))
        except WrongSiteError as error:
            # A tank was made elsewhere meanwhile; parsed again, its rows are refused one by one.
            service.forget_plant()
            if is_last:
                what, _, remedy = str(error).rpartition(": ")
                raise ProblemError(403, what, where="body", remedy=remedy) from error
    raise AssertionError


def _parse(service: Service, post: Post) -> list[Chunk]:
    body = unpack(post.body, service.settings.serve) if post.is_packed else post.body
    try:
        options = post.understanding.over(service.options_for(post.token))
        return read_body(body, post.form, post.name, options)
    except SourceError as error:
        raise of_source(error, post.name) from error
    except UsageError as error:
        raise of_usage(error) from error


def _answer(chunks: Sequence[Chunk], codes: Codes) -> bytes:
    words, lines = row_verdicts(chunks, codes)
    rejected = [record for chunk in chunks for record in chunk.rejected]
    counts = StoredRows(codes).count()
    place: dict[int, int] = {}
    if rejected:
        place = dict(zip(lines.tolist(), np.arange(1, lines.size + 1).tolist(), strict=True))
    answer: dict[str, Any] = {
        "stored": counts.stored,
        "updated": counts.updated,
        "duplicate": counts.duplicate,
        "rejected": len(rejected),
        "verdicts": words,
        "rejects": shown_rejects(rejected, place),
        "notes": [note for chunk in chunks for note in chunk.notes],
    }
    return json.dumps(answer, ensure_ascii=False).encode(errors="replace")
