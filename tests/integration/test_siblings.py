"""What moves a whole site at once is mailed once; no incident is lost, and a limit still pages."""

from datetime import timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from tankwatch.core.incident import MessageKind
from tankwatch.core.siblings import Kind
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.train import train
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.outbox import MessageState, load_messages
from tankwatch.store.siblings import SiteIncident, load_site_incidents
from tests.integration.plant import (
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    store,
    told,
)

LEARNED, STEPS, TANKS = 1440, 1900, 10
FRONT, MOVED = 1560, 7


@pytest.fixture
def values() -> NDArray[np.float64]:
    """Ten tanks; a front cools seven of them, each a little later than the one before."""
    values = quiet_values(TANKS, STEPS)
    for tank in range(MOVED):
        begin = FRONT + 2 * tank
        # Weather comes on over some minutes; what jumps from one reading to the next is a sensor.
        values[tank, begin : begin + 60, 1] -= 12.0 * np.minimum(np.arange(1, 61) / 3.0, 1.0)
    return values


def learned(engine: Engine, values: NDArray[np.float64], home: Path, **sections: object) -> Context:
    context = make_context(engine, make_settings(home, **sections))  # type: ignore[arg-type]
    store(engine, values, slice(0, LEARNED))
    train(context, "robust_z", now=at(LEARNED))
    detect(context, now=at(LEARNED))
    return context


def watch(
    context: Context, values: NDArray[np.float64], *, until: int = STEPS, every: int = 5
) -> None:
    """Score and mail what came after learning, as the daemon would."""
    for cut in range(LEARNED + every, until + 1, every):
        store(context.engine, values, slice(cut - every, cut))
        detect(context, now=at(cut))
        deliver(context, now=at(cut))


def mails(home: Path) -> list[tuple[str, str]]:
    """Return (subject, plain text) of every mail in the order of their dates."""
    found = []
    for path in sorted((home / "outbox").glob("*.eml")):
        message = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
        body = message.get_body(("plain",))
        assert body is not None
        found.append((str(message["Subject"]).strip(), body.get_content()))
    return found


def site_incidents(engine: Engine) -> list[SiteIncident]:
    with reading(engine) as connection:
        return load_site_incidents(connection)


def test_a_front_is_one_mail_with_a_table_and_one_all_clear(
    engine: Engine, values: NDArray[np.float64], tmp_path: Path
) -> None:
    context = learned(engine, values, tmp_path, serve={"base_url": "https://tanks.example/"})
    watch(context, values)
    (front,) = site_incidents(engine)
    assert (front.site, front.kind, front.channel) == ("north", Kind.BELOW, "temperature")
    assert len(front.incident_ids) == MOVED
    assert front.ended_at is not None
    stored = incidents(engine)
    assert sorted(one.incident.tank for one in stored) == [f"TK-{n + 1}" for n in range(MOVED)]
    assert all(one.incident.ended_at is not None for one in stored)
    subjects = [subject for subject, _ in mails(tmp_path)]
    assert len(subjects) == 2
    assert subjects[0].startswith("ALARM ")
    assert subjects[0].endswith(" of 10 tanks: temperature below expected (site north)")
    assert subjects[1].startswith("All clear 7 tanks back to normal: temperature below expected")
    body = mails(tmp_path)[0][1]
    assert "TK-1: temperature below expected" in " ".join(body.split())
    assert f"https://tanks.example/site-incidents/{front.uid}" in body.split()
    with reading(engine) as connection:
        own = [m for m in load_messages(connection) if m.kind is MessageKind.ALARM]
    assert {(m.state, m.reason) for m in own} == {(MessageState.HELD, "hold_grouped")}


def test_one_tank_before_and_one_after_are_mailed_as_ever(
    engine: Engine, values: NDArray[np.float64], tmp_path: Path
) -> None:
    values[8, 1460:1500, 1] -= 12.0
    values[9, 1750:1790, 1] -= 12.0
    context = learned(engine, values, tmp_path)
    watch(context, values)
    assert [len(one.incident_ids) for one in site_incidents(engine)] == [MOVED]
    subjects = [subject for subject, _ in mails(tmp_path)]
    alone = [subject for subject in subjects if "TK-9" in subject or "TK-10" in subject]
    assert len(alone) == 4
    assert len(subjects) == 6


def test_a_few_tanks_are_no_site_and_each_is_mailed(engine: Engine, tmp_path: Path) -> None:
    values = quiet_values(TANKS, STEPS)
    for tank in range(3):
        values[tank, FRONT : FRONT + 60, 1] -= 12.0
    context = learned(engine, values, tmp_path)
    watch(context, values)
    assert site_incidents(engine) == []
    assert len(mails(tmp_path)) == 6


def test_a_limit_pages_by_itself_in_the_middle_of_a_front(
    engine: Engine, values: NDArray[np.float64], tmp_path: Path
) -> None:
    limits = {"temperature": {"low": -12.0}}
    context = learned(engine, values, tmp_path, channels=limits)
    values[2, FRONT + 40 : FRONT + 50, 1] = -14.0
    watch(context, values)
    (front,) = site_incidents(engine)
    assert len(front.incident_ids) == MOVED
    subjects = [subject for subject, _ in mails(tmp_path)]
    assert sum("TK-3 " in subject for subject in subjects) == 2
    assert len(subjects) == 4


def test_shards_passes_and_late_gateways_find_the_same_front(
    engine: Engine, values: NDArray[np.float64], tmp_path: Path
) -> None:
    context = learned(engine, values, tmp_path)
    until = FRONT + 24
    store(engine, values, slice(LEARNED, FRONT - 2))
    for part in (range(2), range(2, 6)):
        store(engine, values, slice(FRONT - 2, until), tanks=list(part))
        detect(context, now=at(until))
    (front,) = site_incidents(engine)
    assert len(front.incident_ids) == 6
    deliver(context, now=at(until))
    store(engine, values, slice(FRONT - 2, until), tanks=list(range(6, TANKS)))
    detect(context, now=at(until + 3))
    deliver(context, now=at(until + 3))
    (front,) = site_incidents(engine)
    assert len(front.incident_ids) == MOVED
    assert len(mails(tmp_path)) == 1
    in_parts = told(engine)
    with writing(engine) as connection:
        tables = ("delivery", "notification", "mail", "outbox", "site_member", "site_incident")
        for table in (*tables, "transition", "incident", "score", "detector_state"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        connection.execute(text("UPDATE watermark SET scored_until = NULL, claimed_until = NULL"))
    detect(context, now=at(until + 3))
    assert told(engine) == in_parts
    (again,) = site_incidents(engine)
    assert (again.uid, len(again.incident_ids)) == (front.uid, MOVED)


def test_one_tank_waits_for_its_siblings_and_no_longer(
    engine: Engine, values: NDArray[np.float64], tmp_path: Path
) -> None:
    values[1:MOVED] = quiet_values(TANKS, STEPS)[1:MOVED]
    context = learned(engine, values, tmp_path)
    store(engine, values, slice(LEARNED, FRONT + 8))
    detect(context, now=at(FRONT + 8))
    (alone,) = incidents(engine)
    raised_at = alone.incident.raised_at
    early = raised_at + timedelta(seconds=299)
    assert deliver(context, now=early).sent == 0
    assert deliver(context, now=raised_at + timedelta(seconds=300)).sent == 1


def test_the_setting_switches_it_off(
    engine: Engine, values: NDArray[np.float64], tmp_path: Path
) -> None:
    context = learned(engine, values, tmp_path, siblings={"window_s": 0.0})
    watch(context, values)
    assert site_incidents(engine) == []
    assert len(mails(tmp_path)) == 2 * MOVED
