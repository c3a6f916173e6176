"""What operators do to keep mail away for a time, as commands."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from tankwatch.core.times import parse_time
from tankwatch.store.engine import connect, reading, writing
from tankwatch.store.plant import ensure_tanks
from tests.acceptance.program import inside, inside_json, run_json
from tests.integration.plant_of_incidents import raise_incident


def muted(folder: Path, **options: str) -> list[tuple[str, str, int | None]]:
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    rows = inside_json(folder, "shelved", *words)
    return [(row["tank"], row["reason"], row["incident"]) for row in rows]


def test_operator_mutes_and_lets_through_again_each_way_there_is(tmp_path: Path) -> None:
    inside(tmp_path, "init")
    (tmp_path / "tankwatch.toml").write_text('[plant]\ntime_zone = "Europe/Oslo"\n')
    engine = connect("sqlite:///tankwatch.db", home=tmp_path)
    now = datetime.now(UTC)
    with writing(engine) as connection:
        ids = ensure_tanks(connection, ["T1", "T2"], site="north", at=now)
    incident = str(raise_incident(engine, ids["T1"], now))
    kim = ("--reason", "known", "--by", "kim")

    assert "nothing is muted" in inside(tmp_path, "shelved").stdout
    done = run_json(tmp_path, "shelve", "T1", "--for", "1h 30m", *kim)
    left = parse_time(done["until"]) - now
    assert timedelta(minutes=89) < left < timedelta(minutes=95)
    assert muted(tmp_path) == [("T1", "shelved", None)]
    assert "kim: known" in inside(tmp_path, "shelved").stdout
    inside(tmp_path, "unshelve", "T1")
    assert muted(tmp_path) == []

    inside(tmp_path, "shelve", incident, "--until-clear", *kim)
    assert muted(tmp_path) == [("T1", "one_shot", int(incident))]
    inside(tmp_path, "unshelve", incident)

    inside(tmp_path, "service", "out", "--site", "north", *kim)
    assert [reason for _, reason, _ in muted(tmp_path)] == ["out_of_service"] * 2
    inside(tmp_path, "service", "in", "T1")
    inside(tmp_path, "service", "in", "T2")

    inside(tmp_path, "transfer", "start", "T2", "--for", "3h", "--note", "from ship")
    rule = inside_json(tmp_path, "suppress", "add", "transfer", "--site", "north", *kim)
    assert muted(tmp_path) == [("T2", "suppressed_transfer", None)]
    assert "from ship" in inside(tmp_path, "transfer", "list").stdout
    assert "north" in inside(tmp_path, "suppress", "list").stdout
    inside(tmp_path, "transfer", "end", "T2")
    inside(tmp_path, "suppress", "end", str(rule["suppression_id"]))
    assert muted(tmp_path) == []
    with reading(engine) as connection:
        actors = connection.execute(text("SELECT action FROM audit WHERE actor = 'kim'"))
        assert {*actors.scalars()} == {"shelve", "out-of-service", "suppress"}
    engine.dispose()


def test_maintenance_comes_again_at_the_same_local_time(tmp_path: Path) -> None:
    inside(tmp_path, "init")
    (tmp_path / "tankwatch.toml").write_text('[plant.site_time_zones]\nnorth = "Europe/Oslo"\n')
    engine = connect("sqlite:///tankwatch.db", home=tmp_path)
    with writing(engine) as connection:
        ensure_tanks(connection, ["T1"], site="north", at=datetime.now(UTC))
    engine.dispose()
    weekly = ("--rrule", "FREQ=WEEKLY;BYDAY=TU", "--from", "2026-03-24T08:00", "--hours", "2")
    made = inside_json(
        tmp_path, "maintenance", "add", "--site", "north", *weekly, "--reason", "pumps"
    )
    for moment, reasons in {
        "2026-03-24T07:30:00Z": ["maintenance"],
        "2026-03-31T06:30:00Z": ["maintenance"],
        "2026-03-31T08:30:00Z": [],
        "2026-04-01T06:30:00Z": [],
    }.items():
        options = {"as-of": moment}
        assert [reason for _, reason, _ in muted(tmp_path, **options)] == reasons
    listed = inside_json(tmp_path, "maintenance", "list", "--as-of", "2026-03-30T00:00:00Z")
    assert [(row["of"], row["from"]) for row in listed] == [("north", "2026-03-31T06:00:00Z")]
    inside(tmp_path, "maintenance", "cancel", str(made["maintenance_id"]))
    assert inside_json(tmp_path, "maintenance", "list") == []
    assert len(inside_json(tmp_path, "maintenance", "list", "--all")) == 1


def test_wrong_use_is_told_with_what_to_do(tmp_path: Path) -> None:
    inside(tmp_path, "init")
    engine = connect("sqlite:///tankwatch.db", home=tmp_path)
    with writing(engine) as connection:
        ensure_tanks(connection, ["T1"], site="north", at=datetime.now(UTC))
    engine.dispose()
    why = ("--reason", "x")
    work = ("maintenance", "add", "--tank", "T1", "--hours", "2", *why)
    for words, told in (
        (("shelve", "T1", "--for", "25h", *why), "raise alarms.longest_shelf_h"),
        (("shelve", "T1", *why), "--until-clear, one of the two"),
        (("shelve", "T1", "--for", "soon", *why), "write for instance 8h"),
        (("shelve", "T1", "--until-clear", *why), "shelve it for a time with --for"),
        (("shelve", "T9", "--for", "1h", *why), "there is no tank 'T9'"),
        (("shelve", "77", "--for", "1h", *why), "there is no incident 77"),
        (("shelve", "--for", "1h", *why), "or a site with --site"),
        (("shelve", "T1", "--for", "1h"), "--reason"),
        (("suppress", "add", "storm", *why), "transfer"),
        ((*work, "--from", "tuesday"), "write ISO 8601"),
        ((*work, "--from", "2026-03-24T08:00", "--rrule", "tuesdays"), "one of RFC 5545"),
    ):
        assert told in inside(tmp_path, *words, code=2).stderr, words
