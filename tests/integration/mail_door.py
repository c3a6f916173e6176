"""A server and an incident, with the links of a mail about it, for tests of its buttons."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
from sqlalchemy import func, select

from tankwatch import clock
from tankwatch.core.actor import Actor, Role, Via
from tankwatch.core.incident import IncidentState
from tankwatch.core.mail_action import MailAction
from tankwatch.notify.links import LinkHolder, action_links
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import load_incidents, open_incident
from tankwatch.store.mail_acts import UsedLinkRow
from tankwatch.store.operators import LabelRow
from tankwatch.store.people import (
    add_operator,
    need_operator,
)
from tankwatch.store.runs import AuditRow
from tankwatch.store.signing import signing_key
from tankwatch.store.transitions import TransitionRow
from tests.integration.test_store_incidents import OPENING, STARTED_AT
from tests.integration.web_server import served

LEE = Actor("lee", Via.COMMAND)
FORM = {"content-type": "application/x-www-form-urlencoded"}
LATER = STARTED_AT + timedelta(minutes=10)


@dataclass
class Door:
    """A server, and an incident of a tank of whose mail there are links."""

    engine: Engine
    client: httpx.Client
    incident_id: int
    uid: str

    def link(
        self, action: MailAction = MailAction.ACKNOWLEDGE, *, hours: float = 1.0, **changes: Any
    ) -> str:
        """Return the address of a link as a mail to kim has it, without the server."""
        with writing(self.engine) as connection:
            key = changes.get("key") or signing_key(connection)
            kim = need_operator(connection, "kim")
        holder = LinkHolder(changes.get("name", "kim"), kim.session_epoch, Role.OPERATOR)
        (made,) = action_links(
            holder,
            changes.get("uid", self.uid),
            (action,),
            key=key,
            base_url="http://watch.example",
            until=clock.now() + timedelta(hours=hours),
        )
        return made.url.removeprefix("http://watch.example")

    def stands(self) -> IncidentState:
        with reading(self.engine) as connection:
            return load_incidents(connection, ids=[self.incident_id])[0].incident.state

    def count(self, table: Any) -> int:
        with reading(self.engine) as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def everything(self) -> list[int]:
        """Return how many rows there are of whatever a link may write."""
        return [self.count(table) for table in (AuditRow, TransitionRow, LabelRow, UsedLinkRow)]

    def confirm(self, link: str, **fields: str) -> httpx.Response:
        """Send the form of a link's page as a browser does, and follow where it leads."""
        return self.client.post(
            link, content=urlencode(fields), headers=FORM, follow_redirects=True
        )


@contextmanager
def opened(engine: Engine, settings: Settings | None = None) -> Iterator[Door]:
    """Serve an incident of tank T1, and the operators kim and lee."""
    with writing(engine) as connection:
        for name in ("kim", "lee"):
            add_operator(
                connection,
                name,
                full_name=f"{name.title()} Sand",
                email=f"{name}@plant.example",
                role=Role.OPERATOR,
                at=STARTED_AT,
            )
        key = open_incident(connection, OPENING, reason="score 1.5")
        uid = load_incidents(connection, ids=[key])[0].incident.uid
    with served(engine, settings) as web:
        yield Door(engine, web.client, key, uid)
