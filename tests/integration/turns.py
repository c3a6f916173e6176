"""A tank whose alarms come and go by hand, for tests of what is told of them."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tankwatch.core.incident import MessageKind, Symptom
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.incidents import mail_domain
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import load_incidents
from tankwatch.store.outbox import load_messages, queue_message
from tests.integration.alarms import happen, raise_alarm
from tests.integration.mailbox import Mailbox
from tests.integration.plant import START, make_context, make_settings, quiet_values, store

MINUTE = timedelta(minutes=1)
T0 = START + timedelta(hours=6)


class Plant:
    """A tank whose alarms are raised and end by hand, each with its message, and are delivered."""

    def __init__(
        self, engine: Engine, home: Path, box: Mailbox, *, scored: int = 1000, **more: Any
    ) -> None:
        alarms = {"chatter_window_s": 3600, **more.pop("alarms", {})}
        settings = make_settings(home, alarms=alarms, mail=box.settings, **more)
        self.context: Context = make_context(engine, settings)
        self.engine, self.box = engine, box
        store(engine, quiet_values(2, 1000), slice(0, scored))
        assert detect(self.context, now=START + scored * MINUTE).raised == 0

    def key(self, uid: str) -> int:
        with reading(self.engine) as connection:
            found = load_incidents(connection)
        return next(one.incident_id for one in found if one.incident.uid == uid)

    def queue(self, uid: str, kind: MessageKind, now: datetime) -> None:
        domain = mail_domain(self.context.settings)
        key = self.key(uid)
        with writing(self.engine) as connection:
            queue_message(connection, key, uid, kind=kind, domain=domain, at=now)

    def comes(self, minute: float, *, tank: str = "TK-1", **more: Any) -> str:
        now = T0 + minute * MINUTE
        more = {"detector": "limit", "symptom": Symptom.ABOVE_LIMIT, **more}
        uid = raise_alarm(self.engine, tank, at=now, **more)
        self.queue(uid, MessageKind.ALARM, now)
        self.deliver(minute)
        return uid

    def goes(self, uid: str, minute: float) -> None:
        now = T0 + minute * MINUTE
        happen(self.engine, uid, IncidentEvent.RETURN, at=now)
        self.queue(uid, MessageKind.ALL_CLEAR, now)
        self.deliver(minute)

    def turns(self, *minutes: float) -> None:
        for minute in minutes:
            self.goes(self.comes(minute), minute + 5)

    def deliver(self, minute: float) -> int:
        self.box.now = T0 + minute * MINUTE
        return deliver(self.context, now=self.box.now).sent

    def told(self) -> list[tuple[str, str, str]]:
        with reading(self.engine) as connection:
            found = load_messages(connection)
        return [(one.kind.value, one.state.value, one.reason) for one in found]
