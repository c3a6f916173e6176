"""From a fault to a mail, and from its button to the record: each step as in a plant."""

import re
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import httpx
import pytest

from tankwatch import clock
from tankwatch.core.incident import IncidentState
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.store.engine import Engine, reading
from tankwatch.store.incidents import load_incidents
from tests.integration.mail_door import FORM
from tests.integration.plant import at, incidents, make_context, make_settings, quiet_values, store
from tests.integration.test_told import lead, person
from tests.integration.web_server import served

RAISED = at(126)
BASE = "https://watch.example/plant"


@pytest.fixture
def context(engine: Engine, tmp_path: Path) -> Context:
    """A tank above its limit, of which the operator kim is told by a route."""
    channels = {"pressure": {"high": 2.0}}
    settings = make_settings(tmp_path, channels=channels, serve={"base_url": BASE})
    values = quiet_values(1, 200)
    values[0, 120:130, 0] = 2.5
    store(engine, values, slice(0, 126))
    context = make_context(engine, settings)
    assert detect(context, now=RAISED).raised == 1
    return context


@pytest.fixture
def page(
    engine: Engine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    """The server, a minute after the alarm."""
    monkeypatch.setattr(clock, "now", lambda: at(127))
    with served(engine, context.settings) as web:
        yield web.client


def text_of_the_mail(context: Context) -> str:
    (path,) = context.settings.path("outbox").glob("*.eml")
    message = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def button(text: str, label: str) -> str:
    """Return the address below a button's words, without the server."""
    found = re.search(rf"^  {label}\r?\n{re.escape(BASE)}(/act/\S+)", text, re.MULTILINE)
    assert found is not None
    return found[1]


def test_button_of_a_mail_acknowledges_the_incident_it_tells_of(
    context: Context, page: httpx.Client
) -> None:
    person(context.engine, "kim")
    lead(context.engine, "kim")
    assert deliver(context, now=RAISED).sent == 1
    link = button(text_of_the_mail(context), "Acknowledge")
    asked = page.get(link)
    assert "TK-1 pressure above high limit" in asked.text
    assert incidents(context.engine)[0].incident.state is IncidentState.UNACKNOWLEDGED
    done = page.post(link, headers=FORM, follow_redirects=True)
    assert "<h1>Acknowledged</h1>" in done.text
    with reading(context.engine) as connection:
        (stored,) = load_incidents(connection)
    assert (stored.acknowledged_by, stored.acknowledged_at) == ("kim", at(127))


def test_every_button_of_a_mail_leads_to_a_page_that_asks(
    context: Context, page: httpx.Client
) -> None:
    person(context.engine, "kim")
    lead(context.engine, "kim")
    deliver(context, now=RAISED)
    links = re.findall(rf"{re.escape(BASE)}(/act/\S+)", text_of_the_mail(context))
    assert len(links) == 6
    for link in links:
        asked = page.get(link)
        assert (asked.status_code, "Nothing has happened yet" in asked.text) == (200, True)


def test_mail_to_the_addresses_of_the_settings_has_the_page_and_no_buttons(
    context: Context,
) -> None:
    deliver(context, now=RAISED)
    text = text_of_the_mail(context)
    assert "/act/" not in text
    assert f"{BASE}/incidents/" in text
