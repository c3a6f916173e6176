"""Who may look at the page: with a password, and without one."""

import base64
from collections.abc import Iterator

import pytest

from tankwatch.settings import Settings
from tankwatch.store.engine import Engine
from tests.integration.page_reader import check
from tests.integration.web_server import Served, served

PASSWORD = "correct: horse battery ståple"
PAGES = ("/", "/quality", "/quality/north/T1")


@pytest.fixture
def guarded(engine: Engine) -> Iterator[Served]:
    with served(engine, Settings(serve={"page_password": PASSWORD})) as found:  # type: ignore[arg-type]
        yield found


@pytest.fixture
def plain(engine: Engine) -> Iterator[Served]:
    with served(engine) as found:
        yield found


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize("user", ["", "kim", "tankwatch"])
def test_password_lets_in_whatever_the_name(guarded: Served, user: str) -> None:
    headers = {"authorization": basic(f"{user}:{PASSWORD}")}
    answers = [guarded.client.get(path, headers=headers) for path in PAGES]
    assert [answer.status_code for answer in answers] == [200, 200, 404]


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("", "This page asks for a password"),
        (basic("kim:wrong"), "The password is wrong"),
        (basic(f"kim:{PASSWORD}x"), "The password is wrong"),
        (basic(f"{PASSWORD}"), "The password is wrong"),
        (basic("kim:"), "The password is wrong"),
        ("Basic", "The password is wrong"),
        ("Basic ***", "cannot be read"),
        ("Basic \xe5", "cannot be read"),
    ],
)
def test_without_the_password_nothing_is_shown(guarded: Served, shown: str, told: str) -> None:
    for path in PAGES:
        answer = guarded.client.get(path, headers={b"authorization": shown.encode("latin-1")})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Basic realm="tankwatch"')
        assert told in check(answer.text).text


def test_token_of_a_source_does_not_open_the_page_nor_the_password_take_readings(
    guarded: Served,
) -> None:
    headers = {"authorization": f"Bearer {guarded.token}"}
    assert guarded.client.get("/quality", headers=headers).status_code == 401
    answer = guarded.post("tank,timestamp,pressure\n", headers={"authorization": basic(PASSWORD)})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("host", ["127.0.0.1:8321", "localhost", "[::1]:8321", "127.1.2.3"])
def test_without_a_password_this_machine_may_look(plain: Served, host: str) -> None:
    assert plain.client.get("/quality", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "tankwatch.example"},
        {"host": "203.0.113.9:8321"},
        {"host": "localhost.example"},
        {"host": ""},
        {"host": "[::1"},
        {"host": "localhost@tankwatch.example"},
        {"x-forwarded-for": "203.0.113.9"},
    ],
    ids=str,
)
def test_without_a_password_nobody_else_may(plain: Served, headers: dict[str, str]) -> None:
    for path in PAGES:
        answer = plain.client.get(path, headers=headers)
        assert answer.status_code == 403
        assert "serve.page_password" in check(answer.text).text
    assert plain.client.get("/healthz", headers=headers).status_code == 200


def test_readings_are_taken_whoever_may_look(plain: Served) -> None:
    row = "tank,timestamp,pressure\nT1,2026-03-02T06:30:00Z,1\n"
    assert plain.post(row, headers={"host": "tankwatch.example"}).status_code == 200
