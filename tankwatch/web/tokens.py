"""Who sends: the bearer token of a request, and the site that its new tanks belong to."""

from fastapi import Request
from fastapi.security import HTTPBearer

from tankwatch.errors import ProblemError
from tankwatch.store.engine import reading
from tankwatch.store.tokens import Token, TokenFault, find_token
from tankwatch.web.service import Service

BEARER = HTTPBearer(
    scheme_name="token",
    description="A source's token, made with `tankwatch token add`.",
    auto_error=False,
)
_WHY = {
    TokenFault.MALFORMED: "the token is not one of tankwatch's",
    TokenFault.UNKNOWN: "the token is not known here",
    TokenFault.REVOKED: "the token was revoked",
}
_REMEDY = "make a token with `tankwatch token add` and send `Authorization: Bearer <token>`"


def authenticate(service: Service, request: Request) -> Token:
    """Return the token that a request shows.

    Raises:
        ProblemError: 401, it shows none or one that is not accepted.
    """
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not shown.strip():
        raise _refusal("the request shows no bearer token")
    with reading(service.engine) as connection:
        found = find_token(connection, shown.strip())
    if isinstance(found, TokenFault):
        raise _refusal(_WHY[found])
    return found


def site_for(service: Service, token: Token, asked: str | None) -> str:
    """Return the site of tanks that are new: the one asked for, else the only one possible.

    Raises:
        ProblemError: 403, the token may not write there; 422, several sites could be meant.
    """
    plant = service.settings.plant.site
    if asked is not None and not token.may_write(asked):
        raise ProblemError(
            403,
            f"the token of {token.name!r} may not write to the site {asked[:120]!r}",
            where="query site",
            remedy=f"name one of {', '.join(token.sites)}, or make a token for that site",
        )
    if asked is not None:
        return asked
    if token.may_write(plant):
        return plant
    if len(token.sites) == 1:
        return token.sites[0]
    raise ProblemError(
        422,
        f"the token of {token.name!r} may write to several sites",
        where="query site",
        remedy=f"say where tanks that are new belong, with site= one of {', '.join(token.sites)}",
    )


def _refusal(what: str) -> ProblemError:
    return ProblemError(
        401,
        what,
        where="header Authorization",
        remedy=_REMEDY,
        www_authenticate='Bearer realm="tankwatch"',
    )
