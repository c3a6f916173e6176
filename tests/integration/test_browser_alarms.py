"""Alarms in a real browser: they arrive by themselves, and are acted on by mouse and keys."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.core.incident import IncidentState
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.store.alarm_list import find_incident, load_audit, load_verdicts
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.people import find_operator, set_active
from tests.integration.alarms import happen, raise_alarm, send_day, state_of
from tests.integration.browser import PHONE, WIDE, has_room, log_in, looking
from tests.integration.logins import add_login
from tests.integration.web_server import served


@dataclass(frozen=True)
class Plant:
    """A plant that is served, with an operator kim and a viewer vera."""

    engine: Engine
    address: str

    def alarm(self, tank: str) -> str:
        """Raise an alarm now, as the daemon does, and return its name."""
        return raise_alarm(self.engine, tank, at=clock.now())

    def did(self, uid: str) -> list[tuple[str, str, str]]:
        """Return who did what to an incident, and why."""
        with reading(self.engine) as connection:
            stored = find_incident(connection, uid)
            assert stored is not None
            lines = load_audit(connection, stored.incident_id, stored.incident.tank)
        return [(line["actor"], line["action"], line["detail"]) for line in lines]


@pytest.fixture
def plant(engine: Engine) -> Iterator[Plant]:
    add_login(engine, "kim", Role.OPERATOR)
    add_login(engine, "vera", Role.VIEWER)
    with served(engine) as web:
        yield Plant(engine, str(web.client.base_url))


@pytest.fixture
def page(browser: Browser, plant: Plant) -> Iterator[Page]:
    """Return the alarm list as kim sees it, which follows the news."""
    with looking(browser, plant.address) as opened:
        log_in(opened, "kim", path="/alarms")
        expect(opened.locator("#live")).to_have_text("live")
        yield opened


def test_alarm_arrives_in_list_number_and_title_without_loading(plant: Plant, page: Page) -> None:
    expect(page.get_by_text("No alarm is open.")).to_be_visible()
    page.evaluate("window.isSamePage = true")
    plant.alarm("TK-104")
    expect(
        page.get_by_role("link", name="TK-104 pressure below expected", exact=True)
    ).to_be_visible()
    expect(page.locator("#unseen")).to_have_text("1")
    expect(page).to_have_title("(1) Alarms – tankwatch")
    plant.alarm("TK-117")
    expect(page.locator("#unseen")).to_have_text("2")
    expect(page.locator("tr[data-uid]")).to_have_count(2)
    assert page.evaluate("window.isSamePage") is True


def test_number_is_told_on_every_page(plant: Plant, page: Page) -> None:
    page.goto("/quality")
    plant.alarm("TK-104")
    expect(page.locator("#unseen")).to_have_text("1")


def test_operator_acknowledges_by_mouse_and_stays_on_the_list(plant: Plant, page: Page) -> None:
    uid = plant.alarm("TK-104")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(f"#i-{uid} .state")).to_contain_text("acknowledged")
    expect(page.locator("#said")).to_have_text("TK-104 pressure below expected: acknowledged")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(page.locator("#unseen")).to_be_empty()
    assert state_of(plant.engine, uid) is IncidentState.ACKNOWLEDGED
    assert plant.did(uid) == [("kim", "acknowledge", "acknowledged")]


def test_keys_move_acknowledge_shelve_label_and_open(plant: Plant, page: Page) -> None:
    first, second = plant.alarm("TK-104"), plant.alarm("TK-117")
    expect(page.locator("tr[data-uid]")).to_have_count(2)
    press = page.keyboard.press
    press("j")
    press("j")
    press("k")
    newest = page.locator("tr[data-uid]").first.get_attribute("data-uid")
    assert newest == second
    expect(page.locator(f"#o-{second}")).to_be_focused()
    press("a")
    expect(page.locator(f"#i-{second} .state")).to_contain_text("acknowledged")
    # What was acknowledged went down the list, and the keyboard with it.
    expect(page.locator("tr.current")).to_have_attribute("data-uid", second)
    press("s")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text(
        "Shelve the tank of TK-117 pressure below expected"
    )
    dialog.get_by_label("For how long").select_option("8 hours")
    dialog.get_by_label("Reason").fill("tank is cleaned")
    press("Enter")
    expect(page.locator(f"#i-{second}")).to_contain_text("shelved until")
    press("l")
    press("Space")
    press("Enter")
    expect(page.locator(f"#i-{second}")).to_contain_text("real fault")
    page.locator(f"#o-{first}").focus()
    press("Enter")
    expect(page).to_have_url(re.compile(f"/incidents/{first}$"))
    assert [line[:2] for line in plant.did(second)] == [
        ("kim", "acknowledge"),
        ("kim", "shelve"),
        ("kim", "label"),
    ]


def test_key_resets_what_is_latched_and_says_where_there_is_nothing_to_reset(
    plant: Plant, page: Page
) -> None:
    uid = raise_alarm(plant.engine, "TK-104", at=clock.now(), latching=True)
    expect(page.locator("tr[data-uid]")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("r")
    expect(page.locator("#said")).to_have_text("There is nothing to reset.")
    happen(plant.engine, uid, IncidentEvent.RETURN, at=clock.now())
    expect(page.locator(f"#i-{uid} .state")).to_contain_text("latched, unacknowledged")
    page.keyboard.press("a")
    expect(page.locator(f"#i-{uid} .state")).to_contain_text("latched, acknowledged")
    page.keyboard.press("r")
    expect(page.locator("#said")).to_have_text("TK-104 pressure below expected (over): reset")
    expect(page.get_by_text("No alarm is open.")).to_be_visible()
    assert state_of(plant.engine, uid) is IncidentState.CLOSED


def test_keys_can_be_turned_off_and_stay_so(plant: Plant, page: Page) -> None:
    uid = plant.alarm("TK-104")
    expect(page.locator("tr[data-uid]")).to_have_count(1)
    page.keyboard.press("?")
    page.get_by_label("Single keys act in this browser").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.locator(f"#o-{uid}").focus()
    page.keyboard.press("a")
    page.keyboard.press("?")
    expect(page.get_by_label("Single keys act in this browser")).not_to_be_checked()
    assert state_of(plant.engine, uid) is IncidentState.UNACKNOWLEDGED


def test_second_of_two_operators_is_told_who_was_first(plant: Plant, browser: Browser) -> None:
    uid = plant.alarm("TK-104")
    with looking(browser, plant.address, refused=409) as page:
        log_in(page, "kim", path="/alarms")
        # News is late here: what the page shows is old.
        silent = {"content_type": "text/event-stream", "body": ""}
        page.route("**/events", lambda route: route.fulfill(**silent))
        page.reload()
        page.evaluate(
            f"""fetch('/incidents/{uid}/acknowledge', {{method: 'POST', body: new URLSearchParams(
                new FormData(document.querySelector('form[data-act=acknowledge]')))}})"""
        )
        expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.locator("#said")).to_contain_text("It is acknowledged already by kim")


def test_incident_is_acknowledged_shelved_labelled_and_closed_on_its_page(
    plant: Plant, page: Page
) -> None:
    send_day(plant.engine, "TK-104", until=clock.now())
    uid = plant.alarm("TK-104")
    page.goto(f"/incidents/{uid}")
    page.wait_for_function("document.querySelector('.drawn').naturalWidth === 1200")
    page.get_by_label("Note").fill("seen")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("acknowledged by kim")).to_be_visible()
    page.get_by_label("For how long").select_option("until this incident clears")
    page.locator("#shelve").get_by_label("Reason").fill("known")
    page.get_by_role("button", name="Shelve the tank").click()
    expect(page.locator("#incident")).to_contain_text("shelved until it clears")
    page.get_by_label("Not a fault").check()
    page.get_by_label("Cause").fill("cleaning")
    page.get_by_role("button", name="Store label").click()
    expect(page.locator("#incident")).to_contain_text("not a fault")
    page.get_by_label("Reason", exact=True).fill("nothing there")
    page.get_by_role("button", name="Close by hand").click()
    expect(page.locator("#incident .state")).to_contain_text("closed")
    assert [line[1:] for line in plant.did(uid)] == [
        ("acknowledge", "seen"),
        ("shelve", "until it clears: known"),
        ("label", "not_a_fault cleaning"),
        ("close", "nothing there"),
    ]


def test_filter_shows_at_once_and_holds_for_what_arrives(plant: Plant, page: Page) -> None:
    raise_alarm(plant.engine, "TK-201", site="south", at=clock.now())
    page.reload()
    page.get_by_label("Site").select_option("south")
    expect(page).to_have_url(re.compile("site=south"))
    plant.alarm("TK-104")
    expect(page.locator("#unseen")).to_have_text("2")
    raise_alarm(plant.engine, "TK-202", site="south", at=clock.now())
    expect(page.locator("tr[data-uid]")).to_have_count(2)
    expect(page.get_by_text("TK-104")).to_have_count(0)


def test_viewer_sees_alarms_and_has_nothing_to_act_with(plant: Plant, browser: Browser) -> None:
    uid = plant.alarm("TK-104")
    with looking(browser, plant.address) as page:
        log_in(page, "vera", path="/alarms")
        expect(page.locator("tr[data-uid]")).to_have_count(1)
        for key in "jasl":
            page.keyboard.press(key)
        expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.goto(f"/incidents/{uid}")
        expect(page.get_by_role("heading", name="Act", exact=True)).to_have_count(0)
    assert state_of(plant.engine, uid) is IncidentState.UNACKNOWLEDGED


def test_page_says_when_its_login_is_void(plant: Plant, page: Page) -> None:
    with writing(plant.engine) as connection:
        kim = find_operator(connection, "kim")
        assert kim is not None
        set_active(connection, kim.operator_id, is_active=False)
    expect(page.locator("#live")).to_have_text("not live: log in again")
    page.get_by_role("link", name="log in again").click()
    expect(page).to_have_title("Log in – tankwatch")


def test_without_scripts_alarms_are_read_and_acted_on_by_forms(
    plant: Plant, browser: Browser
) -> None:
    uid = plant.alarm("TK-104")
    context = browser.new_context(base_url=plant.address, java_script_enabled=False)
    page = context.new_page()
    log_in(page, "kim", path="/alarms")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(f"#i-{uid} .state")).to_contain_text("acknowledged")
    page.get_by_role("link", name="Label").click()
    page.get_by_label("Real fault").check()
    page.get_by_role("button", name="Store label").click()
    expect(page.locator("#incident")).to_contain_text("real fault")
    context.close()
    with reading(plant.engine) as connection:
        stored = find_incident(connection, uid)
        assert stored is not None
        assert load_verdicts(connection, [stored.incident_id]) == {stored.incident_id: "real_fault"}


@pytest.mark.parametrize("size", [PHONE, WIDE, (320, 640)], ids=str)
def test_nobody_scrolls_sideways(plant: Plant, browser: Browser, size: tuple[int, int]) -> None:
    send_day(plant.engine, "TK-104", until=clock.now())
    uid = plant.alarm("TK-104")
    with looking(browser, plant.address, size=size) as page:
        log_in(page, "kim", path="/alarms")
        assert has_room(page)
        page.goto(f"/incidents/{uid}")
        assert has_room(page)
