from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from tankwatch.core.actor import Actor, Role, Via
from tankwatch.errors import UsageError
from tankwatch.store.acts import audit
from tankwatch.store.engine import Connection, Engine, reading, writing
from tankwatch.store.people import (
    add_operator,
    find_operator,
    load_operators,
    load_password_hash,
    need_operator,
    set_active,
    set_groups,
    set_password_hash,
)
from tankwatch.store.runs import AuditRow
from tankwatch.store.signing import forget_signing_key, signing_key

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)


def add(engine: Engine, name: str, *groups: str, role: Role = Role.OPERATOR) -> int:
    with writing(engine) as connection:
        key = add_operator(
            connection,
            name,
            full_name=name.title(),
            email=f"{name}@plant.example",
            role=role,
            at=NOW,
        )
        set_groups(connection, key, groups)
    return key


def test_operator_is_stored_with_groups(engine: Engine) -> None:
    add(engine, "kim", "night", "day")
    add(engine, "ada", role=Role.ADMIN)
    with reading(engine) as connection:
        ada, kim = load_operators(connection)
    assert (ada.name, ada.role, ada.groups) == ("ada", Role.ADMIN, ())
    assert (kim.full_name, kim.email, kim.groups) == ("Kim", "kim@plant.example", ("day", "night"))
    assert kim.is_active
    assert not kim.has_password


def test_groups_are_replaced(engine: Engine) -> None:
    key = add(engine, "kim", "night")
    with writing(engine) as connection:
        set_groups(connection, key, ["day"])
    with reading(engine) as connection:
        assert need_operator(connection, "kim").groups == ("day",)


@pytest.mark.parametrize("name", ["", "Kim", "kim lee", "-kim", "k" * 61])
def test_name_that_is_no_login_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a login"):
        add(engine, name)


def test_login_is_given_once(engine: Engine) -> None:
    add(engine, "kim")
    with pytest.raises(UsageError, match="already"):
        add(engine, "kim")


def test_unknown_login_is_refused_by_name(engine: Engine) -> None:
    with reading(engine) as connection:
        assert find_operator(connection, "kim") is None
        with pytest.raises(UsageError, match="no operator 'kim'"):
            need_operator(connection, "kim")


def test_new_password_and_disabling_void_what_was_open(engine: Engine) -> None:
    key = add(engine, "kim")
    epochs = []
    changes: list[Callable[[Connection], None]] = [
        lambda connection: set_password_hash(connection, key, "hash"),
        lambda connection: set_active(connection, key, is_active=False),
        lambda connection: set_active(connection, key, is_active=True),
    ]
    for change in changes:
        with writing(engine) as connection:
            change(connection)
            epochs.append(need_operator(connection, "kim").session_epoch)
    assert epochs == [2, 3, 4]


def test_disabled_operator_has_no_password_to_log_in_with(engine: Engine) -> None:
    key = add(engine, "kim")
    with writing(engine) as connection:
        set_password_hash(connection, key, "hash")
        assert load_password_hash(connection, "kim") == "hash"
        set_active(connection, key, is_active=False)
        assert load_password_hash(connection, "kim") is None


def test_signing_key_is_made_once_and_another_after_it_is_forgotten(engine: Engine) -> None:
    with writing(engine) as connection:
        first = signing_key(connection)
    with writing(engine) as connection:
        assert signing_key(connection) == first
        forget_signing_key(connection)
        assert signing_key(connection) != first
    assert len(first) >= 43


def test_audit_says_from_where(engine: Engine) -> None:
    by = Actor("kim", Via.PAGE, "192.0.2.7")
    with writing(engine) as connection:
        audit(connection, by, action="shelve", subject="tank TK-101", at=NOW, detail="work")
        row = connection.execute(select(*AuditRow.__table__.columns)).one()
    assert (row.actor, row.via, row.address, row.detail) == ("kim", "page", "192.0.2.7", "work")


@pytest.mark.parametrize(
    ("role", "needed", "may"),
    [
        (Role.VIEWER, Role.VIEWER, True),
        (Role.VIEWER, Role.OPERATOR, False),
        (Role.OPERATOR, Role.VIEWER, True),
        (Role.OPERATOR, Role.ADMIN, False),
        (Role.ADMIN, Role.OPERATOR, True),
    ],
)
def test_a_role_covers_those_before_it(*, role: Role, needed: Role, may: bool) -> None:
    assert role.covers(needed) is may
