"""Passwords of operators: hashed with Argon2id, and compared without telling who exists."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tankwatch.errors import UsageError

SHORTEST, LONGEST = 10, 256
# RFC 9106, second recommended option: what a server of readings can spare.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)


def hash_password(password: str) -> str:
    """Return the hash of a new password, in the encoded form that names its parameters.

    Raises:
        UsageError: it is too short, or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        message = (
            f"a password has {SHORTEST} to {LONGEST} characters, and this one {len(password)}: "
            "three or four unrelated words are easy to keep"
        )
        raise UsageError(message)
    return _HASHER.hash(password)


def is_right(password: str, stored: str | None) -> bool:
    """Return whether a password is the one of a hash; takes as long where there is no hash."""
    try:
        _HASHER.verify(stored or _nobodys(), password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


@cache
def _nobodys() -> str:
    return _HASHER.hash("of nobody")
