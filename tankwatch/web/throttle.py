"""How often a wrong password may be given: bounded by login, by address, and by both together.

Kept in memory: a server that starts again forgets it, which helps nobody who guesses, since
they cannot start it.
"""

import threading
from collections import deque
from datetime import datetime, timedelta

WITHIN = timedelta(minutes=15)
# By both: whoever mistypes. By address: one that tries many logins. By login: many addresses that
# try one; more, so that a stranger does not easily lock an operator out.
MOST_BOTH, MOST_ADDRESS, MOST_LOGIN = 5, 30, 100
_MOST_KEYS = 50_000

_Key = tuple[str, str]


class Throttle:
    """Wrong passwords of the last quarter of an hour."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: dict[_Key, deque[datetime]] = {}

    def wait_s(self, login: str, address: str, *, now: datetime) -> int:
        """Return the seconds until another try is heard; 0 if it is heard now."""
        with self._lock:
            until = [self._until(key, most, now) for key, most in _bounds(login, address)]
        latest = max(until)
        return max(0, int((latest - now).total_seconds()) + 1) if latest > now else 0

    def note_wrong(self, login: str, address: str, *, now: datetime) -> None:
        """Count a wrong password."""
        with self._lock:
            if len(self._wrong) > _MOST_KEYS:
                self._forget_old(now)
            for key, most in _bounds(login, address):
                self._wrong.setdefault(key, deque(maxlen=most)).append(now)

    def note_right(self, login: str, address: str) -> None:
        """Forget what an operator mistyped; of the other bounds, this try alone."""
        with self._lock:
            self._wrong.pop((login, address), None)
            for key in (("", address), (login, "")):
                if times := self._wrong.get(key):
                    times.pop()

    def _until(self, key: _Key, most: int, now: datetime) -> datetime:
        times = self._wrong.get(key)
        return times[0] + WITHIN if times and len(times) == most else now

    def _forget_old(self, now: datetime) -> None:
        kept = {
            key: times for key, times in self._wrong.items() if times and times[-1] + WITHIN > now
        }
        # A flood of keys is one of addresses or logins: their own bounds hold no longer than this.
        self._wrong = kept if len(kept) <= _MOST_KEYS else {}


def _bounds(login: str, address: str) -> tuple[tuple[_Key, int], ...]:
    return (
        ((login, address), MOST_BOTH),
        (("", address), MOST_ADDRESS),
        ((login, ""), MOST_LOGIN),
    )
