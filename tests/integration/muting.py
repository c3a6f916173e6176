"""Muting as tests ask for it and about it."""

from datetime import UTC, datetime, timedelta

from tankwatch.core.actor import Actor, Via
from tankwatch.core.muting import Mute
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.muting import load_mute
from tankwatch.store.scope import EVERYWHERE, Scope, scope_of_site, scope_of_tank
from tankwatch.store.shelves import shelve

NOW = datetime(2026, 3, 24, 12, tzinfo=UTC)  # a Tuesday
HOUR = timedelta(hours=1)
DAY = 24 * HOUR
KIM = Actor("kim", Via.PAGE, "192.0.2.7")


def mute(engine: Engine, tank: int, when: datetime, incident: int | None = None) -> Mute | None:
    with reading(engine) as connection:
        return load_mute(connection, tank, incident, when)


def why(engine: Engine, tank: int, when: datetime, incident: int | None = None) -> str:
    found = mute(engine, tank, when, incident)
    return found.reason.value if found else ""


def scope(engine: Engine, *, tank: str = "", site: str = "") -> Scope:
    with reading(engine) as connection:
        if tank:
            return scope_of_tank(connection, tank)
        return scope_of_site(connection, site) if site else EVERYWHERE


def put_on_shelf(engine: Engine, what: Scope, hours: float, *, reason: str = "noisy") -> datetime:
    with writing(engine) as connection:
        span = hours * HOUR
        return shelve(connection, what, span=span, longest=DAY, by=KIM, at=NOW, reason=reason)
