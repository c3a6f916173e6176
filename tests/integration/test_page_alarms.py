"""The alarm list and an incident's page over HTTP, as a browser without scripts sees them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.core.incident import IncidentState, Nature, Severity, Symptom
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.settings import Settings
from tankwatch.store.alarm_list import find_incident, load_audit
from tankwatch.store.engine import Engine, reading
from tankwatch.web import alarms
from tests.integration.alarms import TEMPERATURE, happen, raise_alarm, send_day, state_of
from tests.integration.logins import Visit, add_login, visit
from tests.integration.page_reader import Page, check
from tests.integration.quality_days import ODD, ODD_SITE
from tests.integration.web_server import Served, served

NOW = datetime(2026, 3, 2, 14, 20, tzinfo=UTC)


@pytest.fixture
def web(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    add_login(engine, "kim", Role.OPERATOR)
    with served(engine, Settings(plant={"time_zone": "Europe/Oslo"})) as found:  # type: ignore[arg-type]
        yield found


@pytest.fixture
def kim(web: Served) -> Iterator[Visit]:
    with visit(str(web.client.base_url)) as begun:
        begun.log_in("kim")
        yield begun


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def look(one: Visit, path: str, status: int = 200) -> Page:
    answer = one.get(path)
    assert answer.status_code == status, answer.text
    return check(answer.text)


def fill(engine: Engine) -> dict[str, str]:
    """Raise an incident in each state, and return their names by tank."""
    found = {
        "A": raise_alarm(engine, "A", at=ago(300), symptom=Symptom.ABOVE_LIMIT, detector="limit"),
        "U1": raise_alarm(engine, "U1", at=ago(200), severity=Severity.ALERT),
        "R": raise_alarm(engine, "R", at=ago(20), site="south", nature=Nature.SENSOR),
        "C": raise_alarm(engine, "C", at=ago(500)),
        "U2": raise_alarm(engine, "U2", at=ago(100), channel=TEMPERATURE),
        "U3": raise_alarm(engine, "U3", at=ago(90), site="south", severity=Severity.JOURNAL),
    }
    happen(engine, found["A"], IncidentEvent.ACKNOWLEDGE, at=ago(290), actor="lee")
    happen(engine, found["R"], IncidentEvent.RETURN, at=ago(5))
    happen(engine, found["C"], IncidentEvent.CLOSE, at=ago(400), actor="lee")
    return found


def tanks(page: Page) -> list[str]:
    """Return the tanks of the rows, in order."""
    return [row[0].split()[0] for row in page.rows[1:]]


def audited(engine: Engine, uid: str) -> list[tuple[str, str, str, str]]:
    with reading(engine) as connection:
        stored = find_incident(connection, uid)
        assert stored is not None
        lines = load_audit(connection, stored.incident_id, stored.incident.tank)
    return [(line["actor"], line["action"], line["detail"], line["via"]) for line in lines]


def test_nothing_open_is_told(kim: Visit) -> None:
    assert "No alarm is open." in look(kim, "/alarms").text


def test_list_tells_unseen_first_then_the_gravest_then_the_newest(
    engine: Engine, kim: Visit
) -> None:
    fill(engine)
    page = look(kim, "/alarms")
    assert tanks(page) == ["U2", "U1", "U3", "R", "A"]
    assert page.rows[1] == [
        "U2 temperature below expected north, process",
        "● unacknowledged",
        "▲ alarm",
        "1 h 50 min ago 2026-03-02 13:30 CET",
        "4.1",
        "Acknowledge Shelve U2 temperature below expected Label U2 temperature below expected",
    ]
    assert page.rows[4][1] == "◐ returned, unacknowledged"
    assert page.rows[5][1] == "○ acknowledged by lee"
    assert page.rows[5][5] == (
        "Shelve A pressure above high limit Label A pressure above high limit"
    )
    assert "Alarms 4 unacknowledged" in page.text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("state=unacknowledged", ["U2", "U1", "U3", "R"]),
        ("state=returned", ["R"]),
        ("state=acknowledged", ["A"]),
        ("state=closed", ["C"]),
        ("site=south", ["U3", "R"]),
        ("severity=alert", ["U1"]),
        ("site=south&severity=journal&state=open", ["U3"]),
        ("site=&severity=", ["U2", "U1", "U3", "R", "A"]),
    ],
)
def test_list_is_filtered(engine: Engine, kim: Visit, asked: str, found: list[str]) -> None:
    fill(engine)
    assert tanks(look(kim, f"/alarms?{asked}")) == found


def test_filter_that_finds_nothing_says_so_and_a_wrong_one_is_told(
    engine: Engine, kim: Visit
) -> None:
    fill(engine)
    assert "No incident is like that." in look(kim, "/alarms?site=east").text
    assert "State: Input should be" in look(kim, "/alarms?state=x", 422).text


def test_long_list_is_cut_and_says_so(
    engine: Engine, kim: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine)
    monkeypatch.setattr(alarms, "MOST", 2)
    page = look(kim, "/alarms")
    assert tanks(page) == ["U2", "U1"]
    assert "5 incidents, the first 2 of them" in page.text


def test_incident_tells_its_story_and_evidence(engine: Engine, kim: Visit) -> None:
    send_day(engine, "TK-104", until=ago(0))
    uid = raise_alarm(engine, "TK-104", at=ago(20))
    page = look(kim, f"/incidents/{uid}")
    assert "TK-104 pressure below expected north" in page.text
    assert "has been below what its model expects since 14:50 CET" in page.text
    assert ["Channel", "pressure (87 % of the evidence)"] in page.rows
    assert ["Looks like", "process: something at the tank"] in page.rows
    assert ["pressure", "0.71 kPa 15:19 CET", "0.3 to 2.5 kPa"] in page.rows
    assert [
        "2026-03-02 15:00 CET",
        "raised",
        "tankwatch",
        "score above 1.0 for 3 steps",
    ] in page.rows
    assert "Check first" in page.text
    picture = kim.client.get(f"/incidents/{uid}/picture.png")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    # 1200 pixels wide, as IHDR says.
    assert int.from_bytes(picture.content[16:20]) == 1200


def test_incident_of_a_tank_that_never_sent_anything_is_shown(engine: Engine, kim: Visit) -> None:
    uid = raise_alarm(engine, "T1", at=ago(20), symptom=Symptom.STALE, detector="stale")
    assert "has sent no reading" in look(kim, f"/incidents/{uid}").text
    assert kim.client.get(f"/incidents/{uid}/picture.png").status_code == 200


def test_names_are_escaped_on_list_and_incident(engine: Engine, kim: Visit) -> None:
    uid = raise_alarm(engine, ODD, site=ODD_SITE, at=ago(20))
    for path in ("/alarms", f"/incidents/{uid}"):
        html = kim.get(path).text
        assert "<script>" not in html
        assert "<b>T/1" not in html
        assert ODD in check(html).text


@pytest.mark.parametrize("path", ["/incidents/none", "/incidents/%00", "/incidents/x/picture.png"])
def test_incident_that_is_not_there_is_told(kim: Visit, path: str) -> None:
    assert "There is no incident" in look(kim, path, 404).text


def test_operator_acknowledges_with_a_note_and_is_led_back(engine: Engine, kim: Visit) -> None:
    uid = fill(engine)["U2"]
    sent = kim.send(f"/incidents/{uid}/acknowledge", reason="seen  it", back="/alarms?site=north")
    assert (sent.status_code, sent.headers["location"]) == (303, "/alarms?site=north")
    assert state_of(engine, uid) is IncidentState.ACKNOWLEDGED
    assert audited(engine, uid) == [("kim", "acknowledge", "seen it", "page")]
    page = look(kim, f"/incidents/{uid}")
    assert "acknowledged by kim" in page.text
    assert [
        "2026-03-02 15:20 CET", "acknowledge", "kim by page from 127.0.0.1", "seen it"
    ] in page.rows  # fmt: skip


def test_second_acknowledgement_is_told_who_was_first(engine: Engine, kim: Visit) -> None:
    uid = fill(engine)["A"]
    answer = kim.send(f"/incidents/{uid}/acknowledge")
    assert answer.status_code == 409
    assert "It is acknowledged already by lee" in check(answer.text).text
    assert audited(engine, uid) == []


def test_operator_labels_and_closes(engine: Engine, kim: Visit) -> None:
    uid = fill(engine)["U1"]
    answer = kim.send(f"/incidents/{uid}/label", verdict="not_a_fault", cause="tank was cleaned")
    assert answer.headers["location"] == f"/incidents/{uid}"
    assert kim.send(f"/incidents/{uid}/close", reason="nothing there").status_code == 303
    assert state_of(engine, uid) is IncidentState.CLOSED
    assert audited(engine, uid) == [
        ("kim", "label", "not_a_fault tank was cleaned", "page"),
        ("kim", "close", "nothing there", "page"),
    ]
    assert "✎ not a fault" in look(kim, f"/incidents/{uid}").text
    again = kim.send(f"/incidents/{uid}/close", reason="again")
    assert again.status_code == 409


def test_operator_shelves_a_tank_and_lets_it_through_again(engine: Engine, kim: Visit) -> None:
    uid = fill(engine)["U1"]
    path = f"/incidents/{uid}"
    kim.send(f"{path}/shelve", **{"for": "8h", "reason": "tank is cleaned"})
    told = "▾ shelved until 2026-03-02 23:20 CET (kim: tank is cleaned)"
    assert told in look(kim, path).text
    assert told in look(kim, "/alarms").text
    assert kim.send(f"{path}/unshelve").status_code == 303
    assert told not in look(kim, path).text
    assert [line[:2] for line in audited(engine, uid)] == [("kim", "shelve"), ("kim", "unshelve")]
    assert kim.send(f"{path}/unshelve").status_code == 409


def test_operator_shelves_an_incident_until_it_clears(engine: Engine, kim: Visit) -> None:
    uid = fill(engine)["U1"]
    kim.send(f"/incidents/{uid}/shelve", **{"for": "clear", "reason": "known"})
    assert "▾ shelved until it clears, at most until 2026-03-09" in look(kim, "/alarms").text
    happen(engine, uid, IncidentEvent.RETURN, at=NOW)
    assert "shelved until it clears" not in look(kim, f"/incidents/{uid}").text
    again = kim.send(f"/incidents/{uid}/shelve", **{"for": "clear", "reason": "known"})
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("act", "fields", "told"),
    [
        ("shelve", {"for": "8h"}, "Shelving needs a reason"),
        ("shelve", {"reason": "known"}, "Say for how long"),
        ("shelve", {"for": "9h", "reason": "known"}, "Say for how long"),
        ("label", {}, "Say whether it was a fault or not"),
        ("label", {"verdict": "maybe"}, "Say whether it was a fault or not"),
        ("close", {}, "Closing an incident by hand needs a reason"),
        ("close", {"reason": "  "}, "Closing an incident by hand needs a reason"),
    ],
)
def test_form_that_lacks_something_is_told(
    engine: Engine, kim: Visit, act: str, fields: dict[str, str], told: str
) -> None:
    uid = fill(engine)["U1"]
    answer = kim.send(f"/incidents/{uid}/{act}", **fields)
    assert answer.status_code == 422
    assert told in check(answer.text).text
    assert audited(engine, uid) == []


def test_act_on_an_incident_that_is_not_there_does_nothing(kim: Visit) -> None:
    assert kim.send("/incidents/none/acknowledge").status_code == 404


def test_form_leads_back_to_our_own_pages_alone(engine: Engine, kim: Visit) -> None:
    uid = fill(engine)["U1"]
    sent = kim.send(f"/incidents/{uid}/acknowledge", back="//evil.example")
    assert sent.headers["location"] == f"/incidents/{uid}"


def test_viewer_sees_everything_and_may_do_nothing(engine: Engine, web: Served) -> None:
    found = fill(engine)
    add_login(engine, "vera", Role.VIEWER)
    with visit(str(web.client.base_url)) as vera:
        vera.log_in("vera")
        for path in ("/alarms", f"/incidents/{found['U1']}"):
            page = look(vera, path)
            assert {form["action"] for form in page.all("form")} <= {"/logout", "/alarms"}
        answer = vera.send(f"/incidents/{found['U1']}/acknowledge")
        assert answer.status_code == 403
        assert "Vera is a viewer here" in check(answer.text).text
    assert state_of(engine, found["U1"]) is IncidentState.UNACKNOWLEDGED


def test_machine_without_logins_sees_alarms_and_may_do_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    uid = fill(engine)["U1"]
    with served(engine) as web, visit(str(web.client.base_url)) as somebody:
        assert tanks(look(somebody, "/alarms"))[0] == "U2"
        answer = somebody.client.post(f"/incidents/{uid}/acknowledge", data={"form_token": ""})
        assert answer.status_code == 403
        assert "tankwatch operator password" in check(answer.text).text
    assert state_of(engine, uid) is IncidentState.UNACKNOWLEDGED
