"""What lies ahead of a tank, over HTTP and on its page, from a version that was trained here."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.errors import ModelError, UsageError
from tankwatch.jobs.context import Context
from tankwatch.jobs.train import train
from tankwatch.scoring.forecast import forecast
from tankwatch.scoring.wording import limit_sentence
from tankwatch.store.engine import Engine, connect, reading, writing
from tankwatch.store.plant import ensure_tanks, set_limits, tank_ids
from tankwatch.store.registry import Artefact, load_artefact
from tankwatch.store.tanks import find_tank_called
from tests.integration.browser import DRAWN, PHONE, has_room, log_in, looking
from tests.integration.foreseen import LEARNED, LIMIT, SITE, STEPS, TANKS, fill, settings_of
from tests.integration.logins import add_login
from tests.integration.page_reader import check
from tests.integration.plant import at, make_context, quiet_values, store
from tests.integration.web_server import Served, served


@pytest.fixture(scope="module")
def trained(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """Return a version that learned a day of six quiet tanks, made once for the tests here."""
    home = tmp_path_factory.mktemp("trained")
    shutil.copyfile(sqlite_template, home / "tankwatch.db")
    engine = connect(f"sqlite:///{home / 'tankwatch.db'}")
    store(engine, quiet_values(TANKS, LEARNED), slice(0, LEARNED))
    train(make_context(engine, settings_of(home)), "fused", now=at(LEARNED))
    with reading(engine) as connection:
        artefact = load_artefact(connection, 1)
    engine.dispose()
    return artefact


@pytest.fixture
def context(engine: Engine, tmp_path: Path, trained: Artefact) -> Context:
    """The six tanks; the second has risen for half an hour, to where it never was."""
    context = make_context(engine, settings_of(tmp_path))
    fill(engine, trained)
    return context


@pytest.fixture
def web(context: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server that is asked at the end of the last step; what needs the real present moves on."""
    moves_by = at(STEPS) - clock.now()
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + moves_by)
    with served(context.engine, context.settings) as found:
        yield found


def ask(web: Served, tank: str, **query: Any) -> Any:
    answer = web.client.get(f"/api/v1/tanks/{SITE}/{tank}/forecast", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_answer_is_what_the_forecast_says(context: Context, web: Served) -> None:
    with reading(context.engine) as connection:
        tank = find_tank_called(connection, "TK-1")
    assert tank is not None
    found = forecast(context.engine, context.settings, tank, steps=60, paths=200)
    told = ask(web, "TK-1")
    assert told["model_version"] == found.model_version_id
    assert [one["channel"] for one in told["channels"]] == list(found.channels)
    for place, one in enumerate(told["channels"]):
        bands = [one["low"], one["median"], one["high"]]
        np.testing.assert_allclose(bands, found.bands[:, :, place], atol=1e-5)
    newest_ms = round(at(STEPS - 1).timestamp() * 1000)
    assert told["t"] == [newest_ms + step * 60_000 for step in range(1, 61)]
    assert [one["by_trend"] for one in told["channels"]] == [False, False]
    (limit,) = told["channels"][0]["limits"]
    assert limit["says"] == limit_sentence(found.limits[0], found)
    assert limit["says"].startswith("Pressure is not expected to reach its high limit of 2.5 kPa")
    assert told["channels"][1]["limits"] == []


def test_tank_beyond_what_it_usually_reaches_is_carried_on_by_its_trend(web: Served) -> None:
    pressure, temperature = ask(web, "TK-2")["channels"]
    assert (pressure["by_trend"], temperature["by_trend"]) == (True, False)
    assert pressure["median"][-1] > pressure["median"][0] + 0.2
    (limit,) = pressure["limits"]
    assert limit["probability"] > 0.9
    assert not limit["is_passed"]
    assert 0 < limit["earliest_s"] <= limit["latest_s"] <= 3600
    assert "Pressure reaches its high limit of 2.5 kPa in " in limit["says"]
    assert "beyond what this tank usually reaches" in ask(web, "TK-2")["basis"]


def test_limit_that_is_passed_is_told_so(context: Context, web: Served) -> None:
    with writing(context.engine) as connection:
        (tank,) = tank_ids(connection, ["TK-2"]).values()
        set_limits(connection, tank, {1: (None, 2.0)})
    (limit,) = ask(web, "TK-2")["channels"][0]["limits"]
    assert (limit["is_passed"], limit["limit"]) == (True, 2.0)
    assert limit["says"] == "Pressure is beyond its high limit of 2 kPa."


def test_response_time_says_how_far_is_looked_and_a_query_overrules_it(
    web: Served,
) -> None:
    assert len(ask(web, "TK-3")["t"]) == 60
    assert len(ask(web, "TK-3", steps=7)["channels"][0]["high"]) == 7
    for steps in ("0", "2881", "x"):
        answer = web.client.get(f"/api/v1/tanks/{SITE}/TK-3/forecast", params={"steps": steps})
        assert answer.status_code == 422
    answer = web.client.get(f"/api/v1/tanks/{SITE}/TK-99/forecast")
    assert answer.status_code == 404
    assert "there is no tank" in answer.json()["title"]


def test_one_look_serves_whoever_asks_before_there_is_news(context: Context, web: Served) -> None:
    first = ask(web, "TK-4")
    values = quiet_values(TANKS, STEPS + 10)
    values[3, STEPS - 60 : STEPS] += 0.5
    store(context.engine, values, slice(STEPS - 60, STEPS), tanks=[3])  # corrected, some seconds on
    assert ask(web, "TK-4") == first
    store(context.engine, values, slice(STEPS, STEPS + 10))
    assert ask(web, "TK-4")["t"][0] == first["t"][0] + 600_000


def test_tank_that_is_silent_is_not_foreseen(
    context: Context, web: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"counted from {at(STEPS):%Y-%m-%d %H:%M} UTC" in ask(web, "TK-2")["basis"]
    real, silent_s = clock.now, context.settings.detect.stale_s
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(seconds=silent_s - 120))
    assert len(ask(web, "TK-2")["t"]) == 60
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(seconds=silent_s + 120))
    told = ask(web, "TK-2")
    assert (told["t"], told["channels"]) == ([], [])
    assert told["basis"].startswith("There is no forecast: 'TK-2' has sent nothing for 3")
    with reading(context.engine) as connection:
        tank = find_tank_called(connection, "TK-2")
    assert tank is not None
    found = forecast(context.engine, context.settings, tank, steps=5, paths=20)
    assert found.from_ms == round(at(STEPS).timestamp() * 1000)


def test_channel_whose_sensor_is_stuck_is_left_out_and_named(context: Context, web: Served) -> None:
    """A reading that repeats just below the limit must not say that the limit is far."""
    values = quiet_values(TANKS, STEPS + 60)
    values[4, STEPS:, 0] = LIMIT - 0.01
    store(context.engine, values, slice(STEPS, STEPS + 60), tanks=[4])
    told = ask(web, "TK-5")
    assert [one["channel"] for one in told["channels"]] == ["temperature"]
    assert told["channels"][0]["limits"] == []
    assert "Pressure is left out: its sensor is not to be believed." in told["basis"]
    # It is believed again as soon as it moves.
    values = quiet_values(TANKS, STEPS + 75)
    store(context.engine, values, slice(STEPS + 60, STEPS + 75), tanks=[4])
    assert len(ask(web, "TK-5")["channels"]) == 2


def test_tank_of_bad_sensors_alone_is_told_so(context: Context, web: Served) -> None:
    values = quiet_values(TANKS, STEPS + 60)
    values[4, STEPS:] = values[4, STEPS - 1]
    store(context.engine, values, slice(STEPS, STEPS + 60), tanks=[4])
    assert "read lately by a sensor to be believed" in ask(web, "TK-5")["basis"]


def test_tank_without_a_forecast_is_told_why(context: Context, web: Served) -> None:
    with writing(context.engine) as connection:
        ensure_tanks(connection, ["NEW"], site=SITE, at=at(STEPS))
    told = ask(web, "NEW")
    assert (told["t"], told["channels"], told["model_version"]) == ([], [], None)
    assert told["basis"] == "There is no forecast: tank 'NEW' has no readings yet: send some first."
    page = web.client.get(f"/forecast/{SITE}/NEW")
    assert "has no readings yet" in check(page.text).text


def test_without_a_forecaster_in_use_it_is_refused_with_the_remedy(
    engine: Engine, context: Context, tmp_path: Path
) -> None:
    with writing(engine) as connection:
        ensure_tanks(connection, ["NEW"], site=SITE, at=at(STEPS))
    with reading(engine) as connection:
        old, new = (find_tank_called(connection, name) for name in ("TK-1", "NEW"))
    assert old is not None
    assert new is not None
    with pytest.raises(UsageError, match="'NEW' has no readings yet"):
        forecast(engine, context.settings, new, steps=5, paths=20)
    with pytest.raises(ModelError, match="forecasts nothing: train"):
        forecast(engine, settings_of(tmp_path, "robust_z"), old, steps=5, paths=20)
    values = quiet_values(TANKS + 1, 20)
    store(engine, values, slice(0, 20), tanks=[TANKS])
    with reading(engine) as connection:
        unknown = find_tank_called(connection, f"TK-{TANKS + 1}")
    assert unknown is not None
    with pytest.raises(ModelError, match="does not know 'TK-7' yet"):
        forecast(engine, context.settings, unknown, steps=5, paths=20)


def test_channel_that_is_silent_is_not_made_up(context: Context, web: Served) -> None:
    values = quiet_values(TANKS, STEPS + 400)
    values[4, STEPS:, 1] = np.nan
    store(context.engine, values, slice(STEPS, STEPS + 400), tanks=[4])
    told = ask(web, "TK-5")
    assert [one["channel"] for one in told["channels"]] == ["pressure"]
    page = check(web.client.get(f"/forecast/{SITE}/TK-5").text)
    assert [str(one["class"]) for one in page.all("path")].count("ahead") == 1


def test_page_is_read_without_scripts(web: Served) -> None:
    tank = check(web.client.get(f"/tanks/{SITE}/TK-2").text)
    links = [str(one.get("href")) for one in tank.all("a")]
    assert f"/forecast/{SITE}/TK-2" in links
    answer = web.client.get(f"/forecast/{SITE}/TK-2")
    page = check(answer.text)
    assert "Pressure reaches its high limit of 2.5 kPa in" in page.text
    drawn = [str(one["class"]) for one in page.all("path")]
    assert drawn.count("ahead") == drawn.count("foreseen") == 2
    assert len(page.rows) == 13  # twelve steps below the head
    assert web.client.get(f"/forecast/{SITE}/TK-99").status_code == 404


def test_forecast_needs_a_login_where_there_are_some(context: Context, web: Served) -> None:
    add_login(context.engine, "kim", Role.VIEWER)
    assert web.client.get(f"/api/v1/tanks/{SITE}/TK-1/forecast").status_code == 401
    shown = web.client.get(f"/forecast/{SITE}/TK-1", follow_redirects=False)
    assert shown.status_code in {303, 401}
    assert "limit" not in shown.text


@pytest.mark.parametrize("dark", [False, True])
def test_chart_goes_on_with_what_is_expected(
    browser: Browser, context: Context, web: Served, *, dark: bool
) -> None:
    add_login(context.engine, "kim", Role.VIEWER)
    with looking(browser, str(web.client.base_url), dark=dark, size=PHONE) as page:
        log_in(page, "kim", path=f"/tanks/{SITE}/TK-2?hours=6")
        chart = page.locator("#chart")
        expect(chart).to_have_attribute("data-ahead", "60")
        last = at(STEPS - 1).timestamp() * 1000
        assert int(str(chart.get_attribute("data-shown")).split(",")[1]) == last + 61 * 60_000
        said = page.locator("#forecast")
        expect(said).to_contain_text("Pressure reaches its high limit of 2.5 kPa in")
        expect(said).to_contain_text("beyond what this tank usually reaches")
        for place in range(2):
            colours = page.locator("#chart canvas").nth(place).evaluate(DRAWN)
            assert ("#3a2f55" if dark else "#e4dcf3") in colours
        assert has_room(page)
        # Further back there is nothing to look ahead of, and nothing is asked again.
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url) if "forecast" in one.url else None)
        chart.focus()
        page.keyboard.press("Home")
        page.wait_for_function("() => !document.getElementById('chart').hasAttribute('aria-busy')")
        page.keyboard.press("End")
        assert asked == []


def test_chart_asks_again_after_a_failure_and_its_link_stays_in_focus(
    browser: Browser, context: Context, web: Served
) -> None:
    add_login(context.engine, "kim", Role.VIEWER)
    away = '{"title": "the database is away"}'
    with looking(browser, str(web.client.base_url), refused=503) as page:
        page.clock.install()
        page.route("**/forecast", lambda route: route.fulfill(status=503, body=away))
        log_in(page, "kim", path=f"/tanks/{SITE}/TK-2?hours=24")
        told = page.locator("#foretold")
        expect(told).to_have_text("No forecast: the database is away")
        link = page.get_by_role("link", name="What is expected next as a table")
        link.focus()
        page.unroute("**/forecast")
        page.clock.fast_forward(31_000)
        expect(told).to_contain_text("Pressure reaches its high limit of 2.5 kPa in")
        expect(link).to_be_focused()
        # The links to stretches of time show what lies ahead, too.
        page.get_by_role("link", name="6 h", exact=True).click()
        last = round(at(STEPS - 1).timestamp() * 1000)
        chart = page.locator("#chart")
        expect(chart).to_have_attribute(
            "data-shown", f"{last - 6 * 3_600_000},{last + 61 * 60_000}"
        )
        # A page that stays open while the tank is silent takes back what it said.
        silent = '{"t": [], "channels": [], "basis": "nothing for 31 min", "step_ms": 60000}'
        page.route("**/forecast", lambda route: route.fulfill(status=200, body=silent))
        page.clock.fast_forward(6 * 60_000)
        expect(told).to_have_text("nothing for 31 min")
        expect(chart).to_have_attribute("data-ahead", "0")
        page.route("**/forecast", lambda route: route.fulfill(status=503, body=away))
        page.clock.fast_forward(6 * 60_000)
        expect(told).to_have_text("No forecast: the database is away")
        page.unroute("**/forecast")
        page.clock.fast_forward(31_000)
        expect(told).to_contain_text("Pressure reaches its high limit of 2.5 kPa in")
