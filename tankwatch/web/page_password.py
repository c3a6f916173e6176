"""Who may look while no operator can log in: who knows the page's password, or this machine.

Decision 0020 says why.
"""

import base64
import binascii
import hashlib
import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

from tankwatch.errors import ProblemError

_CHALLENGE = 'Basic realm="tankwatch", charset="UTF-8"'


def may_look(request: Request) -> None:
    """Let a request pass that may see the page.

    Raises:
        ProblemError: 401, it shows no password or a wrong one; 403, there is no password and it
            does not come from this machine.
    """
    password = request.app.state.service.settings.serve.page_password.get_secret_value()
    if password:
        _check(request.headers.get("authorization", ""), password)
    elif not is_local(request):
        raise ProblemError(
            403,
            "nobody can log in and the page has no password, so only this machine may look at it",
            where="server",
            remedy="give an operator a password (tankwatch operator password NAME), or set "
            "serve.page_password on the server and start it again",
        )


def is_local(request: Request) -> bool:
    """Return whether a request comes from this machine and is meant for it.

    The name it was sent to counts too: a page elsewhere could give its own name this machine's
    address, and would then be let in by the browser of whoever looks at it (DNS rebinding).
    """
    client = request.client.host if request.client else ""
    return _is_loopback(client) and _is_loopback(_named(request.headers.get("host", "")))


def _named(host: str) -> str:
    """Return the name of a Host header without its port; empty if it has none that can be read."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check(shown: str, password: str) -> None:
    scheme, _, packed = shown.partition(" ")
    if scheme.lower() != "basic":
        raise _refusal("this page asks for a password")
    try:
        decoded = base64.b64decode(packed.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise _refusal("the password was sent in a way that cannot be read") from None
    given = decoded.partition(b":")[2]
    if not hmac.compare_digest(_digest(given), _digest(password.encode())):
        raise _refusal("the password is wrong")


def _digest(password: bytes) -> bytes:
    """Return what is compared: of one length, so that not even that shows."""
    return hashlib.sha256(password).digest()


def _refusal(what: str) -> ProblemError:
    return ProblemError(
        401,
        what,
        where="header Authorization",
        remedy="give any user name and the password of serve.page_password",
        www_authenticate=_CHALLENGE,
    )
