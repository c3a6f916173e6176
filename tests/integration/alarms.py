"""Alarms as a pass would raise them, for tests of the page."""

from datetime import datetime, timedelta

import numpy as np

from tankwatch.core.incident import IncidentState, Nature, Severity, Symptom
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.core.times import to_ms
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import Opening, apply_event, load_incidents, open_incident
from tankwatch.store.intake import store_readings
from tankwatch.store.plant import ensure_tanks, set_limits
from tankwatch.store.readings import ReadingRows

PRESSURE, TEMPERATURE = 1, 2


def raise_alarm(
    engine: Engine,
    tank: str,
    *,
    at: datetime,
    site: str = "north",
    channel: int = PRESSURE,
    symptom: Symptom = Symptom.BELOW_EXPECTED,
    severity: Severity = Severity.ALARM,
    nature: Nature = Nature.PROCESS,
    detector: str = "fused",
    peak: float = 4.1,
    historical: bool = False,
    latching: bool = False,
) -> str:
    """Raise an incident that began ten minutes before `at`, and return its stable name."""
    with writing(engine) as connection:
        tank_id = ensure_tanks(connection, [tank], site=site, at=at)[tank]
        opening = Opening(
            tank_id=tank_id,
            tank=tank,
            detector=detector,
            model_version_id=None,
            channel_id=channel,
            share=0.87,
            symptom=symptom,
            severity=severity,
            started_at=at - timedelta(minutes=10),
            raised_at=at,
            peak_score=peak,
            historical=historical,
            nature=nature,
            latching=latching,
        )
        open_incident(connection, opening, reason="score above 1.0 for 3 steps")
    return opening.uid


def happen(
    engine: Engine, uid: str, event: IncidentEvent, *, at: datetime, actor: str = "tankwatch"
) -> None:
    """Have something happen to an incident."""
    ended = at if event is IncidentEvent.RETURN else None
    with writing(engine) as connection:
        key = next(one.incident_id for one in load_incidents(connection) if one.incident.uid == uid)
        apply_event(connection, key, event, at=at, actor=actor, reason="as it was", ended_at=ended)


def state_of(engine: Engine, uid: str) -> IncidentState:
    """Return the state of an incident."""
    with reading(engine) as connection:
        found = [one.incident for one in load_incidents(connection) if one.incident.uid == uid]
    return found[0].state


def send_day(engine: Engine, tank: str, *, until: datetime, site: str = "north") -> None:
    """Store a day of readings that ends at `until`; the pressure falls in its last hour."""
    steps = np.arange(1440)
    rng = np.random.default_rng(0)
    day = np.sin(2 * np.pi * steps / 1440)
    pressure = 1.6 + 0.2 * day + rng.normal(0, 0.01, steps.size)
    pressure[-60:] -= np.linspace(0, 0.9, 60)
    temperature = 18 + 3 * day + rng.normal(0, 0.05, steps.size)
    with writing(engine) as connection:
        tank_id = ensure_tanks(connection, [tank], site=site, at=until)[tank]
        set_limits(connection, tank_id, {PRESSURE: (0.3, 2.5)})
        observed = to_ms(until) + (steps - 1440) * 60_000
        rows = ReadingRows(
            np.full(steps.size, tank_id), observed, np.stack([pressure, temperature], axis=1)
        )
        store_readings(connection, rows, ("pressure", "temperature"))
