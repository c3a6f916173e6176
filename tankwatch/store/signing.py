"""The key that links in mails and sessions of the page are signed with.

It is kept in the database, where the daemon that writes a link and the server that takes it both
find it; whoever can read the database can acknowledge alarms in it anyway.
"""

import secrets

from sqlalchemy import Connection, String, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.store.base import Base
from tankwatch.store.sql import is_sqlite

_NAME = "signing"


class SecretRow(Base):
    """A secret that every node shares."""

    __tablename__ = "secret"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(120))


def known_signing_key(connection: Connection) -> str | None:
    """Return the key; None where nothing was signed yet."""
    query = select(SecretRow.value).where(SecretRow.name == _NAME)
    return connection.execute(query).scalar_one_or_none()


def signing_key(connection: Connection) -> str:
    """Return the key, made on its first use; the connection must be allowed to write."""
    known = known_signing_key(connection)
    if known is not None:
        return known
    insert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    row = {"name": _NAME, "value": secrets.token_urlsafe(48)}
    # Of two programs that start at once, the second takes the key of the first.
    connection.execute(insert(SecretRow).values(row).on_conflict_do_nothing())
    return connection.execute(select(SecretRow.value).where(SecretRow.name == _NAME)).scalar_one()


def forget_signing_key(connection: Connection) -> None:
    """Delete the key: every link and every session becomes void, and a new one is made."""
    connection.execute(delete(SecretRow).where(SecretRow.name == _NAME))
