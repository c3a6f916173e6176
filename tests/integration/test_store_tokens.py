from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tankwatch.errors import UsageError
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.tokens import (
    Token,
    TokenFault,
    add_token,
    find_token,
    load_tokens,
    mark_used,
    revoke_token,
)

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)


def add(engine: Engine, name: str, *sites: str) -> str:
    with writing(engine) as connection:
        return add_token(connection, name, sites=sites, every_site=not sites, at=NOW)


def find(engine: Engine, shown: str) -> Token | TokenFault:
    with reading(engine) as connection:
        return find_token(connection, shown)


def test_token_is_found_by_its_text_with_its_sites(engine: Engine) -> None:
    shown = add(engine, "gateway", "south", "north", "south")
    found = find(engine, shown)
    assert isinstance(found, Token)
    assert (found.name, found.sites, found.every_site) == ("gateway", ("north", "south"), False)
    assert (found.created_at, found.last_used_at, found.revoked_at) == (NOW, None, None)
    assert [found.may_write(site) for site in ("north", "south", "east")] == [True, True, False]


def test_token_for_every_site_may_write_anywhere(engine: Engine) -> None:
    found = find(engine, add(engine, "gateway"))
    assert isinstance(found, Token)
    assert (found.sites, found.may_write("anywhere")) == ((), True)


def test_secret_is_stored_nowhere(engine: Engine) -> None:
    secret = add(engine, "gateway", "north").split("_", 2)[2]
    with reading(engine) as connection:
        rows = connection.execute(text("SELECT * FROM token")).all()
    assert secret not in str(rows)
    assert len({add(engine, f"g{number}") for number in range(20)}) == 20


def test_wrong_and_foreign_tokens_are_told_apart(engine: Engine) -> None:
    first, second = add(engine, "one"), add(engine, "two")
    key, secret = first.split("_", 2)[1], second.split("_", 2)[2]
    assert find(engine, f"tw_{key}_{secret}") is TokenFault.UNKNOWN
    assert find(engine, f"tw_{'0' * 16}_{secret}") is TokenFault.UNKNOWN
    for shown in ("", "tw_", first[:-1], f"{first}x", f" {first}", f"{first}\n"):
        assert find(engine, shown) is TokenFault.MALFORMED


def test_revoked_token_is_refused_and_its_name_is_free_again(engine: Engine) -> None:
    old = add(engine, "gateway", "north")
    with pytest.raises(UsageError, match="has a token already: revoke it first"):
        add(engine, "gateway", "north")
    with writing(engine) as connection:
        revoke_token(connection, "gateway", at=NOW)
    assert find(engine, old) is TokenFault.REVOKED
    with writing(engine) as connection, pytest.raises(UsageError, match="no token to revoke"):
        revoke_token(connection, "gateway", at=NOW)
    new = add(engine, "gateway", "north")
    assert isinstance(find(engine, new), Token)
    assert find(engine, old) is TokenFault.REVOKED
    with reading(engine) as connection:
        assert [token.revoked_at for token in load_tokens(connection)] == [NOW, None]


def test_last_use_is_noted_to_the_minute(engine: Engine) -> None:
    add(engine, "used")
    add(engine, "unused")

    def used(after_s: float) -> list[datetime | None]:
        with writing(engine) as connection:
            shown = [token for token in load_tokens(connection) if token.name == "used"]
            mark_used(connection, shown * 2, at=NOW + timedelta(seconds=after_s))
            return [token.last_used_at for token in load_tokens(connection)]

    assert used(0) == [NOW, None]
    assert used(59) == [NOW, None]
    assert used(61) == [NOW + timedelta(seconds=61), None]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 121])
def test_name_that_cannot_be_shown_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a source"):
        add(engine, name)


def test_scope_must_be_said(engine: Engine) -> None:
    for sites, every_site in (((), False), (("north",), True)):
        with writing(engine) as connection, pytest.raises(UsageError, match="--every-site"):
            add_token(connection, "gateway", sites=sites, every_site=every_site, at=NOW)
