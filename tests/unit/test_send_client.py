import json
from datetime import UTC, datetime

import pytest

from tankwatch.core.readings import Accepted
from tankwatch.errors import SettingsError
from tankwatch.send.client import Client, Fate, read_answer

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
PROBLEM = json.dumps({"title": "what", "remedy": "do this"}).encode()


def test_verdicts_mean_taken() -> None:
    counts = {"stored": 1, "updated": 2, "duplicate": 3, "rejected": 4, "verdicts": []}
    answer = read_answer(200, json.dumps(counts).encode(), None, now=NOW)
    assert (answer.fate, answer.accepted) == (Fate.TAKEN, Accepted(1, 2, 3, 4))


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        *((400, Fate.NEVER), (413, Fate.NEVER), (415, Fate.NEVER), (422, Fate.NEVER)),
        *((401, Fate.DENIED), (403, Fate.DENIED), (404, Fate.DENIED), (301, Fate.DENIED)),
        *((408, Fate.AGAIN), (429, Fate.AGAIN), (503, Fate.AGAIN), (502, Fate.AGAIN)),
        (500, Fate.FAILED),
    ],
)
def test_each_status_says_what_becomes_of_the_body(status: int, fate: Fate) -> None:
    answer = read_answer(status, PROBLEM, None, now=NOW)
    assert answer.fate is fate
    assert f"{status} (what: do this)" in answer.why


@pytest.mark.parametrize("text", [b"<html>hello</html>", b"[]", b"{}", b""])
def test_a_portal_that_answers_200_has_taken_nothing(text: bytes) -> None:
    assert read_answer(200, text, None, now=NOW).fate is Fate.DENIED


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("Mon, 02 Mar 2026 06:30:20 GMT", 20.0),
        ("Mon, 02 Mar 2026 06:29:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert read_answer(429, PROBLEM, header, now=NOW).after_s == seconds


@pytest.mark.parametrize(
    ("url", "token", "told"),
    [
        ("", "tw_x", "send.url names no server"),
        ("tankwatch.example:8321", "tw_x", "send.url names no server"),
        ("ftp://tankwatch.example", "tw_x", "send.url names no server"),
        ("https://tankwatch.example", "", "TANKWATCH_SEND__TOKEN_FILE"),
        ("https://tankwatch.example", "a\nb", "TANKWATCH_SEND__TOKEN_FILE"),
    ],
)
def test_settings_that_cannot_work_are_refused(url: str, token: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Client(url, token, timeout_s=1, ca_file=None)
