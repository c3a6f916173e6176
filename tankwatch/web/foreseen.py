"""What was foreseen of tanks a moment ago, so that many who look cost one look ahead."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from tankwatch import clock
from tankwatch.errors import ModelError, UsageError
from tankwatch.scoring.forecast import Forecast, forecast, usual_horizon
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, reading
from tankwatch.store.plant import Tank
from tankwatch.store.watermarks import load_watermarks

PATHS = 200
_KEPT = timedelta(seconds=20)
_MOST = 256


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A forecast, or why there is none."""

    at: datetime
    forecast: Forecast | None
    reason: str = ""


class Foresight:
    """Looks ahead of tanks, and remembers it for some seconds."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._kept: dict[tuple[int, int, int | None], Foreseen] = {}
        # A forecast takes both cores for a moment, and a second one would be of the same tank.
        self._lock = threading.Lock()

    def of(self, tank: Tank, steps: int | None = None) -> Foreseen:
        """Return what lies ahead of a tank, by default for its response time, or an hour."""
        wanted = steps or usual_horizon(tank, self._settings)
        with reading(self._engine) as connection:
            marks = load_watermarks(connection, [tank.tank_id])
        # What arrived since is looked at; what only came late waits some seconds.
        key = (tank.tank_id, wanted, marks[0].last_reading_ms if marks else None)
        with self._lock:
            found = self._kept.get(key)
            if found is None or clock.now() - found.at > _KEPT:
                found = self._look(tank, wanted)
                self._kept.pop(key, None)
                self._kept[key] = found
                while len(self._kept) > _MOST:
                    self._kept.pop(next(iter(self._kept)))
            return found

    def _look(self, tank: Tank, steps: int) -> Foreseen:
        now = clock.now()
        try:
            found = forecast(self._engine, self._settings, tank, steps=steps, paths=PATHS, now=now)
        except (ModelError, UsageError) as error:
            return Foreseen(now, None, str(error))
        return Foreseen(now, found)
