"""Passwords of the page, as whoever looks after tankwatch sets them."""

from pathlib import Path

from tankwatch.store.engine import connect, reading
from tankwatch.store.people import load_password_hash
from tankwatch.web.passwords import is_right
from tests.acceptance.program import inside, inside_json


def test_password_is_set_from_standard_input_and_audited(tmp_path: Path) -> None:
    inside(tmp_path, "init")
    inside(tmp_path, "operator", "add", "kim", "--role", "operator")
    words = ("operator", "password", "kim", "--stdin", "--by", "lee")
    before = inside_json(tmp_path, "operator", "list")[0]
    changed = inside_json(tmp_path, *words, stdin="correct horse battery\nnot this\n")
    assert changed["has_password"]
    assert changed["session_epoch"] > before["session_epoch"]
    engine = connect("sqlite:///tankwatch.db", home=tmp_path)
    with reading(engine) as connection:
        assert is_right("correct horse battery", load_password_hash(connection, "kim"))
        query = "SELECT actor, action, subject, detail, via FROM audit ORDER BY audit_id DESC"
        told = connection.exec_driver_sql(query).first()
    assert told is not None
    assert tuple(told) == ("lee", "operator-password", "operator kim", "", "command")


def test_password_that_is_too_short_and_operator_that_is_unknown_are_refused(
    tmp_path: Path,
) -> None:
    inside(tmp_path, "init")
    inside(tmp_path, "operator", "add", "kim")
    done = inside(tmp_path, "operator", "password", "kim", "--stdin", code=2, stdin="short\n")
    assert "10 to 256 characters" in done.stderr
    done = inside(tmp_path, "operator", "password", "lee", "--stdin", code=2, stdin="x" * 20)
    assert "tankwatch operator list" in done.stderr
