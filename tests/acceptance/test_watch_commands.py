"""The response time of a tank and the incidents of a site, as an operator handles them."""

from pathlib import Path

from tests.acceptance.program import inside, inside_json


def test_a_tank_has_the_settings_time_until_it_gets_its_own(tmp_path: Path) -> None:
    inside(tmp_path, "init")
    (tmp_path / "r.csv").write_text("tank,timestamp,pressure\nT1,2026-01-01T00:00Z,1.0\n")
    inside(tmp_path, "ingest", "r.csv")
    assert "T1: response time 30 min (of the settings)" in inside(tmp_path, "response", "T1").stdout
    inside(tmp_path, "response", "T1", "--minutes", "20", "--by", "kim")
    shown = inside_json(tmp_path, "response", "T1")
    assert shown == {"tank": "T1", "response_s": 1200.0, "is_own": True}
    never = inside(tmp_path, "response", "T1", "--minutes", "0").stdout
    assert "no limit ahead is told of" in never
    inside(tmp_path, "response", "T1", "--default")
    assert inside_json(tmp_path, "response", "T1")["response_s"] == 1800.0
    assert "`tankwatch tanks` lists them" in inside(tmp_path, "response", "T2", code=2).stderr
    inside(tmp_path, "response", "T1", "--default", "--minutes", "3", code=2)


def test_incidents_of_a_site_are_listed_and_a_wrong_number_names_the_remedy(
    tmp_path: Path,
) -> None:
    inside(tmp_path, "init")
    assert "no incidents of a whole site" in inside(tmp_path, "site-incidents").stdout
    refused = inside(tmp_path, "site-incidents", "7", code=2).stderr
    assert "see `tankwatch site-incidents --all`" in refused
    inside(tmp_path, "site-incidents", "--ack", code=2)
    assert inside_json(tmp_path, "site-incidents", "--all") == []
