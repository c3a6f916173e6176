"""Which of several daemons runs a job: the one that holds its lease, while the others stand by.

A holder renews its leases while it lives, between runs too, so that a job is run once and not once
by each daemon.  Where it dies, its leases end by themselves, or at once if it ran on this machine.
A job whose lease is lost in mid-run comes to its next safe point and ends there; what it may still
write is fenced where it is written.
"""

import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from tankwatch import clock
from tankwatch.errors import TankwatchError
from tankwatch.jobs.context import LOG, Context, OwnerName
from tankwatch.store.engine import Connection, writing
from tankwatch.store.leases import Lease, end_lease, holds_lease, load_leases, take_lease

_BEATS = 3


class Leases:
    """The leases that this process holds or waits for.

    `held_before` says from whom the last beat took over what.

    Args:
        context: the database, and in whose name.
        names: of the leases.
        length_s: how long a lease lasts without being renewed.
    """

    def __init__(self, context: Context, names: Sequence[str], *, length_s: float) -> None:
        self._context = context
        self._names = names
        self._length_s = length_s
        self._held: dict[str, Lease] = {}
        self.held_before: dict[str, str] = {}

    def beat(self, *, now: datetime) -> set[str]:
        """Renew what is held, take what is free, and return the names that were not held before."""
        until = now + timedelta(seconds=self._length_s)
        owner = self._context.owner
        held: dict[str, Lease] = {}
        self.held_before = {}
        with writing(self._context.engine) as connection:
            stored = load_leases(connection)
            for name in self._names:
                other = stored.get(name)
                if other is not None and other.owner != owner and is_dead(other.owner):
                    end_lease(connection, name, owner=other.owner, at=now)
                token = take_lease(connection, name, owner=owner, now=now, until=until)
                if token is not None:
                    held[name] = Lease(name, owner, until, token)
                    if other is not None and other.owner != owner:
                        self.held_before[name] = other.owner
        before = {name for name, lease in self._held.items() if self._is_same(lease, held)}
        self._held = held
        return set(held) - before

    def holds(self, name: str) -> bool:
        """Return whether a lease is held now, as far as this process knows."""
        lease = self._held.get(name)
        return lease is not None and clock.now() < lease.until

    def confirm(self, connection: Connection, name: str) -> bool:
        """Return whether the database says so too, and keep it so until the commit."""
        lease = self._held.get(name)
        return lease is not None and holds_lease(
            connection, name, owner=lease.owner, token=lease.token, now=clock.now()
        )

    def release(self) -> None:
        """Give back what is held, so that another daemon need not wait for it."""
        held, self._held = self._held, {}
        with writing(self._context.engine) as connection:
            for lease in held.values():
                end_lease(connection, lease.name, owner=lease.owner, at=clock.now())

    def keep(self, on_taken: Callable[[set[str]], None]) -> threading.Thread:
        """Start the thread that renews leases until the program is to stop; return it."""
        thread = threading.Thread(target=self._keep, args=(on_taken,), daemon=True, name="leases")
        thread.start()
        return thread

    def _keep(self, on_taken: Callable[[set[str]], None]) -> None:
        while not self._context.stop.wait(self._length_s / _BEATS):
            try:
                taken = self.beat(now=clock.now())
                if taken:
                    LOG.info("took over", leases=sorted(taken))
                    on_taken(taken)
            except TankwatchError as error:
                # What is held ends by itself if the database stays away.
                LOG.warning("leases not renewed", error=str(error))

    @staticmethod
    def _is_same(lease: Lease, held: dict[str, Lease]) -> bool:
        return lease.name in held and held[lease.name].token == lease.token


class JobStop(threading.Event):
    """Set when the program is to stop, and when the lease of the job is lost."""

    def __init__(self, program: threading.Event, leases: Leases, name: str) -> None:
        super().__init__()
        self._program = program
        self._leases = leases
        self._name = name

    def is_set(self) -> bool:
        """Return whether the job is to come to an end."""
        return super().is_set() or self._program.is_set() or not self._leases.holds(self._name)


def is_dead(owner: str) -> bool:
    """Return whether a holder certainly lives no more: its process was on this machine."""
    other, own = OwnerName.parse(owner), OwnerName.of_this_process()
    if other is None or (other.host, other.space) != (own.host, own.space):
        return False
    if other.pid == own.pid:
        return other.mark != own.mark
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
