"""Logging in, in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tankwatch.core.actor import Role
from tankwatch.store.engine import Engine
from tests.integration.browser import PHONE, has_room, log_in, looking
from tests.integration.logins import add_login
from tests.integration.web_server import served


@pytest.fixture
def address(engine: Engine) -> Iterator[str]:
    add_login(engine, "kim", Role.OPERATOR)
    with served(engine) as web:
        yield str(web.client.base_url)


def test_operator_logs_in_with_the_keyboard_and_out_again(browser: Browser, address: str) -> None:
    with looking(browser, address) as page:
        page.goto("/quality")
        expect(page).to_have_title("Log in – tankwatch")
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Login")).to_be_focused()
        page.keyboard.type("kim")
        page.keyboard.press("Tab")
        page.keyboard.type("correct horse battery staple")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Data quality")
        page.get_by_role("button", name="Log out").click()
        expect(page).to_have_title("Log in – tankwatch")


def test_wrong_password_is_told_and_the_login_kept(browser: Browser, address: str) -> None:
    with looking(browser, address, size=PHONE, refused=401) as page:
        page.goto("/login")
        page.get_by_label("Login").fill("kim")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_have_text("The login or the password is wrong.")
        expect(page.get_by_label("Login")).to_have_value("kim")
        assert has_room(page)


def test_session_is_out_of_reach_of_scripts(browser: Browser, address: str) -> None:
    with looking(browser, address) as page:
        log_in(page, "kim", path="/health")
        assert page.evaluate("document.cookie") == ""
