"""What a user sees who does something wrong."""

import json
from pathlib import Path

import pytest

from tankwatch.store.schema import head_revision
from tests.acceptance.program import inside as run
from tests.acceptance.program import inside_json as run_json


def test_a_database_that_is_not_there_names_the_remedy(tmp_path: Path) -> None:
    assert "create it with `tankwatch init`" in run(tmp_path, "status", code=1).stderr


def test_a_wrong_setting_names_key_value_and_what_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "tankwatch.toml").write_text("[detect]\non_delay_steps = 0\n")
    told = run(tmp_path, "status", code=2).stderr
    assert "detect.on_delay_steps = 0" in told
    assert "greater than or equal to 1" in told


def test_an_unknown_command_is_wrong_use(tmp_path: Path) -> None:
    run(tmp_path, "frobnicate", code=2)


def test_help_lists_every_command(tmp_path: Path) -> None:
    shown = run(tmp_path, "--help").stdout
    for name in ("init", "ingest", "train", "detect", "deliver", "run", "backtest", "demo"):
        assert name in shown


def test_a_missing_file_does_not_keep_the_others_out(tmp_path: Path) -> None:
    run(tmp_path, "init")
    (tmp_path / "good.csv").write_text("tank,timestamp,pressure\nT1,2026-01-01T00:00Z,1.0\n")
    done = run(tmp_path, "ingest", "missing.csv", "good.csv", "--json", code=1)
    assert json.loads(done.stdout)["stored"] == 1
    assert "missing.csv" in done.stderr


def test_rejected_rows_are_shown_with_file_line_and_reason(tmp_path: Path) -> None:
    run(tmp_path, "init")
    text = "tank,timestamp,pressure\nT1,2026-01-01T00:00Z,oops\nT1,2026-01-01T00:01Z,2\n"
    counted = run(tmp_path, "ingest", "-", "--json", stdin=text)
    assert json.loads(counted.stdout) == {
        "stored": 1,
        "updated": 0,
        "duplicate": 0,
        "rejected": 1,
        "unreadable": [],
    }
    (row,) = run_json(tmp_path, "quarantine")
    assert (row["line"], row["reason"]) == (2, "bad_number")


def test_an_unknown_tank_is_refused_with_its_line_where_the_settings_say_so(
    tmp_path: Path,
) -> None:
    (tmp_path / "tankwatch.toml").write_text('[ingest]\nunknown_tank = "refuse"\n')
    run(tmp_path, "init")
    text = "tank,timestamp,pressure\nT1,2026-01-01T00:00Z,1\n"
    run(tmp_path, "ingest", "-", stdin=text)
    (row,) = run_json(tmp_path, "quarantine")
    assert (row["line"], row["reason"]) == (2, "unknown_tank")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ingest", "x.csv", "--unit", "pressure"), "is not NAME=VALUE"),
        (("label", "1", "perhaps"), "not_a_fault or real_fault"),
        (("incidents", "7"), "there is no incident 7"),
        (("ack", "7"), "there is no incident 7"),
        (("models", "promote", "9", "--reason", "x"), "there is no model version 9"),
        (("models", "rollback", "--reason", "x"), "no earlier version"),
        (("models", "rollback", "--to", "9", "--reason", "x"), "there is no model version 9"),
        (("models", "shadow", "9"), "there is no model version 9"),
        (("models", "compare", "9"), "there is no model version 9"),
        (("models", "show", "9"), "there is no model version 9"),
        (("train",), "no readings to train on"),
        (("train", "--detector", "magic"), "there is no detector 'magic'"),
        (("detect", "--as-of", "yesterday"), "is not a time"),
        (("db", "downgrade", "base"), "--yes"),
        (("channel", "add", "Flow Rate"), "cannot name a channel"),
        (("backtest", "no-such-folder", "--out", "o"), "where training ends"),
    ],
)
def test_wrong_words_are_answered_with_a_remedy(
    tmp_path_factory: pytest.TempPathFactory, words: tuple[str, ...], told: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "wrong-words"
    if not folder.exists():
        folder.mkdir()
        run(folder, "init")
    code = 1 if words[0] in {"models", "train"} else 2
    if words[:2] == ("train", "--detector"):
        (folder / "x.csv").write_text(
            "tank,timestamp,pressure\n"
            + "".join(
                f"T1,2026-01-{1 + i // 1440:02}T{i // 60 % 24:02}:{i % 60:02}Z,{i % 7}\n"
                for i in range(1500)
            )
        )
        run(folder, "ingest", "x.csv")
    assert told in run(folder, *words, code=code).stderr


def test_a_channel_can_be_added_and_filled(tmp_path: Path) -> None:
    run(tmp_path, "init")
    run(tmp_path, "channel", "add", "level", "m")
    assert [c["name"] for c in run_json(tmp_path, "channel", "list")] == [
        "pressure",
        "temperature",
        "level",
    ]
    text = "tank,timestamp,level\nT1,2026-01-01T00:00Z,3.5\n"
    run(tmp_path, "ingest", "-", stdin=text)
    assert run_json(tmp_path, "db", "current")["revision"] == head_revision()
