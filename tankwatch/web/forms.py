"""What a form of a page sends, from our own pages alone."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request

from tankwatch.errors import ProblemError

_TYPE = "application/x-www-form-urlencoded"
_MOST_BYTES, _MOST_FIELDS = 64_000, 100
_AGAIN = "load the page again and use its form"


async def filled(request: Request) -> Mapping[str, str]:
    """Return the fields of a posted form, by name; none for other requests.

    Raises:
        ProblemError: 403, another site sent it; 413 or 415 or 422, it is no form of ours.
    """
    if request.method != "POST":
        return {}
    refuse_other_sites(request)
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != _TYPE:
        raise ProblemError(
            415, f"a form is sent as {_TYPE}", where="header Content-Type", remedy=_AGAIN
        )
    body = await _body(request)
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise ProblemError(422, "the form cannot be read", where="body", remedy=_AGAIN) from None
    return {name: value.replace("\0", "") for name, value in fields}


def refuse_other_sites(request: Request) -> None:
    """Let a request pass that one of our pages sent, or a program that is no browser.

    A browser says which site a form is of; the token of the form is checked besides.

    Raises:
        ProblemError: 403, another site had the browser send it.
    """
    origin = request.headers.get("origin")
    if origin is None:
        is_ours = request.headers.get("sec-fetch-site", "none") in {"same-origin", "none"}
    else:
        base = request.app.state.service.settings.serve.base_url
        ours = {request.headers.get("host", "").lower(), urlsplit(base).netloc.lower()} - {""}
        is_ours = urlsplit(origin).netloc.lower() in ours
    if not is_ours:
        raise ProblemError(403, "another site sent this form", where="header Origin", remedy=_AGAIN)


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(request.app.state.service.settings.serve.body_timeout_s):
            async for piece in request.stream():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise ProblemError(
                        413,
                        "the form is too large",
                        where="body",
                        remedy=_AGAIN,
                        connection="close",
                    )
    except TimeoutError:
        raise ProblemError(
            408, "the form took too long", where="body", remedy=_AGAIN, connection="close"
        ) from None
    return body
