"""What the requests of one server share: the writer, the plant as it is known, and free places."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from anyio import CapacityLimiter

from tankwatch import clock
from tankwatch.core.times import to_ms
from tankwatch.errors import ProblemError
from tankwatch.ingest.accept import file_options
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.writer import GroupWriter
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, reading
from tankwatch.store.plant import Tank, load_tanks
from tankwatch.store.tokens import Token
from tankwatch.web.foreseen import Foresight
from tankwatch.web.live import Live
from tankwatch.web.throttle import Throttle

# A channel or tank that another program adds is known after this long.
_PLANT_AGE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class PlantSeen:
    """Channels and tanks as they were at `at`, and how posts are understood by them."""

    at: datetime
    options: FileOptions
    tanks: tuple[Tank, ...]


class Service:
    """What the requests of one server share."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.writer = GroupWriter(engine)
        # More at once would only take the interpreter from one another.
        self.parsing = CapacityLimiter(2)
        self.throttle = Throttle()
        # Each takes 64 MB for a moment.
        self.hashing = CapacityLimiter(2)
        # matplotlib's state is one for all.
        self.drawing = threading.Lock()
        self.live = Live(engine)
        self.foresight = Foresight(engine, settings)
        # Whoever waits for a forecast holds no thread that others need.
        self.looking = CapacityLimiter(2)
        self._taken = 0
        self._seen: PlantSeen | None = None
        self._lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        """Return whether another post would be sent away."""
        return self._taken >= self.settings.serve.waiting_posts

    @property
    def free_places(self) -> int:
        """Return how many more posts could be taken now."""
        return max(0, self.settings.serve.waiting_posts - self._taken)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place for a post, for as long as it is read, parsed and waits for its commit.

        Raises:
            ProblemError: 429, there is none.
        """
        if self.is_full:
            after_s = self.settings.serve.retry_after_s
            raise ProblemError(
                429,
                f"{self.settings.serve.waiting_posts} posts are being taken in already",
                where="server",
                remedy=f"send it again after {after_s} s, or raise serve.waiting_posts",
                retry_after=str(after_s),
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    def options_for(self, token: Token) -> FileOptions:
        """Return how posts of a token's source are understood, where they do not say otherwise."""
        now = clock.now()
        with self._lock:
            if self._seen is None or now - self._seen.at > _PLANT_AGE:
                self._seen = self._look(now)
            seen = self._seen
        foreign: frozenset[str] = frozenset()
        if not token.every_site:
            foreign = frozenset(t.name for t in seen.tanks if not token.may_write(t.site))
        latest = now + timedelta(seconds=self.settings.ingest.future_s)
        return replace(seen.options, foreign_tanks=foreign, latest_ms=to_ms(latest))

    def forget_plant(self) -> None:
        """Look at the plant again before the next post."""
        with self._lock:
            self._seen = None

    def _look(self, now: datetime) -> PlantSeen:
        options = file_options(self.engine, self.settings, now=now)
        with reading(self.engine) as connection:
            tanks = load_tanks(connection)
        # What the settings say of files' columns and units does not hold for posts: they state it.
        plain = replace(options, columns={}, units={}, absolute=frozenset(), skip_columns=())
        return PlantSeen(now, plain, tuple(tanks))
