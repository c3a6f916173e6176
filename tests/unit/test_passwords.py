"""Hashes of passwords, and bounds of wrong ones."""

from datetime import UTC, datetime, timedelta

import pytest

from tankwatch.errors import UsageError
from tankwatch.web.passwords import LONGEST, SHORTEST, hash_password, is_right
from tankwatch.web.throttle import MOST_ADDRESS, MOST_BOTH, MOST_LOGIN, WITHIN, Throttle

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_hash_is_argon2id_salted_and_holds_for_its_password_alone() -> None:
    first, second = hash_password("pässword of kim"), hash_password("pässword of kim")
    assert first.startswith("$argon2id$")
    assert first != second
    assert is_right("pässword of kim", first)
    assert not is_right("password of kim", first)
    assert not is_right("pässword of kim", None)
    assert not is_right("of nobody", None)
    assert not is_right("x", "no hash")


@pytest.mark.parametrize("length", [0, SHORTEST - 1, LONGEST + 1])
def test_password_of_no_good_length_is_refused(length: int) -> None:
    with pytest.raises(UsageError, match=f"this one {length}"):
        hash_password("x" * length)


def test_login_at_an_address_waits_after_five_wrong_ones_of_a_quarter_hour() -> None:
    throttle = Throttle()
    for second in range(MOST_BOTH):
        assert throttle.wait_s("kim", "a", now=NOW) == 0
        throttle.note_wrong("kim", "a", now=NOW + timedelta(seconds=second))
    assert throttle.wait_s("kim", "a", now=NOW + timedelta(seconds=4)) == 15 * 60 - 4 + 1
    assert throttle.wait_s("kim", "b", now=NOW) == 0
    assert throttle.wait_s("lee", "a", now=NOW) == 0
    assert throttle.wait_s("kim", "a", now=NOW + WITHIN) == 0


def test_address_that_tries_many_logins_waits_and_so_does_a_login_tried_from_many() -> None:
    throttle = Throttle()
    for number in range(MOST_ADDRESS):
        throttle.note_wrong(f"login{number}", "a", now=NOW)
    assert throttle.wait_s("kim", "a", now=NOW) > 0
    assert throttle.wait_s("kim", "b", now=NOW) == 0
    for number in range(MOST_LOGIN):
        throttle.note_wrong("kim", f"address{number}", now=NOW)
    assert throttle.wait_s("kim", "b", now=NOW) > 0


def test_right_password_takes_back_what_was_counted_of_it() -> None:
    throttle = Throttle()
    for _ in range(MOST_ADDRESS + 1):
        throttle.note_wrong("kim", "a", now=NOW)
        throttle.note_right("kim", "a")
    assert throttle.wait_s("kim", "a", now=NOW) == 0
