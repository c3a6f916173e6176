"""Logging in to the page: by form, with a signed session, from our own pages alone."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.people import set_active, set_password_hash
from tankwatch.store.signing import forget_signing_key
from tankwatch.web.passwords import hash_password
from tankwatch.web.throttle import MOST_BOTH, WITHIN
from tests.integration.logins import PASSWORD, Visit, add_login, visit
from tests.integration.page_reader import check
from tests.integration.web_server import NOW, Served, served


@pytest.fixture
def web(engine: Engine) -> Iterator[Served]:
    with served(engine) as found:
        yield found


@pytest.fixture
def kim(engine: Engine, web: Served) -> Iterator[Visit]:
    """Return the visit of an operator who is not logged in yet."""
    add_login(engine, "kim", Role.OPERATOR)
    with visit(str(web.client.base_url)) as begun:
        yield begun


def audited(engine: Engine) -> list[tuple[str, str, str, str]]:
    with reading(engine) as connection:
        query = "SELECT actor, action, via, address FROM audit ORDER BY audit_id"
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_before_anybody_can_log_in_this_machine_may_look_and_the_form_says_how(web: Served) -> None:
    with visit(str(web.client.base_url)) as begun:
        assert "not logged in: looking only" in check(begun.get("/health").text).text
        told = check(begun.get("/login").text)
    assert "tankwatch operator password NAME" in told.text
    assert told.all("form") == []


def test_once_somebody_can_log_in_pages_lead_to_the_form_and_back(kim: Visit) -> None:
    sent = kim.get("/quality?days=7")
    assert sent.status_code == 303
    assert sent.headers["location"] == "/login?next=%2Fquality%3Fdays%3D7"
    form = check(kim.get(sent.headers["location"]).text)
    assert {"name": "next", "type": "hidden", "value": "/quality?days=7"} in form.all("input")
    begun = kim.log_in("kim", after="/quality?days=7")
    assert (begun.status_code, begun.headers["location"]) == (303, "/quality?days=7")
    shown = check(kim.get("/quality?days=7").text)
    assert "Kim operator" in shown.text
    assert kim.get("/login?next=/health").headers["location"] == "/health"


def test_a_password_of_the_page_opens_nothing_once_somebody_can_log_in(engine: Engine) -> None:
    add_login(engine, "kim", Role.OPERATOR)
    secret = "a page password of old"
    with served(engine, Settings(serve={"page_password": secret})) as web:  # type: ignore[arg-type]
        assert web.client.get("/health", auth=("any", secret)).status_code == 401


def test_session_is_kept_from_scripts_and_other_sites(kim: Visit) -> None:
    cookie = kim.log_in("kim").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Max-Age=43200" in cookie
    assert "Secure" not in cookie
    forwarded = {"x-forwarded-proto": "https"}
    fields = {"login": "kim", "password": PASSWORD}
    secured = kim.client.post("/login", data=fields, headers=forwarded).headers["set-cookie"]
    assert "Secure" in secured


@pytest.mark.parametrize(
    ("login", "password"),
    [("kim", "wrong"), ("kim", ""), ("nobody", PASSWORD), ("", ""), ("kim\0", PASSWORD + "x")],
)
def test_wrong_login_or_password_is_told_alike(kim: Visit, login: str, password: str) -> None:
    answer = kim.log_in(login, password)
    assert answer.status_code == 401
    assert "The login or the password is wrong." in check(answer.text).text
    assert "set-cookie" not in answer.headers
    assert kim.get("/health").status_code == 303


def test_disabled_operator_cannot_log_in(engine: Engine, kim: Visit) -> None:
    key = add_login(engine, "gone", Role.ADMIN)
    with writing(engine) as connection:
        set_active(connection, key, is_active=False)
    assert kim.log_in("gone").status_code == 401


def test_wrong_passwords_are_bounded_also_for_the_right_one_and_for_a_while(
    engine: Engine, kim: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    for _ in range(MOST_BOTH):
        assert kim.log_in("kim", "wrong").status_code == 401
    refused = kim.log_in("kim")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == str(int(WITHIN.total_seconds()) + 1)
    assert "wait 16 min" in check(refused.text).text
    add_login(engine, "lee", Role.VIEWER)
    assert kim.log_in("lee").status_code == 303
    monkeypatch.setattr(clock, "now", lambda: NOW + WITHIN + timedelta(seconds=1))
    assert kim.log_in("kim").status_code == 303


def test_logins_and_wrong_passwords_are_audited(engine: Engine, kim: Visit) -> None:
    kim.log_in("kim", "wrong")
    kim.log_in("nobody", "wrong")
    kim.log_in("kim")
    kim.send("/logout")
    assert audited(engine) == [
        ("kim", "login-refused", "page", "127.0.0.1"),
        ("kim", "login", "page", "127.0.0.1"),
        ("kim", "logout", "page", "127.0.0.1"),
    ]


def test_logout_ends_the_session_of_the_browser(kim: Visit) -> None:
    kim.log_in("kim")
    left = kim.send("/logout")
    assert left.headers["location"] == "/login"
    assert kim.get("/health").status_code == 303


@pytest.mark.parametrize("what", ["disabled", "password", "key"])
def test_what_ends_a_session_ends_it_at_once(engine: Engine, web: Served, what: str) -> None:
    key = add_login(engine, "kim", Role.OPERATOR)
    add_login(engine, "lee", Role.OPERATOR)
    with visit(str(web.client.base_url)) as begun:
        begun.log_in("kim")
        assert begun.get("/health").status_code == 200
        with writing(engine) as connection:
            if what == "disabled":
                set_active(connection, key, is_active=False)
            elif what == "password":
                set_password_hash(connection, key, hash_password("another password"))
            else:
                forget_signing_key(connection)
        assert begun.get("/health").status_code == 303


def test_session_is_over_after_its_hours(kim: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    began = clock.now()
    monkeypatch.setattr(clock, "now", lambda: began)
    kim.log_in("kim")
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(hours=12, seconds=-1))
    assert kim.get("/health").status_code == 200
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(hours=12))
    assert kim.get("/health").status_code == 303


@pytest.mark.parametrize("at", [0, 5, -1])
def test_forged_session_opens_nothing(kim: Visit, at: int) -> None:
    kim.log_in("kim")
    cookie = kim.client.cookies["tankwatch_session"]
    forged = list(cookie)
    forged[at] = "A" if forged[at] != "A" else "Q"
    kim.client.cookies.set("tankwatch_session", "".join(forged), domain="127.0.0.1")
    headers = {"cookie": f"tankwatch_session={''.join(forged)}"}
    kim.client.cookies.clear()
    assert kim.client.get("/health", headers=headers).status_code == 401
    assert (
        kim.client.get("/health", headers={"cookie": f"tankwatch_session={cookie}"}).status_code
        == 200
    )


def test_form_without_the_token_of_its_session_does_nothing(engine: Engine, kim: Visit) -> None:
    add_login(engine, "lee", Role.OPERATOR)
    kim.log_in("lee")
    foreign = kim.token()
    kim.client.cookies.clear()
    kim.log_in("kim")
    for shown in ({}, {"form_token": ""}, {"form_token": foreign}):
        answer = kim.client.post("/logout", data=shown or {"x": "y"})
        assert answer.status_code == 403
        assert "does not belong to your login" in check(answer.text).text
    by_header = {"x-form-token": kim.token()}
    assert kim.client.post("/logout", data={"x": "y"}, headers=by_header).status_code == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "https://tankwatch.example"}, 303),
        ({}, 303),
    ],
    ids=str,
)
def test_form_of_another_site_is_refused(
    engine: Engine, headers: dict[str, str], status: int
) -> None:
    add_login(engine, "kim", Role.OPERATOR)
    settings = Settings(serve={"base_url": "https://tankwatch.example/"})  # type: ignore[arg-type]
    with served(engine, settings) as web:
        fields = {"login": "kim", "password": PASSWORD}
        answer = web.client.post("/login", data=fields, headers=headers)
        assert answer.status_code == status
        own = {"origin": str(web.client.base_url)}
        assert web.client.post("/login", data=fields, headers=own).status_code == 303


@pytest.mark.parametrize(
    "after", ["https://evil.example/", "//evil.example", "/\\evil.example", "x", "", "/a\nb"]
)
def test_login_leads_to_no_other_site(kim: Visit, after: str) -> None:
    assert kim.log_in("kim", after=after).headers["location"] == "/"


def test_body_that_is_no_form_of_a_page_is_refused(kim: Visit) -> None:
    def sent(content: bytes, kind: str) -> httpx.Response:
        return kim.client.post("/login", content=content, headers={"content-type": kind})

    form = "application/x-www-form-urlencoded"
    assert sent(b"{}", "application/json").status_code == 415
    assert sent(b"login=" + b"x" * 70_000, form).status_code == 413
    assert sent(b"login=%ff&password=%ff", form).status_code == 422
    assert sent(b"&".join([b"a=b"] * 200), form).status_code == 422


def test_script_that_asks_without_a_session_is_sent_to_the_form(kim: Visit) -> None:
    answer = kim.client.get("/quality", headers={"hx-request": "true", "accept": "text/html"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/login?next=%2Fquality"
