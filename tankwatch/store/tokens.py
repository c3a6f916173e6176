"""Tokens by which sources show who they are, and the sites that each may write to.

A token is ``tw_<key>_<secret>``.  Only the SHA-256 of the secret is kept: it is 256 random bits,
which nobody can guess from a hash, so a slow one would protect nothing more and cost each request.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.errors import UsageError
from tankwatch.store.base import Base, UtcTime
from tankwatch.store.plant import SiteRow, ensure_site

_FORM = re.compile(r"tw_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NOBODY = "0" * 64
# Once a minute is enough to see whether a source lives, and spares a write for each of its posts.
_USED_EVERY = timedelta(minutes=1)


class TokenRow(Base):
    """A token of a source; a name may be given again once its token is revoked."""

    __tablename__ = "token"
    __table_args__ = (
        Index(
            "ix_token_name",
            "name",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    token_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    key: Mapped[str] = mapped_column(String(16), unique=True)
    sha256: Mapped[str] = mapped_column(String(64))
    every_site: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)


class TokenSiteRow(Base):
    """A site that a token may write to."""

    __tablename__ = "token_site"

    token_id: Mapped[int] = mapped_column(
        ForeignKey("token.token_id"), primary_key=True, autoincrement=False
    )
    site_id: Mapped[int] = mapped_column(
        ForeignKey("site.site_id"), primary_key=True, autoincrement=False, index=True
    )


@dataclass(frozen=True, slots=True)
class Token:
    """A token as operators see it; `sites` is empty for one that may write to every site."""

    token_id: int
    name: str
    sites: tuple[str, ...]
    every_site: bool
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    def may_write(self, site: str) -> bool:
        """Return whether the token's source may write to `site`."""
        return self.every_site or site in self.sites


class TokenFault(StrEnum):
    """Why a token is not accepted."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    REVOKED = "revoked"


def add_token(
    connection: Connection, name: str, *, sites: Sequence[str], every_site: bool, at: datetime
) -> str:
    """Store a token for the source `name`, and return its text, which is kept nowhere.

    Raises:
        UsageError: the name cannot be used or has a token already, or no site is named.
    """
    if not name.strip() or len(name) > 120 or not name.isprintable():
        message = f"{name!r} cannot name a source: use 1 to 120 printable characters"
        raise UsageError(message)
    if bool(sites) == every_site:
        message = f"say which sites {name!r} may write to: --site NAME, or --every-site"
        raise UsageError(message)
    if _find_active(connection, name) is not None:
        message = f"{name!r} has a token already: revoke it first, with `tankwatch token revoke`"
        raise UsageError(message)
    key, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    row = {"name": name, "key": key, "sha256": _hash(secret), "every_site": every_site}
    made = insert(TokenRow).values(row | {"created_at": at}).returning(TokenRow.token_id)
    token_id = connection.execute(made).scalar_one()
    for site in dict.fromkeys(sites):
        allowed = {"token_id": token_id, "site_id": ensure_site(connection, site)}
        connection.execute(insert(TokenSiteRow).values(allowed))
    return f"tw_{key}_{secret}"


def load_tokens(connection: Connection) -> list[Token]:
    """Return every token, revoked ones too, in the order in which they were made."""
    query = _WITH_SITES.order_by(TokenRow.token_id, SiteRow.name)
    rows = connection.execute(query).all()
    return [_token(list(own)) for _, own in groupby(rows, key=lambda row: row.token_id)]


def revoke_token(connection: Connection, name: str, *, at: datetime) -> None:
    """End the token of the source `name`, from the next request on.

    Raises:
        UsageError: it has none that is not revoked already.
    """
    token_id = _find_active(connection, name)
    if token_id is None:
        message = f"{name!r} has no token to revoke: see `tankwatch token list`"
        raise UsageError(message)
    ended = update(TokenRow).where(TokenRow.token_id == token_id).values(revoked_at=at)
    connection.execute(ended)


def find_token(connection: Connection, shown: str) -> Token | TokenFault:
    """Return the token whose text a source has shown, or why it is not accepted."""
    form = _FORM.fullmatch(shown)
    if form is None:
        return TokenFault.MALFORMED
    key, secret = form.groups()
    rows = connection.execute(_OF_KEY, {"key": key}).all()
    # Compared also where there is none, so that the time taken does not tell which keys exist.
    is_right = hmac.compare_digest(_hash(secret), rows[0].sha256 if rows else _NOBODY)
    if not rows or not is_right:
        return TokenFault.UNKNOWN
    token = _token(rows)
    return token if token.revoked_at is None else TokenFault.REVOKED


def mark_used(connection: Connection, tokens: Iterable[Token], *, at: datetime) -> None:
    """Note that tokens were used, to the minute."""
    before = at - _USED_EVERY
    stale = {t.token_id for t in tokens if t.last_used_at is None or t.last_used_at < before}
    if not stale:
        return
    used = update(TokenRow).where(TokenRow.token_id.in_(sorted(stale)))
    connection.execute(used.values(last_used_at=at))


def _find_active(connection: Connection, name: str) -> int | None:
    query = select(TokenRow.token_id).where(TokenRow.name == name, TokenRow.revoked_at.is_(None))
    return connection.execute(query).scalar_one_or_none()


# A row for each site that a token may write to, or one where it may write to all.
_WITH_SITES = (
    select(
        TokenRow.token_id,
        TokenRow.name,
        TokenRow.every_site,
        TokenRow.created_at,
        TokenRow.last_used_at,
        TokenRow.revoked_at,
        TokenRow.sha256,
        SiteRow.name.label("site"),
    )
    .outerjoin(TokenSiteRow, TokenSiteRow.token_id == TokenRow.token_id)
    .outerjoin(SiteRow, SiteRow.site_id == TokenSiteRow.site_id)
)
_OF_KEY = _WITH_SITES.where(TokenRow.key == bindparam("key")).order_by(SiteRow.name)


def _token(rows: Sequence[Any]) -> Token:
    first = rows[0]
    return Token(
        token_id=first.token_id,
        name=first.name,
        sites=tuple(row.site for row in rows if row.site is not None),
        every_site=first.every_site,
        created_at=first.created_at,
        last_used_at=first.last_used_at,
        revoked_at=first.revoked_at,
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
