"""The body of a request, within its limits: read, told by its type, and unpacked."""

import asyncio
import zlib
from collections.abc import AsyncIterator

from fastapi import Request

from tankwatch.errors import ProblemError
from tankwatch.ingest.body import Form
from tankwatch.settings_serve import Serve

MB = 1_000_000
FORMS = {
    "application/json": Form.JSON,
    "application/x-ndjson": Form.JSON_LINES,
    "application/jsonl": Form.JSON_LINES,
    "text/csv": Form.CSV,
}
_GZIP_OR_ZLIB = 31  # window bits for the gzip format and no other
_PIECE = 1 << 20


def form_of(request: Request) -> Form:
    """Return how the body is written, as its header says.

    Raises:
        ProblemError: 415, it is of another type.
    """
    given = request.headers.get("content-type", "")
    form = FORMS.get(given.partition(";")[0].strip().lower())
    if form is None:
        raise ProblemError(
            415,
            f"the body is of type {given[:80]!r}" if given else "the body's type is not stated",
            where="header Content-Type",
            remedy=f"send one of {', '.join(FORMS)}",
            accept_post=", ".join(FORMS),
        )
    return form


def is_packed(request: Request) -> bool:
    """Return whether the body is packed with gzip, as its header says.

    Raises:
        ProblemError: 415, it is packed in another way.
    """
    given = request.headers.get("content-encoding", "identity").strip().lower()
    if given not in {"gzip", "x-gzip", "identity", ""}:
        raise ProblemError(
            415,
            f"the body is packed with {given[:80]!r}",
            where="header Content-Encoding",
            remedy="pack it with gzip, or not at all",
            accept_encoding="gzip, identity",
        )
    return given in {"gzip", "x-gzip"}


async def read_limited(request: Request, limits: Serve) -> bytes:
    """Return the body as it was sent.

    Raises:
        ProblemError: 413, it is too large; 408, it takes too long.
    """
    most = int(limits.body_mb * MB)
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > most:
        raise _too_large(most, "serve.body_mb")
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            return await _collect(request.stream(), most)
    except TimeoutError:
        raise ProblemError(
            408,
            f"the body had not arrived after {limits.body_timeout_s:g} s",
            where="body",
            remedy="send smaller bodies, or raise serve.body_timeout_s on the server",
            connection="close",
        ) from None


def unpack(packed: bytes, limits: Serve) -> bytes:
    """Return a gzip body unpacked, however many members it has.

    Raises:
        ProblemError: 400, it is damaged or cut off; 413, it is too large once unpacked.
    """
    most = int(limits.unpacked_mb * MB)
    pieces: list[bytes] = []
    size, rest = 0, packed
    try:
        while rest:
            member = zlib.decompressobj(_GZIP_OR_ZLIB)
            while not member.eof:
                piece = member.decompress(rest, _PIECE)
                rest = member.unconsumed_tail
                size += len(piece)
                if size > most:
                    raise _too_large(most, "serve.unpacked_mb")
                pieces.append(piece)
                if not piece and not rest and not member.eof:
                    message = "it ends too early"
                    raise zlib.error(message)
            rest = member.unused_data
    except zlib.error as error:
        raise ProblemError(
            400,
            f"the gzip body is damaged ({error})",
            where="body",
            remedy="pack it again and send it whole, or leave Content-Encoding away",
        ) from error
    return b"".join(pieces)


async def _collect(stream: AsyncIterator[bytes], most: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in stream:
        size += len(piece)
        if size > most:
            raise _too_large(most, "serve.body_mb")
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(most: int, key: str) -> ProblemError:
    what = "once it is unpacked " if key == "serve.unpacked_mb" else ""
    return ProblemError(
        413,
        f"the body is {what}larger than {most / MB:g} MB",
        where="body",
        remedy=f"send the readings in several posts, or raise {key} on the server",
        connection="close",
    )
