"""What was foreseen of tanks a moment ago, so that many who look cost one look ahead."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from tankwatch import clock
from tankwatch.errors import ModelError, UsageError
from tankwatch.scoring.forecast import Forecast, forecast, usual_horizon
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine
from tankwatch.store.plant import Tank

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
        self._kept: dict[tuple[int, int], Foreseen] = {}
        # A forecast takes both cores for a moment, and a second one would be of the same tank.
        self._lock = threading.Lock()

    def of(self, tank: Tank, steps: int | None = None) -> Foreseen:
        """Return what lies ahead of a tank, by default for its response time, or an hour."""
        wanted = steps or usual_horizon(tank, self._settings)
        key = (tank.tank_id, wanted)
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
        try:
            found = forecast(self._engine, self._settings, tank, steps=steps, paths=PATHS)
        except (ModelError, UsageError) as error:
            return Foreseen(clock.now(), None, str(error))
        return Foreseen(clock.now(), found)
