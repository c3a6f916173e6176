"""The chart of a tank in a real browser: it draws, asks for what is shown, and pans over months."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tankwatch.core.actor import Role
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine
from tests.integration.browser import DRAWN, PHONE, has_room, log_in, looking
from tests.integration.charted import LAST_MS, SETTINGS, SPIKE_MS, START_MS, fill
from tests.integration.logins import add_login
from tests.integration.web_server import served

DAY_MS = 86_400_000


@pytest.fixture
def address(engine: Engine) -> Iterator[str]:
    fill(engine)
    add_login(engine, "kim", Role.VIEWER)
    with served(engine, Settings(**SETTINGS)) as web:
        yield str(web.client.base_url)


def open_chart(page: Page, path: str = "/tanks/north/T1") -> None:
    log_in(page, "kim", path=path)
    expect(page.locator("#chart")).to_have_attribute("data-requests", "1")


def shown(page: Page) -> tuple[int, int]:
    first, last = str(page.locator("#chart").get_attribute("data-shown")).split(",")
    return int(first), int(last)


def settled(page: Page, requests: int) -> None:
    """Wait until so many answers have been drawn."""
    chart = page.locator("#chart")
    expect(chart).to_have_attribute("data-requests", str(requests))
    expect(chart).not_to_have_attribute("aria-busy", "true")


def has_band(colours: list[str], *, dark: bool) -> bool:
    """Return whether what was expected is drawn: its colour, two thirds over nothing."""
    band = (0x24, 0x40, 0x2A) if dark else (0xDC, 0xEF, 0xD9)
    drawn = [tuple(int(one[at : at + 2], 16) for at in (1, 3, 5)) for one in colours]
    return any(all(abs(a - b) <= 2 for a, b in zip(one, band, strict=True)) for one in drawn)


@pytest.mark.parametrize("dark", [False, True])
def test_chart_draws_each_channel_and_the_score_in_the_colours_of_the_scheme(
    browser: Browser, address: str, *, dark: bool
) -> None:
    with looking(browser, address, dark=dark) as page:
        open_chart(page)
        panels = page.locator("#chart canvas")
        expect(panels).to_have_count(3)
        expect(page.locator("#still")).to_be_hidden()
        for place in range(3):
            colours = panels.nth(place).evaluate(DRAWN)
            assert ("#8cc4f5" if dark else "#0b5394") in colours  # the curve
            assert ("#5c2a20" if dark else "#ffd9cf") in colours  # the flagged stretch
            # What was expected is drawn behind each channel, and not behind the score.
            assert has_band(colours, dark=dark) is (place < 2)
        assert "expected from" in page.locator("#chart .u-legend").first.inner_text()
        page.emulate_media(color_scheme="light" if dark else "dark")
        curve = "#0b5394" if dark else "#8cc4f5"
        page.wait_for_function(
            f"curve => ({DRAWN})(document.querySelector('#chart canvas')).includes(curve)",
            arg=curve,
        )
        assert has_room(page)


def test_drag_zooms_and_asks_for_it(browser: Browser, address: str) -> None:
    with looking(browser, address) as page:
        open_chart(page, "/tanks/north/T1?hours=720")
        before = shown(page)
        box = page.locator("#chart .u-over").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=4)
        page.mouse.up()
        settled(page, 2)
        first, last = shown(page)
        assert last - first == pytest.approx((before[1] - before[0]) / 10, rel=0.05)
        assert page.locator("#chart").get_attribute("data-width") == "0"  # every reading
        expect(page.locator("#chart-said")).to_contain_text("every reading")
        # With the chart in focus, the wheel zooms around the pointer.
        page.mouse.wheel(0, 240)
        page.wait_for_function(f"() => {_SPAN} > {(last - first) * 1.2}")


_SPAN = "(([a, b]) => b - a)(document.getElementById('chart').dataset.shown.split(',').map(Number))"


def test_keys_pan_over_months_and_find_the_spike(browser: Browser, address: str) -> None:
    with looking(browser, address, size=PHONE) as page:
        answers: list[Any] = []
        page.on("response", lambda one: answers.append(one) if "/series" in one.url else None)
        open_chart(page, "/tanks/north/T1?hours=168")
        chart = page.locator("#chart")
        chart.focus()
        for _ in range(14):
            page.keyboard.press("PageUp")
        page.wait_for_function(f"() => {_FIRST} < {START_MS + 25 * DAY_MS}")
        page.keyboard.press("Home")
        expect(chart).not_to_have_attribute("aria-busy", "true")
        page.keyboard.press("0")
        page.wait_for_function(f"() => {_SPAN} > {119 * DAY_MS}")
        page.wait_for_function("() => !document.getElementById('chart').hasAttribute('aria-busy')")
        page.wait_for_function("() => document.getElementById('chart').dataset.width >= 3600000")
        told = json.loads(answers[-1].text())
        pressure = told["channels"][0]
        assert max(value for value in pressure["high"] if value is not None) == 9
        assert told["first_ms"] <= SPIKE_MS <= told["last_ms"] == LAST_MS
        page.keyboard.press("End")
        page.get_by_role("link", name="6 h", exact=True).click()
        page.wait_for_function(f"() => {_SPAN} < {DAY_MS}")
        assert shown(page)[1] >= LAST_MS - 60_000


_FIRST = "Number(document.getElementById('chart').dataset.shown.split(',')[0])"


def test_incident_is_found_in_the_chart(browser: Browser, address: str) -> None:
    with looking(browser, address, size=PHONE) as page:
        open_chart(page, "/tanks/north/T1?hours=720")
        page.get_by_role("link", name="Show incident 1 in the chart").click()
        page.wait_for_function(f"() => {_SPAN} < {DAY_MS}")
        expect(page.locator("#chart")).to_be_focused()
        assert has_room(page)


def test_tank_is_read_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)
    try:
        page = context.new_page()
        log_in(page, "kim", path="/tanks/north/T1")
        expect(page.locator("#still svg")).to_have_count(3)
        expect(page.locator("[data-scripted]")).to_be_hidden()
        page.get_by_role("link", name="Earlier").click()
        expect(page.locator("#still svg")).to_have_count(3)
    finally:
        context.close()


def test_fleet_leads_to_its_tanks_and_asks_for_news(browser: Browser, address: str) -> None:
    with looking(browser, address) as page:
        log_in(page, "kim")
        tile = page.locator("a.tile").first
        expect(tile).to_contain_text("T1")
        with page.expect_response(lambda one: one.request.headers.get("hx-request") == "true"):
            page.evaluate("htmx.trigger('#fleet', 'every')")
        page.locator("a.tile").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("T1")
