"""The demo, as `make demo` runs it: from an empty directory to mails one can open."""

import email
import email.policy
import email.utils
from datetime import datetime, timedelta
from pathlib import Path

from tankwatch.core.times import parse_time
from tests.acceptance.program import inside, run_json


def test_the_demo_ends_with_an_alarm_about_a_real_fault_and_its_all_clear(tmp_path: Path) -> None:
    told = run_json(tmp_path, "demo", "--dir", "demo")
    found = [fault for fault in told["faults"] if fault["found_after"] != "not found"]
    assert found
    mails = [
        email.message_from_bytes((tmp_path / name).read_bytes(), policy=email.policy.default)
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


def test_the_demo_leaves_other_peoples_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    told = inside(tmp_path, "demo", "--dir", str(tmp_path), code=2).stderr
    assert "is not empty and not a demo" in told
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def _sent(header: object) -> datetime:
    return email.utils.parsedate_to_datetime(str(header))


def _end(start: str) -> datetime:
    return parse_time(start) + timedelta(days=2)
