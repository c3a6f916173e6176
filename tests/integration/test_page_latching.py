"""What is latched on the page, as a browser without scripts sees it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.core.incident import IncidentState, Symptom
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine
from tests.integration.alarms import happen, raise_alarm, state_of
from tests.integration.logins import Visit, add_login, visit
from tests.integration.page_reader import Page, check
from tests.integration.web_server import Served, served

NOW = datetime(2026, 3, 2, 14, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def web(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    add_login(engine, "kim", Role.OPERATOR)
    add_login(engine, "vera", Role.VIEWER)
    with served(engine, Settings(plant={"time_zone": "Europe/Oslo"})) as found:  # type: ignore[arg-type]
        yield found


@pytest.fixture
def kim(web: Served) -> Iterator[Visit]:
    with visit(str(web.client.base_url)) as begun:
        begun.log_in("kim")
        yield begun


def latched(engine: Engine, tank: str, *, seen: bool) -> str:
    uid = raise_alarm(
        engine,
        tank,
        at=NOW - 3 * HOUR,
        latching=True,
        detector="limit",
        symptom=Symptom.ABOVE_LIMIT,
    )
    if seen:
        happen(engine, uid, IncidentEvent.ACKNOWLEDGE, at=NOW - 2 * HOUR, actor="lee")
    happen(engine, uid, IncidentEvent.RETURN, at=NOW - HOUR)
    return uid


def look(one: Visit, path: str) -> Page:
    answer = one.get(path)
    assert answer.status_code == 200, answer.text
    return check(answer.text)


def rows(page: Page) -> list[tuple[str, str]]:
    """Return (tank, state) of each row."""
    return [(row[0].split()[0], row[1]) for row in page.rows[1:]]


def test_list_tells_what_is_latched_and_filters_it(engine: Engine, kim: Visit) -> None:
    latched(engine, "LU", seen=False)
    latched(engine, "LA", seen=True)
    raise_alarm(engine, "U", at=NOW)
    every = [
        ("U", "● unacknowledged"),
        ("LU", "◪ latched, unacknowledged"),
        ("LA", "□ latched, acknowledged by lee"),
    ]
    assert rows(look(kim, "/alarms")) == every
    assert rows(look(kim, "/alarms?state=latched")) == every[1:]
    assert rows(look(kim, "/alarms?state=unacknowledged")) == every[:2]
    assert rows(look(kim, "/alarms?state=acknowledged")) == every[2:]
    acts = {row[0].split()[0]: row[5] for row in look(kim, "/alarms").rows[1:]}
    assert [tank for tank, told in acts.items() if "Reset" in told] == ["LU", "LA"]
    assert [tank for tank, told in acts.items() if "Acknowledge" in told] == ["U", "LU"]


def test_operator_resets_for_a_note_and_only_what_is_latched(engine: Engine, kim: Visit) -> None:
    uid = latched(engine, "LA", seen=True)
    page = look(kim, f"/incidents/{uid}")
    assert "It is latched: it stays in the list until somebody resets it." in page.text
    sent = kim.send(f"/incidents/{uid}/reset", reason="valve  free", back="/alarms")
    assert (sent.status_code, sent.headers["location"]) == (303, "/alarms")
    assert state_of(engine, uid) is IncidentState.CLOSED
    page = look(kim, f"/incidents/{uid}")
    assert ["2026-03-02 15:20 CET", "reset", "kim", "valve free"] in page.rows
    assert ["2026-03-02 14:20 CET", "returned to normal, latched", "tankwatch", "as it was"] in (
        page.rows
    )
    again = kim.send(f"/incidents/{uid}/reset")
    assert again.status_code == 409
    assert "that is closed cannot reset" in check(again.text).text


def test_second_acknowledgement_of_what_is_latched_is_told(engine: Engine, kim: Visit) -> None:
    uid = latched(engine, "LA", seen=True)
    answer = kim.send(f"/incidents/{uid}/acknowledge")
    assert answer.status_code == 409
    assert "It is latched acknowledged already by lee" in check(answer.text).text


def test_viewer_may_not_reset(engine: Engine, web: Served) -> None:
    uid = latched(engine, "LU", seen=False)
    with visit(str(web.client.base_url)) as vera:
        vera.log_in("vera")
        page = look(vera, f"/incidents/{uid}")
        assert {form["action"] for form in page.all("form")} <= {"/logout", "/alarms"}
        assert vera.send(f"/incidents/{uid}/reset").status_code == 403
    assert state_of(engine, uid) is IncidentState.LATCHED_UNACKNOWLEDGED
