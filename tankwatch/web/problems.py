"""Errors as bodies that say what, where and the remedy (RFC 9457, application/problem+json)."""

import json
import re
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from tankwatch.errors import ProblemError, SourceError, StoreError, UsageError

MEDIA_TYPE = "application/problem+json"
_FLAG = re.compile(r"--([a-z])")
_DOCS = "see /openapi.json for what can be asked"


class Problem(BaseModel):
    """Why a request was not served."""

    title: str = Field(description="What is wrong.")
    status: int = Field(description="HTTP status.")
    where: str = Field(description="Where it is wrong: a header, a parameter, the body, a line.")
    remedy: str = Field(description="What to do about it.")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI descriptions of answers that are problems."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def add_handlers(app: FastAPI) -> None:
    """Turn every error of `app` into a problem."""
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_parameters)
    app.add_exception_handler(StoreError, _of_store)
    app.add_exception_handler(Exception, _of_bug)


def of_source(error: SourceError, name: str) -> ProblemError:
    """Return the problem of a body that cannot be read at all."""
    told = str(error).removeprefix(f"{name}: ")
    what, _, remedy = told.rpartition(": ")
    # The messages are those of files, whose options are written with dashes.
    remedy = _FLAG.sub(r"the query parameter \1", remedy)
    return ProblemError(400, what or told, where="body", remedy=remedy)


def of_usage(error: UsageError) -> ProblemError:
    """Return the problem of parameters that do not fit the plant."""
    what, _, remedy = str(error).rpartition(": ")
    return ProblemError(422, what or str(error), where="query", remedy=remedy)


def _answer(problem: ProblemError) -> Response:
    body = {
        "title": problem.what,
        "status": problem.status,
        "where": problem.where,
        "remedy": problem.remedy,
    }
    return Response(
        json.dumps(body, ensure_ascii=False).encode(errors="replace"),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - as it was registered
    return _answer(error)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    what = f"{request.method}: {error.detail}"
    found = ProblemError(error.status_code, what, where=request.url.path, remedy=_DOCS)
    found.headers = dict(error.headers or {})
    return _answer(found)


async def _of_parameters(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    return _answer(ProblemError(422, first["msg"], where=where, remedy=_DOCS))


async def _of_store(request: Request, error: Exception) -> Response:
    what, _, remedy = str(error).rpartition(": ")
    state = request.app.state.service
    again_how = (
        "ask again" if request.method in {"GET", "HEAD"} else "nothing was stored, send it again"
    )
    again = ProblemError(
        503,
        what or str(error),
        where="database",
        remedy=f"{remedy or 'the database is out of reach'}; {again_how}",
        retry_after=str(state.settings.serve.retry_after_s),
    )
    return _answer(again)


async def _of_bug(_request: Request, error: Exception) -> Response:
    what = f"the server failed ({type(error).__name__}); nothing is known to be stored"
    return _answer(ProblemError(500, what, where="server", remedy="see the server's log"))
