"""What many tanks of a site do together: on the alarm list, on its page, acknowledged at once."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.core.incident import IncidentState, Symptom
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.core.siblings import Kind
from tankwatch.store.alarm_list import find_incident
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.plant import TankRow
from tankwatch.store.runs import AuditRow
from tankwatch.store.siblings import (
    Sameness,
    add_members,
    end_site_incidents,
    find_site_incident,
    load_site_alarms,
    load_site_incidents,
    open_site_incident,
)
from tests.integration.alarms import TEMPERATURE, happen, raise_alarm, state_of
from tests.integration.browser import PHONE, WIDE, has_room, log_in, looking
from tests.integration.logins import Visit, add_login, visit
from tests.integration.page_reader import check
from tests.integration.web_server import Served, served

NOW = datetime(2026, 3, 2, 14, 20, tzinfo=UTC)
TANKS = ("A", "B", "C", "D")


def together(engine: Engine, uids: Sequence[str], *, at: datetime = NOW) -> str:
    """Make an incident of the site out of incidents, and return its name."""
    with writing(engine) as connection:
        found = [find_incident(connection, uid) for uid in uids]
        keys = [stored.incident_id for stored in found if stored is not None]
        site = connection.execute(
            select(TankRow.site_id)
            .join(IncidentRow, IncidentRow.tank_id == TankRow.tank_id)
            .where(IncidentRow.incident_id == keys[0])
        ).scalar_one()
        same = Sameness(site, TEMPERATURE, (Symptom.BELOW_EXPECTED,))
        front = open_site_incident(connection, same, Kind.BELOW, lead=keys[0], raised_at=at)
        add_members(connection, front, keys)
        return load_site_incidents(connection, ids=[front])[0].uid


def fill(engine: Engine, *, at: datetime = NOW) -> tuple[str, dict[str, str]]:
    """Raise a front over four of five tanks and one alarm beside it; return their names."""
    begun = at - timedelta(minutes=20)
    uids = {
        tank: raise_alarm(engine, tank, at=begun, channel=TEMPERATURE) for tank in (*TANKS, "E")
    }
    front = together(engine, [uids[tank] for tank in TANKS], at=begun)
    with reading(engine) as connection:
        ((one, unseen),), total = load_site_alarms(connection)
    assert (one.tanks, one.site_tanks, unseen, total) == (4, 5, 4, 1)
    assert one.uid == front
    return front, uids


@pytest.fixture
def web(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    add_login(engine, "kim", Role.OPERATOR)
    add_login(engine, "vera", Role.VIEWER)
    with served(engine) as found:
        yield found


@pytest.fixture
def kim(web: Served) -> Iterator[Visit]:
    with visit(str(web.client.base_url)) as begun:
        begun.log_in("kim")
        yield begun


def text_of(one: Visit, path: str, status: int = 200) -> str:
    answer = one.get(path)
    assert answer.status_code == status, answer.text
    return check(answer.text).text


def test_it_stands_above_the_list_and_on_the_rows_of_its_tanks(engine: Engine, kim: Visit) -> None:
    front, uids = fill(engine)
    text = text_of(kim, "/alarms")
    assert "4 of 5 tanks: temperature below expected north, since 2026-03-02 13:50" in text
    assert "4 of 4 unacknowledged" in text
    html = kim.get("/alarms").text
    assert html.count(f'href="/site-incidents/{front}"') == 1 + len(TANKS)
    assert f'href="/site-incidents/{front}"' in kim.get(f"/incidents/{uids['B']}").text
    assert f'href="/site-incidents/{front}"' not in kim.get(f"/incidents/{uids['E']}").text
    # A filter for another site or for what is closed leaves it out.
    for asked in ("site=south", "state=closed"):
        assert "4 of 5 tanks" not in text_of(kim, f"/alarms?{asked}")
    assert "4 of 5 tanks" in text_of(kim, "/alarms?state=unacknowledged&site=north")


def test_page_tells_it_in_a_sentence_with_its_tanks_and_what_to_check(
    engine: Engine, kim: Visit
) -> None:
    front, _ = fill(engine)
    page = check(kim.get(f"/site-incidents/{front}").text)
    assert "4 of the 5 tanks of site north were raised at the same time for" in page.text
    assert [row[0].split()[0] for row in page.rows[1:]] == ["D", "C", "B", "A"]
    assert "What does the weather do" in page.text
    assert "Acknowledge all 4" in page.text
    assert "There is no incident of a site" in text_of(kim, "/site-incidents/none", 404)
    assert "There is no incident of a site" in text_of(kim, "/site-incidents/%00", 404)


def test_one_button_acknowledges_all_and_the_trail_says_who(engine: Engine, kim: Visit) -> None:
    front, uids = fill(engine)
    happen(engine, uids["C"], IncidentEvent.ACKNOWLEDGE, at=NOW, actor="lee")
    done = kim.send(f"/site-incidents/{front}/acknowledge", reason="rain  front", back="/alarms")
    assert (done.status_code, done.headers["location"]) == (303, "/alarms")
    assert {state_of(engine, uids[tank]) for tank in TANKS} == {IncidentState.ACKNOWLEDGED}
    assert state_of(engine, uids["E"]) is IncidentState.UNACKNOWLEDGED
    with reading(engine) as connection:
        c = find_incident(connection, uids["C"])
        assert c is not None
        assert c.acknowledged_by == "lee"
        query = select(AuditRow.actor, AuditRow.subject, AuditRow.detail, AuditRow.via)
        trail = [tuple(row) for row in connection.execute(query.order_by(AuditRow.audit_id))]
        address = connection.execute(select(AuditRow.address)).scalars().all()[-1]
        one = find_site_incident(connection, front)
    assert one is not None
    assert address == "127.0.0.1"
    said = [row for row in trail if row[0] == "kim" and row[1].startswith(("incident", "site"))]
    number = f"site incident {one.site_incident_id}"
    assert said[-1] == ("kim", number, "3 incidents: rain front", "page")
    assert [row[2] for row in said[:-1]] == ["rain front"] * 3
    assert "all acknowledged" in text_of(kim, f"/site-incidents/{front}")
    assert "Acknowledge all" not in text_of(kim, f"/site-incidents/{front}")
    assert "4 of 5 tanks" not in text_of(kim, "/alarms?state=unacknowledged")
    assert "4 of 5 tanks" in text_of(kim, "/alarms")
    again = kim.send(f"/site-incidents/{front}/acknowledge")
    assert again.status_code == 409
    assert "acknowledged already" in check(again.text).text
    with reading(engine) as connection:
        assert len(connection.execute(query).all()) == len(trail)


def test_what_is_over_stays_until_somebody_has_seen_it(engine: Engine, kim: Visit) -> None:
    front, uids = fill(engine)
    for tank in TANKS:
        happen(engine, uids[tank], IncidentEvent.RETURN, at=NOW)
    with writing(engine) as connection:
        assert len(end_site_incidents(connection)) == 1
    assert ", over; 4 of 4 unacknowledged" in text_of(kim, "/alarms")
    assert "over at 2026-03-02 14:20" in text_of(kim, f"/site-incidents/{front}")
    assert kim.send(f"/site-incidents/{front}/acknowledge").status_code == 303
    assert "4 of 5 tanks" not in text_of(kim, "/alarms")
    assert {state_of(engine, uids[tank]) for tank in TANKS} == {IncidentState.CLOSED}


def test_of_many_what_nobody_has_seen_comes_first_however_old(engine: Engine, kim: Visit) -> None:
    names = [
        together(engine, [raise_alarm(engine, f"T{number}", at=NOW)], at=NOW)
        for number in range(23)
    ]
    elsewhere = together(engine, [raise_alarm(engine, "S", at=NOW, site="south")])
    for name in (*names[1:], elsewhere):
        assert kim.send(f"/site-incidents/{name}/acknowledge").status_code == 303
    html = kim.get("/alarms").text
    links = re.findall(r'<p class="together"><a href="/site-incidents/([0-9a-f]+)"', html)
    assert links[:2] == [names[0], elsewhere]
    assert len(links) == 20
    assert "and 4 more incidents of sites" in check(html).text
    only = text_of(kim, "/alarms?state=unacknowledged")
    assert "more incidents of sites" not in only
    assert "more incident" not in text_of(kim, "/alarms?site=south")
    assert "and 3 more incidents of sites" in text_of(kim, "/alarms?site=north")


def test_page_of_a_great_many_shows_the_first_of_them(engine: Engine, kim: Visit) -> None:
    front = together(engine, [raise_alarm(engine, f"T{n:03}", at=NOW) for n in range(203)])
    page = check(kim.get(f"/site-incidents/{front}").text)
    assert len(page.rows) == 201
    assert "203 incidents of its tanks, the first 200 of them" in page.text
    assert "Acknowledge all 203" in page.text
    assert kim.send(f"/site-incidents/{front}/acknowledge").status_code == 303
    assert "all acknowledged" in text_of(kim, f"/site-incidents/{front}")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_it_is_done_again_where_it_and_a_pass_wait_for_each_other(
    engine: Engine, kim: Visit
) -> None:
    front, uids = fill(engine)
    hold = "SELECT 1 FROM incident WHERE uid = %(uid)s FOR UPDATE"
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    got: list[int] = []
    asked = threading.Thread(
        target=lambda: got.append(kim.send(f"/site-incidents/{front}/acknowledge").status_code)
    )
    with engine.begin() as other:
        other.exec_driver_sql(hold, {"uid": uids["D"]})
        asked.start()
        with engine.connect() as looking_on:
            deadline_s = time.monotonic() + 30
            while not looking_on.exec_driver_sql(waits).scalar_one():
                assert time.monotonic() < deadline_s
                looking_on.rollback()
                time.sleep(0.05)
        # The page holds A to C by now and was the first to wait, so the server gives up on it.
        other.exec_driver_sql(hold, {"uid": uids["A"]})
    asked.join(timeout=60)
    assert got == [303]
    assert {state_of(engine, uids[tank]) for tank in TANKS} == {IncidentState.ACKNOWLEDGED}


def test_roles_and_forms_are_kept(engine: Engine, web: Served, kim: Visit) -> None:
    front, uids = fill(engine)
    path = f"/site-incidents/{front}/acknowledge"
    with visit(str(web.client.base_url)) as vera:
        assert vera.get(f"/site-incidents/{front}").status_code in {303, 401}
        vera.log_in("vera")
        assert "Acknowledge all" not in text_of(vera, f"/site-incidents/{front}")
        assert "4 of 5 tanks" in text_of(vera, "/alarms")
        assert vera.send(path).status_code == 403
    assert kim.client.post(path, data={"form_token": "forged"}).status_code == 403
    other = {"origin": "https://elsewhere.example"}
    token = {"form_token": kim.token()}
    assert kim.client.post(path, data=token, headers=other).status_code == 403
    assert kim.send("/site-incidents/none/acknowledge").status_code == 404
    assert {state_of(engine, uids[tank]) for tank in TANKS} == {IncidentState.UNACKNOWLEDGED}


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_in_a_browser_it_is_found_and_acknowledged_at_once(
    engine: Engine, browser: Browser, size: tuple[int, int]
) -> None:
    add_login(engine, "kim", Role.OPERATOR)
    _, uids = fill(engine, at=clock.now())
    with served(engine) as web, looking(browser, str(web.client.base_url), size=size) as page:
        log_in(page, "kim", path="/alarms")
        assert has_room(page)
        page.get_by_role("link", name="4 of 5 tanks: temperature below expected").click()
        page.evaluate("window.isSamePage = true")
        page.get_by_role("button", name="Acknowledge all 4").click()
        expect(page.locator("#said")).to_contain_text("acknowledged")
        expect(page.get_by_text("all acknowledged")).to_be_visible()
        expect(page.get_by_role("button", name="Acknowledge all")).to_have_count(0)
        assert page.evaluate("window.isSamePage")
        assert has_room(page)
    assert {state_of(engine, uids[tank]) for tank in TANKS} == {IncidentState.ACKNOWLEDGED}
