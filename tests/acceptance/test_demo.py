"""The demo, as `make demo` runs it: from an empty directory to mails one can open."""

import email
import email.policy
import email.utils
import re
import shlex
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tankwatch.core.times import parse_time
from tests.acceptance.program import inside, run_json

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "operator.md"


@dataclass(frozen=True)
class Demo:
    folder: Path
    told: Any


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("operators")
    return Demo(folder, run_json(folder, "demo", "--dir", "demo"))


def test_the_demo_ends_with_an_alarm_about_a_real_fault_and_its_all_clear(demo: Demo) -> None:
    told = demo.told
    found = [fault for fault in told["faults"] if fault["found_after"] != "not found"]
    assert found
    mails = [
        email.message_from_bytes((demo.folder / name).read_bytes(), policy=email.policy.default)
        for name in told["mails"]
    ]
    answered = {mail["In-Reply-To"] for mail in mails}
    about_faults = [
        mail
        for mail in mails
        if mail["X-Tankwatch-Kind"] == "alarm"
        for fault in found
        if fault["tank"] in mail["Subject"]
        and parse_time(fault["start"]) <= _sent(mail["Date"]) <= _end(fault["start"])
    ]
    assert [mail for mail in about_faults if mail["Message-ID"] in answered]
    for mail in mails:
        assert [part for part in mail.walk() if part.get_content_type() == "image/png"]


def test_the_tour_for_operators_works_as_it_is_written(demo: Demo) -> None:
    told = {}
    commands = re.findall(r"^\$ (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert commands[0] == "cd demo"
    for line in commands[1:]:
        program, *words = shlex.split(line)
        if program == "sqlite3":
            with closing(sqlite3.connect(demo.folder / "demo" / words[0])) as database:
                told[line] = str(database.execute(words[1]).fetchall())
        else:
            assert program == "../.venv/bin/tankwatch"
            told[line] = inside(demo.folder / "demo", *words).stdout
    assert len(told) >= 9
    assert all(text.strip() for text in told.values())
    assert "TK-108" in told[commands[-1]]


def test_the_demo_leaves_other_peoples_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    told = inside(tmp_path, "demo", "--dir", str(tmp_path), code=2).stderr
    assert "is not empty and not a demo" in told
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def _sent(header: object) -> datetime:
    return email.utils.parsedate_to_datetime(str(header))


def _end(start: str) -> datetime:
    return parse_time(start) + timedelta(days=2)
