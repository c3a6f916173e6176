"""The pages of the fleet and of a tank over HTTP, as somebody without scripts reads them."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import insert

from tankwatch import clock
from tankwatch.core.times import from_ms
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, writing
from tankwatch.store.plant import ensure_tanks
from tankwatch.store.shelves import ShelfRow
from tankwatch.web import fleet_page
from tests.integration.charted import LAST_MS, ODD, ODD_SITE, SETTINGS, SPIKE_MS, fill
from tests.integration.page_reader import Page, check
from tests.integration.web_server import Served, served

ODD_LINK = f"/tanks/{quote(ODD_SITE, safe='')}/{quote(ODD, safe='')}"


@pytest.fixture
def web(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(clock, "now", lambda: from_ms(LAST_MS + 120_000))
    with served(engine, Settings(**SETTINGS, plant={"time_zone": "Europe/Oslo"})) as found:  # type: ignore[arg-type]
        yield found


def look(web: Served, path: str, status: int = 200) -> Page:
    answer = web.client.get(path)
    assert answer.status_code == status, answer.text
    assert "<script>" not in answer.text
    return check(answer.text)


def tiles(page: Page) -> list[str]:
    """Return where the tiles lead, in their order."""
    found = [link for link in page.all("a") if str(link.get("class", "")).startswith("tile")]
    return [str(link["href"]) for link in found]


def test_empty_database_is_told_with_what_to_do(web: Served) -> None:
    assert "There is no tank yet: the first reading of a tank makes it." in look(web, "/").text


def test_tanks_are_shown_the_worst_first_with_state_score_and_trend(
    engine: Engine, web: Served
) -> None:
    fill(engine)
    page = look(web, "/")
    assert tiles(page) == ["/tanks/north/T1", ODD_LINK, "/tanks/north/T2"]
    assert "1 ▲ alarm 1 … learning 1 ● normal" in page.text
    assert "T1 2.50 ↗ ▲ alarm north" in page.text
    assert "T2 0.20 → ● normal north" in page.text
    # The site with the worst tank comes first.
    assert [row[:2] for row in page.rows[1:]] == [["north", "2"], [ODD_SITE, "1"]]
    curves = [str(path["d"]) for path in page.all("path") if path["class"] == "curve"]
    # Of the threshold's double at the top: 2.5 is beyond it, 0.4 and 0.2 are below the middle.
    assert curves[0].startswith("M0.0 19.2L")
    assert curves[0].endswith("L91.8 0.0L96.0 0.0")
    assert (curves[1], curves[2][:9]) == ("", "M0.0 21.6")


def test_site_is_shown_alone_and_in_pages(
    engine: Engine, web: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine)
    with writing(engine) as connection:
        names = [f"N{number}" for number in range(4)]
        ensure_tanks(connection, names, site="east", at=from_ms(LAST_MS))
    monkeypatch.setattr(fleet_page, "AT_ONCE", 3)
    monkeypatch.setattr(fleet_page, "WORST", 2)
    whole = look(web, "/")
    assert "The 2 tanks that need a look first" in whole.text
    assert tiles(whole) == ["/tanks/north/T1", "/tanks/east/N0"]
    assert "/?site=east" in whole.links
    first, last = look(web, "/?site=east"), look(web, "/?site=east&page=2")
    assert tiles(first) == [f"/tanks/east/N{number}" for number in range(3)]
    assert "/?site=east&page=2" in first.links
    assert tiles(last) == ["/tanks/east/N3"]
    assert "page 2 of 2" in last.text
    assert "4 … learning" in last.text
    assert tiles(look(web, "/?site=none")) == []


def test_tank_shows_state_incident_limits_and_pictures(engine: Engine, web: Served) -> None:
    fill(engine)
    page = look(web, "/tanks/north/T1")
    # 2026-06-29 22:00 to 23:30 UTC, in the plant's zone.
    assert "▲ alarm since 2026-06-30 00:00 (1 h 32 min ago)" in page.text
    assert "reaches its high limit in 12 to 25 min (94 %)" in page.text
    assert "2026-06-30 01:30 (2 min ago)" in page.text
    assert "2.50, mostly of pressure" in page.text
    (incident,) = {link for link in page.links if link.startswith("/incidents/")}
    assert {"/quality/north/T1", "/"} <= set(page.links)
    assert web.client.get(incident).status_code == 200
    assert ["pressure kPa", "0.5", "3"] in [row[:3] for row in page.rows]
    assert page.rows[-1] == [
        "pressure heading for its high limit alarm, number 1",
        "2026-06-30 00:00 1 h 32 min so far",
        "unacknowledged",
        "2.50",
        "Show",
    ]
    drawn = [figure["aria-label"] for figure in page.all("svg")]
    assert [str(name).partition(" ")[0] for name in drawn] == ["pressure", "temperature", "score"]
    flagged = [part for part in page.all("rect") if part["class"] == "flagged"]
    assert len(flagged) == 3  # the same stretch in each picture
    assert str(page.all("section")[1]["data-series"]) == "/api/v1/tanks/north/T1/series"


def test_tank_whose_mail_waits_says_why_and_until_when(engine: Engine, web: Served) -> None:
    ids = fill(engine)
    now = from_ms(LAST_MS)
    with writing(engine) as connection:
        row = {
            "tank_id": ids["T2"],
            "kind": "shelved",
            "from_at": now,
            "until_at": now + timedelta(hours=8),
            "shelved_by": "kim",
            "reason": "gauge is changed",
        }
        connection.execute(insert(ShelfRow).values(row))
    page = look(web, "/tanks/north/T2")
    told = "Mail about it waits: shelved until 2026-06-30 09:30 (kim: gauge is changed)"
    assert told in page.text
    assert "Mail about it" not in look(web, "/tanks/north/T1").text


def test_any_stretch_can_be_read_without_scripts(engine: Engine, web: Served) -> None:
    fill(engine)
    page = look(web, f"/tanks/north/T1?from={SPIKE_MS - 10**9}&to={SPIKE_MS + 10**9}")
    assert "pressure, kPa: from 1.8 to 9 kPa" in page.text
    assert "2026-03-30" in page.text
    earlier = next(link for link in page.all("a") if link.get("data-pan") == "-0.5")
    moved = look(web, str(earlier["href"]))
    assert "2026-03-18" in moved.text
    assert "There are no readings in this time." in look(web, "/tanks/north/T1?from=0&to=9").text


def test_names_are_escaped_and_their_links_lead_to_them(engine: Engine, web: Served) -> None:
    fill(engine)
    page = look(web, ODD_LINK)
    assert f"{ODD} {ODD_SITE}" in page.text
    assert "… learning" in page.text
    assert "Score none yet" in page.text
    assert "None so far." in page.text
    series = next(part for part in page.all("section") if part.get("id") == "chart")
    assert web.client.get(str(series["data-series"])).json()["tank"] == ODD


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/tanks/north/T9", 404, "There is no tank 'north/T9'"),
        ("/tanks/north/T1?from=later", 422, "'later' is not a time"),
        ("/tanks/north/T1?hours=0", 422, "greater than or equal to 1"),
        ("/?page=0", 422, "greater than or equal to 1"),
    ],
)
def test_wrong_address_is_told_with_what_to_do(
    engine: Engine, web: Served, path: str, status: int, told: str
) -> None:
    fill(engine)
    page = look(web, path, status)
    assert told in page.text
    assert "What to do:" in page.text
