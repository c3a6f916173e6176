"""Who may run a job: a lease with an end, renewed while its holder lives, and a fencing token."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, text, update

from tankwatch.core.times import to_ms
from tankwatch.store.runs import LeaseRow
from tankwatch.store.sql import ms_parameter


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it is stored; `token` grows with each new holder."""

    name: str
    owner: str
    until: datetime
    token: int


def load_leases(connection: Connection) -> dict[str, Lease]:
    """Return every lease by its name."""
    query = select(LeaseRow.name, LeaseRow.owner, LeaseRow.until, LeaseRow.token)
    return {row.name: Lease(*row) for row in connection.execute(query.order_by(LeaseRow.name))}


def take_lease(
    connection: Connection, name: str, *, owner: str, now: datetime, until: datetime
) -> int | None:
    """Take or renew a lease that is free, over, or one's own; return its token, None if it is not.

    A conditional update: of two that try at once, one changes the row.
    """
    moment = ms_parameter(connection, ":until_ms")
    made = text(
        "INSERT INTO lease (name, owner, until, token) "  # noqa: S608 - constants only
        f"VALUES (:name, :owner, {moment}, 1) ON CONFLICT DO NOTHING"
    )
    given = {"name": name, "owner": owner, "until_ms": to_ms(until)}
    if connection.execute(made, given).rowcount == 1:
        return 1
    own = update(LeaseRow).where(LeaseRow.name == name, LeaseRow.owner == owner)
    if connection.execute(own.values(until=until)).rowcount == 0:
        over = update(LeaseRow).where(
            LeaseRow.name == name, LeaseRow.owner != owner, LeaseRow.until <= now
        )
        values = {"owner": owner, "until": until, "token": LeaseRow.token + 1}
        if connection.execute(over.values(values)).rowcount == 0:
            return None
    query = select(LeaseRow.token).where(LeaseRow.name == name, LeaseRow.owner == owner)
    return connection.execute(query).scalar_one_or_none()


def end_lease(connection: Connection, name: str, *, owner: str, at: datetime) -> bool:
    """Give back a lease, or take it from a holder known to be dead; return whether it was held."""
    mine = update(LeaseRow).where(
        LeaseRow.name == name, LeaseRow.owner == owner, LeaseRow.until > at
    )
    return connection.execute(mine.values(until=at)).rowcount == 1


def holds_lease(
    connection: Connection, name: str, *, owner: str, token: int, now: datetime
) -> bool:
    """Return whether a lease is held as of `now`, and keep it from changing until the commit."""
    query = select(LeaseRow.token).where(
        LeaseRow.name == name,
        LeaseRow.owner == owner,
        LeaseRow.token == token,
        LeaseRow.until > now,
    )
    return connection.execute(query.with_for_update()).first() is not None
