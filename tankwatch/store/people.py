"""Operators and their groups: who may act, and who can be told."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    ForeignKey,
    Integer,
    String,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.actor import Role
from tankwatch.errors import UsageError
from tankwatch.store.base import Base, UtcTime

_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}\Z")


class OperatorRow(Base):
    """Somebody who may log in, and who can be told of alarms.

    `session_epoch` grows with each new password and whenever the operator is disabled: a session
    or a link of an older one is void.
    """

    __tablename__ = "operator"

    operator_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    full_name: Mapped[str] = mapped_column(String(120))
    email: Mapped[str] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(12))
    is_active: Mapped[bool] = mapped_column(Boolean)
    password_hash: Mapped[str | None] = mapped_column(Text)
    session_epoch: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class OperatorGroupRow(Base):
    """Operators who are told together, for instance a shift."""

    __tablename__ = "operator_group"

    operator_group_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)


class GroupMemberRow(Base):
    """An operator of a group."""

    __tablename__ = "group_member"

    operator_group_id: Mapped[int] = mapped_column(
        ForeignKey("operator_group.operator_group_id"), primary_key=True, autoincrement=False
    )
    operator_id: Mapped[int] = mapped_column(
        ForeignKey("operator.operator_id"), primary_key=True, autoincrement=False, index=True
    )


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator as the rest of the program knows them; `groups` are names."""

    operator_id: int
    name: str
    full_name: str
    email: str
    role: Role
    is_active: bool
    has_password: bool
    session_epoch: int
    groups: tuple[str, ...]


def add_operator(
    connection: Connection, name: str, *, full_name: str, email: str, role: Role, at: datetime
) -> int:
    """Store a new operator and return the id.

    Raises:
        UsageError: the name cannot be a login, or is taken.
    """
    if not _LOGIN.match(name):
        message = (
            f"{name!r} cannot be a login: use small letters, digits, '.', '_' and '-', at most 60"
        )
        raise UsageError(message)
    if find_operator(connection, name) is not None:
        message = f"there is an operator {name!r} already: see `tankwatch operator list`"
        raise UsageError(message)
    row = {
        "name": name,
        "full_name": full_name,
        "email": email,
        "role": role.value,
        "is_active": True,
        "session_epoch": 1,
        "created_at": at,
    }
    made = insert(OperatorRow).values(row).returning(OperatorRow.operator_id)
    return connection.execute(made).scalar_one()


def load_operators(
    connection: Connection,
    *,
    ids: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    only_active: bool = False,
) -> list[Operator]:
    """Return operators by name."""
    query = select(*OperatorRow.__table__.columns).order_by(OperatorRow.name)
    if ids is not None:
        query = query.where(OperatorRow.operator_id.in_(ids))
    if names is not None:
        query = query.where(OperatorRow.name.in_(names))
    if only_active:
        query = query.where(OperatorRow.is_active)
    groups = _groups(connection)
    return [
        Operator(
            operator_id=row.operator_id,
            name=row.name,
            full_name=row.full_name,
            email=row.email,
            role=Role(row.role),
            is_active=row.is_active,
            has_password=row.password_hash is not None,
            session_epoch=row.session_epoch,
            groups=tuple(groups.get(row.operator_id, ())),
        )
        for row in connection.execute(query)
    ]


def find_operator(connection: Connection, name: str) -> Operator | None:
    """Return the operator with a login, None if there is none."""
    return next(iter(load_operators(connection, names=[name])), None)


def need_operator(connection: Connection, name: str) -> Operator:
    """Return the operator with a login.

    Raises:
        UsageError: there is none.
    """
    found = find_operator(connection, name)
    if found is None:
        message = f"there is no operator {name!r}: `tankwatch operator list` shows them"
        raise UsageError(message)
    return found


def change_operator(connection: Connection, operator_id: int, **values: Any) -> None:
    """Change columns of an operator."""
    change = update(OperatorRow).where(OperatorRow.operator_id == operator_id)
    connection.execute(change.values(**values))


def set_active(connection: Connection, operator_id: int, *, is_active: bool) -> None:
    """Let an operator in or keep them out; whatever they had open is void."""
    epoch = OperatorRow.session_epoch + 1
    change_operator(connection, operator_id, is_active=is_active, session_epoch=epoch)


def set_password_hash(connection: Connection, operator_id: int, password_hash: str) -> None:
    """Store the hash of a new password; whatever the operator had open is void."""
    epoch = OperatorRow.session_epoch + 1
    change_operator(connection, operator_id, password_hash=password_hash, session_epoch=epoch)


def load_password_hash(connection: Connection, name: str) -> str | None:
    """Return the hash of the password of an active operator, None if there is none."""
    query = select(OperatorRow.password_hash).where(OperatorRow.name == name, OperatorRow.is_active)
    return connection.execute(query).scalar_one_or_none()


def has_logins(connection: Connection) -> bool:
    """Return whether anybody can log in: an active operator with a password."""
    query = select(OperatorRow.operator_id).where(
        OperatorRow.is_active, OperatorRow.password_hash.is_not(None)
    )
    return connection.execute(query.limit(1)).first() is not None


def load_session_epochs(connection: Connection) -> dict[int, int]:
    """Return the epoch that sessions and links of each active operator must be of."""
    query = select(OperatorRow.operator_id, OperatorRow.session_epoch).where(OperatorRow.is_active)
    return {row.operator_id: row.session_epoch for row in connection.execute(query)}


def set_groups(connection: Connection, operator_id: int, groups: Sequence[str]) -> None:
    """Make an operator a member of these groups and of no other; new groups are made."""
    connection.execute(delete(GroupMemberRow).where(GroupMemberRow.operator_id == operator_id))
    for name in dict.fromkeys(groups):
        member = {"operator_group_id": _ensure_group(connection, name), "operator_id": operator_id}
        connection.execute(insert(GroupMemberRow).values(member))


def _ensure_group(connection: Connection, name: str) -> int:
    query = select(OperatorGroupRow.operator_group_id).where(OperatorGroupRow.name == name)
    known = connection.execute(query).scalar_one_or_none()
    if known is not None:
        return known
    made = insert(OperatorGroupRow).values(name=name)
    return connection.execute(made.returning(OperatorGroupRow.operator_group_id)).scalar_one()


def _groups(connection: Connection) -> dict[int, list[str]]:
    query = (
        select(GroupMemberRow.operator_id, OperatorGroupRow.name)
        .join(
            OperatorGroupRow,
            OperatorGroupRow.operator_group_id == GroupMemberRow.operator_group_id,
        )
        .order_by(OperatorGroupRow.name)
    )
    found: dict[int, list[str]] = {}
    for operator_id, name in connection.execute(query):
        found.setdefault(operator_id, []).append(name)
    return found
