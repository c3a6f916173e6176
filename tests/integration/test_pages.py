"""The pages over HTTP, on both backends: what they say, and that they need no script."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from tankwatch import clock
from tankwatch.core.readings import Rejected, RejectReason
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, connect, writing
from tankwatch.store.intake import quarantine
from tankwatch.store.leases import take_lease
from tankwatch.store.runs import Outcome
from tankwatch.web import pages
from tests.conftest import PostgresServer
from tests.integration.page_reader import Page, check
from tests.integration.quality_days import ODD, ODD_SITE, START, fill, run
from tests.integration.web_server import Served, served

NOW = START + timedelta(days=3)
ODD_LINK = f"/quality/{quote(ODD_SITE, safe='')}/{quote(ODD, safe='')}"


@pytest.fixture
def web(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    with served(engine, Settings(plant={"time_zone": "Europe/Oslo"})) as found:  # type: ignore[arg-type]
        yield found


def look(web: Served, path: str, status: int = 200) -> Page:
    answer = web.client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    return check(answer.text)


def test_empty_database_is_told_with_what_to_do(web: Served) -> None:
    home = look(web, "/health")
    assert "No pass has run yet: tankwatch run" in home.text
    assert "There is no tank yet" in home.text
    assert "/quality" in home.links
    empty = look(web, "/quality")
    assert "nothing to show yet: tankwatch run" in empty.text
    assert empty.rows == []


def test_tanks_are_told_the_worst_first(engine: Engine, web: Served) -> None:
    fill(engine)
    page = look(web, "/quality")
    assert "3 tanks, the worst first; mean from 2026-03-02 to 2026-03-03" in page.text
    heads = ["Com\xadplete\xadness", "Timeli\xadness", "Valid\xadity", "Consis\xadtency"]
    assert page.rows == [
        ["Tank and site", *heads],
        ["T2 north", "25.0", "100.0", "100.0", "100.0"],
        # Of 2 * 1440 steps 72 are off limits, and came twice with another value.
        [f"{ODD} {ODD_SITE}", "100.0", "100.0", "97.5", "97.5"],
        ["T1 north", "100.0", "100.0", "100.0", "100.0"],
    ]
    heat = [str(cell["class"]).split()[1] for cell in page.all("td")]
    assert heat == [
        *("bad", "good", "good", "good"),
        *("good", "good", "fair", "fair"),
        *("good", "good", "good", "good"),
    ]
    assert {"/quality/north/T1", "/quality/north/T2", ODD_LINK} <= set(page.links)


def test_names_are_escaped_and_their_links_lead_to_them(engine: Engine, web: Served) -> None:
    fill(engine)
    html = web.client.get("/quality").text
    assert "<script>" not in html
    assert "<b>T/1" not in html
    page = look(web, ODD_LINK)
    assert page.rows[1] == ["2026-03-03 1\u202f440 values", "100.0", "100.0", "95.0", "95.0"]
    assert f"{ODD_LINK}?days=7" in page.links
    assert f"{ODD} {ODD_SITE}" in page.text


def test_tank_is_told_day_by_day_and_by_channel(engine: Engine, web: Served) -> None:
    fill(engine)
    silent = look(web, "/quality/north/T2")
    assert silent.rows[1:3] == [
        ["2026-03-03 0 values", "0.0", "–", "–", "–"],
        ["2026-03-02 720 values", "50.0", "100.0", "100.0", "100.0"],
    ]
    assert silent.rows[4:] == [
        ["2026-03-02 pressure in kPa, 720", "50.0", "1.000", "1.000", "1.000"]
    ]
    whole = look(web, "/quality/north/T1?days=1")
    assert [row[0] for row in whole.rows if row[0].startswith("2026")] == [
        "2026-03-03 1\u202f440 values",
        "2026-03-03 pressure in kPa, 1\u202f440",
    ]
    assert whole.rows[-1][2:] == ["1234", "1234", "1234"]
    assert "No day of this tank" in look(web, "/quality/north/never").text


def test_days_and_pages_of_tanks_can_be_chosen(
    engine: Engine, web: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine)
    assert "; mean of 2026-03-03, in per cent" in look(web, "/quality?days=1").text
    monkeypatch.setattr(pages, "TANKS_A_PAGE", 2)
    first, last = look(web, "/quality?days=31"), look(web, "/quality?days=31&page=9")
    assert [row[0] for row in first.rows[1:]] == ["T2 north", f"{ODD} {ODD_SITE}"]
    assert "/quality?days=31&page=2" in first.links
    assert [row[0] for row in last.rows[1:]] == ["T1 north"]
    assert "page 2 of 2" in last.text
    assert "/quality?days=31&page=1" in last.links


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/quality/north/T9", 404, "There is no tank 'north/T9'"),
        ("/quality/south/T1", 404, "There is no tank 'south/T1'"),
        ("/quality/", 404, "There is no tank ''"),
        ("/quality/north/%00", 404, "There is no tank 'north/\\x00'"),
        ("/quality/%3Cscript%3E/x", 404, "There is no tank '<script>/x'"),
        ("/quality?days=0", 422, "Days: Input should be greater than or equal to 1"),
        ("/quality?page=x", 422, "Page: Input should be a valid integer"),
    ],
)
def test_wrong_address_is_told_with_what_to_do(
    engine: Engine, web: Served, path: str, status: int, told: str
) -> None:
    fill(engine)
    page = look(web, path, status)
    assert told in page.text
    assert "What to do:" in page.text
    assert "/quality" in page.links


def test_health_tells_the_last_pass_and_jobs_that_fail(engine: Engine, web: Served) -> None:
    fill(engine)
    run(engine, "detect", Outcome.DONE, NOW - timedelta(seconds=90))
    run(engine, "deliver", Outcome.DONE, NOW - timedelta(days=1))
    for minutes in (3, 2):
        run(engine, "deliver", Outcome.FAILED, NOW - timedelta(minutes=minutes))
    run(engine, "rollup", Outcome.RUNNING, NOW)
    page = look(web, "/health")
    assert "The last pass began 1 min ago (2026-03-05 00:58:30)." in page.text
    assert "4 learning" in page.text
    assert page.rows[1:4] == [
        [
            "deliver",
            "failed: 2 failures since it last worked",
            "2 min ago 2026-03-05 00:58:00",
            "12\u202f345",
            "0.0",
        ],
        ["detect", "done", "1 min ago 2026-03-05 00:58:30", "12\u202f345", "0.0"],
        ["rollup", "running", "0 s ago 2026-03-05 01:00:00", "0", "–"],
    ]


def test_health_tells_who_works_what_was_sent_and_what_was_refused(
    engine: Engine, web: Served
) -> None:
    quiet = look(web, "/health")
    assert "None was due in the last 24 hours." in quiet.text
    assert "No row was refused in the last 24 hours." in quiet.text
    with writing(engine) as connection:
        for name, minutes in (("deliver", -1), ("detect", 1)):
            until = NOW + timedelta(minutes=minutes)
            take_lease(connection, name, owner="node/7", now=NOW - timedelta(days=1), until=until)
        for line, days in ((1, 0), (2, 0), (3, 2)):
            row = Rejected("a.csv", line, RejectReason.BAD_NUMBER, "no number", "x")
            quarantine(connection, [row], at=NOW - timedelta(days=days))
    page = look(web, "/health")
    assert ["deliver", "node/7", "2026-03-05 00:59:00 (over)"] in page.rows
    assert ["detect", "node/7", "2026-03-05 01:01:00"] in page.rows
    assert "2 bad number" in page.text


def test_pass_that_is_overdue_is_told(engine: Engine, web: Served) -> None:
    run(engine, "detect", Outcome.DONE, NOW - timedelta(minutes=11))
    assert "Attention: the last pass began 11 min ago" in look(web, "/health").text


def test_database_that_fails_is_told_on_a_page(web: Served, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW dash_data_quality")
        connection.exec_driver_sql("DROP TABLE plant_day")
    page = look(web, "/quality", 503)
    assert "What to do:" in page.text


def test_pages_are_equal_on_both_backends(
    tmp_path: Path,
    sqlite_template: Path,
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    shutil.copyfile(sqlite_template, tmp_path / "tankwatch.db")
    name = postgres_server.create(postgres_server.template)
    found = []
    for url in (f"sqlite:///{tmp_path / 'tankwatch.db'}", postgres_server.url(name)):
        engine = connect(url)
        fill(engine)
        run(engine, "detect", Outcome.DONE, NOW)
        with served(engine) as web:
            paths = ("/", "/health", "/quality", "/quality?days=1", ODD_LINK, "/quality/north/T2")
            found.append([web.client.get(path).text for path in paths])
        engine.dispose()
    postgres_server.drop(name)
    assert found[0] == found[1]


def test_style_and_icon_are_served_and_named_by_the_pages(web: Served) -> None:
    page = look(web, "/")
    for link in page.all("link"):
        answer = web.client.get(str(link["href"]))
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert [link["rel"] for link in page.all("link")] == ["icon", "stylesheet", "stylesheet"]
    assert web.client.get("/static/%2e%2e/pages.py").status_code == 404
