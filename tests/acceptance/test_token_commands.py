"""Tokens of sources, as an operator handles them."""

from pathlib import Path

from sqlalchemy import text

from tankwatch.store.engine import connect, reading
from tankwatch.store.tokens import Token, find_token
from tests.acceptance.program import inside, inside_json


def test_token_is_shown_once_listed_and_revoked(tmp_path: Path) -> None:
    inside(tmp_path, "init")
    assert "tankwatch token add" in inside(tmp_path, "token", "list").stdout
    done = inside(tmp_path, "token", "add", "gateway [1]", "--site", "north", "--by", "kim")
    shown = done.stdout.strip()
    assert "shown this once" in done.stderr
    made = inside_json(tmp_path, "token", "add", "other", "--every-site")
    engine = connect("sqlite:///tankwatch.db", home=tmp_path)
    with reading(engine) as connection:
        found = find_token(connection, shown)
        assert isinstance(found, Token)
        assert found.sites == ("north",)
        assert isinstance(find_token(connection, made["token"]), Token)
    listed = inside(tmp_path, "token", "list").stdout
    assert "gateway [1]  north" in listed
    assert "other        every site" in listed
    assert shown not in listed
    inside(tmp_path, "token", "revoke", "gateway [1]", "--by", "kim")
    inside(tmp_path, "token", "revoke", "gateway [1]", code=2)
    rows = inside_json(tmp_path, "token", "list")
    assert [row["revoked_at"] is None for row in rows] == [False, True]
    with reading(engine) as connection:
        audit = connection.execute(text("SELECT actor, action, subject FROM audit ORDER BY 1, 2"))
        kim = [tuple(row) for row in audit if row.actor == "kim"]
    engine.dispose()
    subject = "source gateway [1]"
    assert kim == [("kim", "token-add", subject), ("kim", "token-revoke", subject)]


def test_token_without_a_scope_is_wrong_use(tmp_path: Path) -> None:
    inside(tmp_path, "init")
    assert "--every-site" in inside(tmp_path, "token", "add", "gateway", code=2).stderr
