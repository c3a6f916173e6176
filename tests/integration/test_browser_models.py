"""A model is rolled back in a real browser, with the keyboard alone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tankwatch.core.actor import Role
from tankwatch.store.engine import Engine
from tests.integration.browser import PHONE, has_room, log_in, looking
from tests.integration.logins import add_login
from tests.integration.test_models_page import fill, states
from tests.integration.web_server import served


@pytest.fixture
def address(engine: Engine) -> Iterator[str]:
    add_login(engine, "kim", Role.ADMIN)
    fill(engine)
    with served(engine) as web:
        yield str(web.client.base_url)


def test_admin_rolls_a_model_back(browser: Browser, address: str, engine: Engine) -> None:
    with looking(browser, address, size=PHONE) as page:
        log_in(page, "kim", path="/models")
        expect(page.get_by_role("heading", name="Version 2")).to_contain_text("in use")
        assert has_room(page)
        # Without a reason the browser sends nothing.
        page.get_by_role("button", name="Roll back to version 1").click()
        expect(page.get_by_label("Why go back to version 1?")).to_be_focused()
        page.keyboard.type("too many alarms")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Version 1")).to_contain_text("in use")
        expect(page.get_by_role("article", name="Version 1")).to_contain_text("too many alarms")
    assert states(engine)[1] == "champion"
