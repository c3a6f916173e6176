"""What each kind of fault is called, and how often the sensor rules speak of nothing.

Farms of seeds 1 and 2, which no threshold was published on: faults and distortions go the
production way, and each incident is set beside what was wrong; farms without any fault give the
false alarms of the sensor rules.
"""

import argparse
import logging
import tempfile
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import structlog
from results import record
from symptoms_farm import STEP_MS, Trouble, troubled_farm

from tankwatch import clock
from tankwatch.core.block import Block
from tankwatch.core.incident import Incident, Nature, Symptom
from tankwatch.core.times import from_ms, to_ms
from tankwatch.ingest.accept import accept_file, file_options, intake_of
from tankwatch.jobs.backtest import scratch_store
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect
from tankwatch.jobs.train import train
from tankwatch.quality.norms import learn_norms
from tankwatch.quality.rules import ChannelRule
from tankwatch.scoring.sensors import SENSOR_CONTEXT, judge_sensors
from tankwatch.settings import Settings
from tankwatch.shaping.grid import hold_last
from tankwatch.simulate import FarmSpec, simulate_farm, write_farm
from tankwatch.store.engine import reading
from tankwatch.store.incidents import load_incidents

SEEDS = (1, 2)
GRACE = 360
EVER_S = 10**9
NO_FAULT = "(none)"
_LEVEL = frozenset({Symptom.ABOVE_EXPECTED, Symptom.BELOW_EXPECTED})
_DRIFT = frozenset({Symptom.DRIFT_UP, Symptom.DRIFT_DOWN})
_STAY = frozenset({Symptom.UNUSUAL_STAY})
# What an engineer who knows the fault would call it.
RIGHT: dict[str, frozenset[Symptom]] = {
    "roof_leak": _STAY | _LEVEL,
    "vent_stuck_closed": _LEVEL,
    "vent_stuck_open": _STAY | _LEVEL,
    "vacuum_breaker_stuck": _LEVEL,
    "unrecorded_inflow": _STAY | _LEVEL,
    "regulator_creep": _LEVEL | _DRIFT,
    "heater_stuck_on": _LEVEL | _DRIFT,
    "heater_failed": _LEVEL | _DRIFT,
    "pressure_hunting": frozenset({Symptom.OSCILLATION}),
    "pressure_drift": _DRIFT,
    "temperature_drift": _DRIFT,
    "pressure_step": frozenset({Symptom.STEP}),
    "stuck_sensor": frozenset({Symptom.FLAT_LINE}),
    "noise_burst": frozenset({Symptom.NOISE}),
    "spikes": frozenset({Symptom.SPIKE}),
    "offline": frozenset({Symptom.STALE}),
    "flipping": frozenset({Symptom.CHATTERING}),
    "damped": frozenset({Symptom.QUIET}),
    "beyond_range": frozenset({Symptom.OUT_OF_RANGE}),
}
OF_SENSOR = frozenset(
    {
        *("pressure_drift", "temperature_drift", "pressure_step", "stuck_sensor", "noise_burst"),
        *("spikes", "offline", "flipping", "damped", "beyond_range"),
    }
)
NEW_RULES = frozenset(
    {"out_of_range", "rate", "limit_chatter", "chattering", "noise_burst", "noise_collapse"}
)


def main() -> None:
    """Run what is asked for, print the tables and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("symptoms", "quiet"))
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if asked.only != "quiet":
        symptoms()
    if asked.only != "symptoms":
        quiet()


def symptoms() -> None:
    """Print fault kind by symptom, of the first incident of each fault and of all of them."""
    first: list[tuple[str, Incident]] = []
    every: list[tuple[str, Incident]] = []
    for seed in SEEDS:
        incidents, trouble, begin_ms = _watched(seed)
        seen: set[Trouble] = set()
        for one in sorted(incidents, key=lambda incident: incident.raised_at):
            behind = _behind(one, trouble, begin_ms)
            every.append((NO_FAULT if behind is None else behind.kind, one))
            if behind is not None and behind not in seen:
                seen.add(behind)
                first.append((behind.kind, one))
    _print_table("First incident of each fault, as it stands in the end", first)
    _print_table("Every incident", every)
    right = sum(one.symptom in RIGHT[kind] for kind, one in first) / len(first)
    nature = sum((one.nature is Nature.SENSOR) == (kind in OF_SENSOR) for kind, one in first)
    common = Counter(RIGHT[kind] for kind, _ in first).most_common(1)[0][1] / len(first)
    most = max(
        sum(kind in OF_SENSOR for kind, _ in first), sum(kind not in OF_SENSOR for kind, _ in first)
    )
    record(
        "symptoms: right word for the first incident of a fault",
        round(right, 3),
        "share",
        against="always the commonest word",
        other=round(common, 3),
    )
    record(
        "symptoms: sensor or process told right",
        round(nature / len(first), 3),
        "share",
        against="always the commoner of the two",
        other=round(most / len(first), 3),
    )


def quiet() -> None:
    """Record the false alarms of the new sensor rules on farms without faults."""
    alarms: Counter[str] = Counter()
    months = 0.0
    for seed in SEEDS:
        spec = FarmSpec(tanks=40, days=30, quiet_days=14, seed=seed, faults=0)
        farm = simulate_farm(spec)
        held, mask = hold_last(farm.values, 3)
        block = Block(farm.tanks, ("pressure", "temperature"), 0, 60, held, mask)
        learned = 14 * 1440
        norms = learn_norms(block.between(0, learned))
        none = np.full((len(farm.tanks), 2), np.nan)
        late = block.between(learned - SENSOR_CONTEXT, block.steps)
        rules = [ChannelRule(240, 0.0)] * 2
        for verdict in judge_sensors(late, rules, norms, low=none, high=none):
            flagged = (np.nan_to_num(verdict.score[:, SENSOR_CONTEXT:]) >= 1.0).any(axis=2)
            begins = flagged & ~np.pad(flagged, ((0, 0), (1, 0)))[:, :-1]
            alarms[verdict.name] += int(begins.sum())
        months += len(farm.tanks) * (block.steps - learned) / 43_200
    print(f"sensor rules on {months:.1f} tank-months without a fault: {dict(alarms)}")
    of_new = sum(count for name, count in alarms.items() if name in NEW_RULES)
    record(
        "sensor rules: false alarms of the new rules together",
        round(of_new / months, 4),
        "1/(tank month)",
        against="the stuck rule",
        other=round(alarms["stuck"] / months, 4),
    )


def _watched(seed: int) -> tuple[list[Incident], list[Trouble], int]:
    """Return the incidents of a farm that went the production way, and what was wrong with it."""
    farm, trouble = troubled_farm(seed)
    begin_ms = int(farm.observed_ms[0])
    settings = Settings(
        channels={"pressure": {"range_low": -1.5, "range_high": 6.0}},  # type: ignore[dict-item]
        detect={"page_within_s": EVER_S},  # type: ignore[arg-type]
        train={"history_days": 36_500.0},  # type: ignore[arg-type]
    )
    with tempfile.TemporaryDirectory() as name, scratch_store() as engine:
        context = Context(engine, settings, threading.Event())
        early, late, *_ = write_farm(
            farm, Path(name), split_at=farm.spec.quiet_until, compress=False
        )
        options = file_options(engine, settings, now=clock.now())
        intake = intake_of(engine, settings)
        accept_file(intake, early, options, now=clock.now())
        train(context, settings.detect.detector, now=farm.spec.quiet_until)
        accept_file(intake, late, options, now=clock.now())
        detect(context, now=from_ms(int(farm.observed_ms[-1]) + 1))
        with reading(engine) as connection:
            stored = [one.incident for one in load_incidents(connection)]
    quiet_until = farm.spec.quiet_until
    return [one for one in stored if one.raised_at > quiet_until], trouble, begin_ms


def _behind(one: Incident, trouble: list[Trouble], begin_ms: int) -> Trouble | None:
    raised = (to_ms(one.raised_at) - begin_ms) // STEP_MS
    mine = [t for t in trouble if t.tank == one.tank and t.first <= raised <= t.last + GRACE]
    return mine[0] if mine else None


def _print_table(title: str, pairs: list[tuple[str, Incident]]) -> None:
    print(f"\n{title}\n\n| fault | incidents | called | sensor |\n|---|---|---|---|")
    for kind in (*RIGHT, NO_FAULT):
        mine = [one for of, one in pairs if of == kind]
        called = Counter(one.symptom.value for one in mine).most_common()
        words = ", ".join(f"{word} {count}" for word, count in called)
        sensor = sum(one.nature is Nature.SENSOR for one in mine)
        if mine:
            print(f"| {kind.replace('_', ' ')} | {len(mine)} | {words} | {sensor} |")


if __name__ == "__main__":
    main()
