"""Sessions of the page: a signed cookie that names the operator, and the token of its forms.

Nothing of a session is stored. It is void once it is too old, the operator is disabled or has a
new password (`session_epoch`), or the signing key is forgotten.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request, Response
from itsdangerous import BadData, Signer, URLSafeSerializer

from tankwatch.core.times import from_ms, to_ms
from tankwatch.store.people import Operator

COOKIE = "tankwatch_session"
_SESSION, _FORM = b"tankwatch page session", b"tankwatch page form"


@dataclass(frozen=True, slots=True)
class Session:
    """Whose session it is, of which epoch, and since when."""

    operator_id: int
    epoch: int
    since: datetime

    def is_of(self, operator: Operator) -> bool:
        """Return whether it still opens the page to that operator."""
        own = (operator.operator_id, operator.session_epoch)
        return operator.is_active and (self.operator_id, self.epoch) == own


def sealed(key: str, operator: Operator, *, now: datetime) -> str:
    """Return the cookie of a new session; no two are equal."""
    said = [operator.operator_id, operator.session_epoch, to_ms(now), secrets.token_urlsafe(9)]
    return str(URLSafeSerializer(key, salt=_SESSION).dumps(said))


def opened(key: str, cookie: str, *, now: datetime, lasts: timedelta) -> Session | None:
    """Return the session of a cookie; None if we did not sign it, or it is over."""
    try:
        operator_id, epoch, since_ms, _ = URLSafeSerializer(key, salt=_SESSION).loads(cookie)
    except BadData:
        return None
    since = from_ms(since_ms)
    if not timedelta(0) <= now - since < lasts:
        return None
    return Session(operator_id, epoch, since)


def form_token(key: str, cookie: str) -> str:
    """Return what a form of a session must show, which no other site can know."""
    return Signer(key, salt=_FORM).get_signature(cookie).decode()


def give(request: Request, answer: Response, cookie: str, lasts: timedelta) -> None:
    """Have the browser keep a session; over TLS it never sends it otherwise."""
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def take_back(request: Request, answer: Response) -> None:
    """Have the browser forget its session."""
    secure = request.url.scheme == "https"
    answer.delete_cookie(COOKIE, path="/", secure=secure, httponly=True, samesite="lax")
