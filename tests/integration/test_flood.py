"""A flood: a weather front, a power failure and limits crossed, on 300 tanks at once.

Readings go the whole way: rules and a detector, incidents, incidents of sites, messages, mails over
a real SMTP server; only the clock is simulated.  ``pytest -s`` shows mails, incidents and reasons.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.core.actor import Role
from tankwatch.core.incident import MessageKind, Severity
from tankwatch.core.routing import Hours, parse_days, parse_span
from tankwatch.core.siblings import Kind
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.train import train
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.intake import store_readings
from tankwatch.store.mails import load_mails
from tankwatch.store.notifications import load_notifications
from tankwatch.store.outbox import MessageState, load_messages
from tankwatch.store.people import add_operator, set_groups
from tankwatch.store.plant import ensure_tanks
from tankwatch.store.readings import ReadingRows
from tankwatch.store.routes import NewRoute, add_route
from tankwatch.store.siblings import SiteIncident, load_site_incidents
from tests.integration.mailbox import Mailbox, posted
from tests.integration.plant import (
    CHANNELS,
    START,
    START_MS,
    STEP_MS,
    at,
    incidents,
    make_context,
    make_settings,
)

SITES, TANKS_A_SITE = ("north", "south", "east", "west"), 75
LEARNED, END = 640, 760
FRONT, FAILURE, CROSSING = 660, 662, 670
GAP = timedelta(minutes=5)
NAMES = [f"{site[0].upper()}-{n + 1:03}" for site in SITES for n in range(TANKS_A_SITE)]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with posted() as box:
        yield box


def readings() -> NDArray[np.float64]:
    """Return pressure and temperature of 300 tanks, (tanks, steps, 2); NaN where power is gone."""
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 1, (300, END, 2)) * np.array([0.02, 0.1])
    values: NDArray[np.float64] = np.array([1.0, 15.0]) + noise
    cooled = np.minimum(np.arange(1, END) / 3.0, 1.0)
    # The front reaches 60 tanks of north, and at the edge of it ten of east: too few for a site.
    for tank in (*range(60), *range(150, 160)):
        begin = FRONT + tank % 60 // 6
        values[tank, begin : begin + 60, 1] -= 12.0 * cooled[:60]
    values[75:150, FAILURE : FAILURE + 45] = np.nan
    # Limits are crossed in the middle of it: twelve tanks of north, eight of west.
    for tank in (*range(12), *range(225, 233)):
        begin = CROSSING + 2 * (tank % 12)
        values[tank, begin : begin + 20, 0] = 2.5
    return values


def expected() -> set[str]:
    """Return the tanks that something happens to."""
    hit = (*range(60), *range(75, 150), *range(150, 160), *range(225, 233))
    return {NAMES[tank] for tank in hit}


def store(engine: Engine, values: NDArray[np.float64], steps: slice) -> None:
    place = np.arange(*steps.indices(END))
    with writing(engine) as connection:
        ids: dict[str, int] = {}
        for number, site in enumerate(SITES):
            names = NAMES[number * TANKS_A_SITE : (number + 1) * TANKS_A_SITE]
            ids |= ensure_tanks(connection, names, site=site, at=START)
        tank_id = np.repeat([ids[name] for name in NAMES], len(place)).astype(np.int64)
        part = values[:, place].reshape(-1, 2)
        times = np.tile(START_MS + place * STEP_MS, len(NAMES))
        sent = np.isfinite(part).any(axis=1)
        store_readings(connection, ReadingRows(tank_id[sent], times[sent], part[sent]), CHANNELS)


def people(engine: Engine) -> None:
    """kim has north, the shift every site, boss what nobody acknowledges within half an hour."""
    with writing(engine) as connection:
        for name, group in (("kim", ""), ("ada", "shift"), ("lee", "shift"), ("boss", "")):
            mail = f"{name}@farm.example"
            key = add_operator(
                connection, name, full_name=name, email=mail, role=Role.OPERATOR, at=START
            )
            set_groups(connection, key, [group] if group else [])
        always = Hours(parse_days(""), *parse_span(""))
        plain = NewRoute(None, Severity.ALARM, always, None, None, 0, digest=False)
        for new in (
            replace(plain, site="north", operator="kim"),
            replace(plain, group="shift"),
            replace(plain, operator="boss", after_s=1800),
        ):
            add_route(connection, new, at=START)


def run(context: Context, values: NDArray[np.float64], box: Mailbox) -> None:
    """Let the plant live through it: a pass every five minutes, deliveries every minute."""
    for step in range(LEARNED + 1, END + 1):
        now = box.now = at(step)
        if (step - LEARNED) % 5 == 0:
            store(context.engine, values, slice(step - 5, step))
            detect(context, now=now)
        deliver(context, now=now)


def test_a_flood_is_at_most_one_mail_in_five_minutes_and_loses_no_incident(
    engine: Engine, tmp_path: Path, mailbox: Mailbox
) -> None:
    box = mailbox
    settings = make_settings(
        tmp_path,
        channels={"pressure": {"high": 2.0}},
        detect={"stale_s": 600, "merge_gap_steps": 5},
        mail=mailbox.settings,
    )
    context, values = make_context(engine, settings), readings()
    store(engine, values, slice(0, LEARNED))
    people(engine)
    train(context, "robust_z", now=at(LEARNED))
    detect(context, now=at(LEARNED))
    run(context, values, box)
    show(engine, box)

    assert expected() <= {one.incident.tank for one in incidents(engine)}
    kinds = {(one.site, one.kind) for one in site_incidents(engine)}
    assert {("north", Kind.BELOW), ("south", Kind.STALE)} <= kinds
    told = by_recipient(box)
    assert set(told) == {f"{name}@farm.example" for name in ("kim", "ada", "lee", "boss")}
    for times in told.values():
        assert all(later - sooner >= GAP for sooner, later in pairwise(times))
    assert_nothing_is_lost(engine, box)
    assert any("not acknowledged, sent before to ada" in text_of(mail) for *_, mail in box.taken)


def site_incidents(engine: Engine) -> list[SiteIncident]:
    with reading(engine) as connection:
        return load_site_incidents(connection)


def by_recipient(box: Mailbox) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = defaultdict(list)
    for moment, to, _ in box.taken:
        found[to].append(moment)
    return found


def assert_nothing_is_lost(engine: Engine, box: Mailbox) -> None:
    """Each alarm was told in a mail that names its tank, or has the reason why not."""
    with reading(engine) as connection:
        messages = load_messages(connection)
        sent_in = {mail.mail_id: mail.message_id for mail in load_mails(connection)}
        notifications = load_notifications(connection)
    texts = {str(mail["Message-ID"]): text_of(mail) for _, _, mail in box.taken}
    tanks = {one.incident_id: one.incident.tank for one in incidents(engine)}
    assert {m.incident_id for m in messages if m.kind is MessageKind.ALARM} == set(tanks)
    for message in messages:
        assert message.state in {MessageState.SENT, MessageState.HELD}, message
        mine = [one for one in notifications if one.outbox_id == message.outbox_id]
        assert all(one.reason for one in mine)
        if message.state is MessageState.HELD:
            assert message.reason.startswith("hold_")
            continue
        in_mails = [texts[sent_in[one.mail_id]] for one in mine if one.mail_id is not None]
        assert in_mails
        if not message.kind.is_of_site:
            assert all(tanks[message.incident_id] in text for text in in_mails)


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return " ".join(str(body.get_content()).split()) + str(mail["Subject"])


def show(engine: Engine, box: Mailbox) -> None:
    """Print mails, incidents and reasons."""
    print("\nMAILS")  # noqa: T201
    for moment, to, mail in box.taken:
        print(f"  {moment:%H:%M} {to:18} {' '.join(str(mail['Subject']).split())}")  # noqa: T201
    with reading(engine) as connection:
        messages, notifications = load_messages(connection), load_notifications(connection)
    symptoms = Counter((i.incident.site, i.incident.symptom.value) for i in incidents(engine))
    print("INCIDENTS", sum(symptoms.values()), dict(symptoms))  # noqa: T201
    for one in site_incidents(engine):
        print(f"  site {one.site}: {one.kind.value}, {len(one.incident_ids)} tanks")  # noqa: T201
    print("MESSAGES", Counter((m.kind.value, m.state.value, m.reason) for m in messages))  # noqa: T201
    print("NOTIFICATIONS", Counter((n.chosen_by.value, n.reason) for n in notifications))  # noqa: T201
