"""A day of a small farm, on its way in any order: late, twice, in parts, and wrong at first."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from tankwatch.jobs.carry import Memory
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.intake import store_readings
from tankwatch.store.plant import ensure_tanks
from tankwatch.store.readings import ReadingRows
from tests.integration.plant import CHANNELS, START, START_MS, STEP_MS, at, quiet_values

LEARNED, STEPS, TANKS = 1440, 2880, 6
NAMES = [f"TK-{index + 1}" for index in range(TANKS)]


@dataclass(frozen=True)
class Arrivals:
    """What arrives, one row for each message.

    Attributes:
        step: int64 (rows,), when it comes, in steps.
        tank: int64 (rows,).
        observed: int64 (rows,), the step it is of.
        values: float64 (rows, 2), NaN for a channel that it does not hold.
    """

    step: NDArray[np.int64]
    tank: NDArray[np.int64]
    observed: NDArray[np.int64]
    values: NDArray[np.float64]

    def between(self, first: int, last: int) -> "Arrivals":
        chosen = (self.step >= first) & (self.step < last)
        return Arrivals(*(part[chosen] for part in self._parts()))

    def _parts(self) -> Sequence[NDArray[Any]]:
        return (self.step, self.tank, self.observed, self.values)


def day() -> NDArray[np.float64]:
    """Return a day to learn and one to watch, with faults of many kinds, (tanks, steps, 2)."""
    values = quiet_values(TANKS, STEPS, seed=7)
    # A front passes: the whole site moves, which is no fault of any tank.
    values[:, 1900:2300, 1] -= np.linspace(0, 0.8, 400)
    values[:, 2300:, 1] -= 0.8
    values[1, 1700:1760, 0] -= 1.5
    values[2, 2000:2330, 1] = values[2, 2000, 1]
    values[3, 2400:2460] = np.nan
    values[4, 2500:2520, 0] += 4.0
    values[0, 1600:1604, 0] = 5.0
    values[5, 2860:, 0] -= 1.5  # stands when the day ends
    holes = np.random.default_rng(11).random(values.shape) < 0.01
    values[holes] = np.nan
    return np.asarray(np.round(values, 3))


def in_order(values: NDArray[np.float64]) -> Arrivals:
    """Return the watched day as it was read."""
    observed, tank = (
        part.ravel()
        for part in np.meshgrid(np.arange(LEARNED, STEPS), np.arange(TANKS), indexing="ij")
    )
    rows = values[tank, observed]
    sent = np.isfinite(rows).any(axis=1)
    return Arrivals(observed[sent] + 1, tank[sent], observed[sent], rows[sent])


def out_of_order(values: NDArray[np.float64], seed: int) -> Arrivals:
    """Return the same day delayed, shuffled, repeated, split by channel, and corrected late.

    One gateway is down for three hours and then sends what it kept, one is half an hour behind all
    the time, and one tank in twenty readings takes up to six hours.
    """
    rng = np.random.default_rng(seed)
    whole = in_order(values)
    rows = whole.observed.size
    delay = rng.integers(0, 3, rows)
    wanders = rng.random(rows) < 0.05
    delay[wanders] = rng.integers(0, 360, int(wanders.sum()))
    delay[whole.tank == int(rng.integers(TANKS))] += 25
    down = int(rng.integers(LEARNED + 100, STEPS - 500))
    mine = (whole.tank == int(rng.integers(TANKS))) & (whole.observed >= down)
    mine &= whole.observed < down + 180
    delay[mine] = down + 180 - whole.observed[mine]
    step = whole.step + delay
    parts = [[step, whole.tank, whole.observed, whole.values]]
    again = rng.random(rows) < 0.05
    parts.append([step[again] + 40, *(p[again] for p in parts[0][1:])])
    split = rng.random(rows) < 0.1
    late_half = whole.values.copy()
    late_half[:, 0] = np.nan
    parts.append([step[split] + 15, whole.tank[split], whole.observed[split], late_half[split]])
    early_half = whole.values.copy()
    early_half[split, 1] = np.nan
    parts[0][3] = early_half
    # A wrong value comes first, and what was read an hour later.
    wrong = (rng.random(rows) < 0.01) & ~split
    first = whole.values.copy()
    first[wrong] += rng.normal(0, 2, (int(wrong.sum()), 2))
    parts[0][3][wrong] = first[wrong]
    parts.append(
        [step[wrong] + 60, *(p[wrong] for p in (whole.tank, whole.observed, whole.values))]
    )
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort((rng.random(joined[0].size), joined[0]))
    step, *rest = (column[order] for column in joined)
    # By the end of the day all is here, in the same order.
    return Arrivals(np.minimum(step, STEPS - 1), *rest)


def send(engine: Engine, arrivals: Arrivals) -> None:
    """Store what arrives, in its order, a message at a time as far as order matters."""
    with writing(engine) as connection:
        ids = ensure_tanks(connection, NAMES, site="north", at=START)
        keys = np.array([ids[name] for name in NAMES])
        sent = np.isfinite(arrivals.values).any(axis=1)
        rows = ReadingRows(
            keys[arrivals.tank[sent]],
            START_MS + arrivals.observed[sent] * STEP_MS,
            arrivals.values[sent],
        )
        if rows.tank_id.size:
            store_readings(connection, rows, CHANNELS)


def watch(context: Context, arrivals: Arrivals, passes: Sequence[int]) -> None:
    """Let arrivals come in, with a pass at each of some steps, and one when all are here."""
    last = LEARNED
    for step in [*passes, STEPS]:
        send(context.engine, arrivals.between(last, step if step < STEPS else STEPS + 1))
        detect(context, now=at(step))
        last = step


def everything(engine: Engine) -> dict[str, Any]:
    """Return all that is stored and must not depend on how readings arrived."""
    with reading(engine) as connection:

        def rows(query: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(text(query))]

        begun = dict(rows("SELECT incident_id, started_at FROM incident"))
        states = rows("SELECT tank_id, kind, state FROM detector_state ORDER BY 1, 2")
        episodes = {
            tank: {k: v for k, v in json.loads(state).items() if k != "incident_id"}
            for tank, kind, state in states
            if kind == "episodes"
        }
        return {
            "readings": rows("SELECT * FROM reading ORDER BY tank_id, observed_at"),
            "watermarks": rows(
                "SELECT tank_id, first_reading_at, last_reading_at, scored_until FROM watermark"
                " ORDER BY 1"
            ),
            "site memory": rows("SELECT until_at, is_due, why FROM site_memory"),
            "left to do": rows("SELECT * FROM dirty_window"),
            "scored": rows(
                "SELECT tank_id, observed_at, flag, channel_id FROM score ORDER BY 1, 2"
            ),
            "score": [
                s for (*_, s) in rows("SELECT tank_id, observed_at, score FROM score ORDER BY 1, 2")
            ],
            "incidents": rows(
                "SELECT tank_id, started_at, raised_at, ended_at, state, detector, symptom,"
                " channel_id, nature, latching FROM incident WHERE withdrawn_at IS NULL"
                " ORDER BY 1, 2"
            ),
            "peaks": rows(
                "SELECT peak_score, share FROM incident WHERE withdrawn_at IS NULL"
                " ORDER BY tank_id, started_at"
            ),
            "bands": [
                np.frombuffer(edges, dtype="<f4")
                for (edges,) in rows("SELECT edges FROM expected_band ORDER BY tank_id, begins_at")
            ],
            "band rows": rows("SELECT tank_id, begins_at FROM expected_band ORDER BY 1, 2"),
            "under way": sorted(
                (tank, begun[key]) for tank, key in _under_way(states).items() if key is not None
            ),
            "episodes": episodes,
            "memories": {
                tank: Memory.from_json(json.loads(state))
                for tank, kind, state in states
                if kind != "episodes"
            },
        }


def _under_way(states: Sequence[tuple[Any, ...]]) -> dict[int, int | None]:
    """Return the incident that each tank's memory takes to be under way."""
    return {
        tank: json.loads(state)["incident_id"] for tank, kind, state in states if kind == "episodes"
    }
