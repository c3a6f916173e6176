"""A simulated farm: its readings, its faults, and the truth behind them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tankwatch.simulate.breathing import advance_gas
from tankwatch.simulate.climate import CLIMATES, DAY_S, Sky, Weather, make_weather
from tankwatch.simulate.faults import Fault, schedule_faults
from tankwatch.simulate.plant import Plant, draw_plant
from tankwatch.simulate.sensors import Timeline, draw_sensors, read_sensors
from tankwatch.simulate.spec import FarmSpec
from tankwatch.simulate.state import EMPTY, FULL, Effects, State, effects_of, initial_state
from tankwatch.simulate.thermal import advance_heat
from tankwatch.simulate.transfers import Transfers, plan_transfers

Floats = NDArray[np.float64]

RUN_IN_DAYS = 3.0
INNER_STEP_S = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What no instrument reports.

    Attributes:
        gauge_kpa: float64 (tanks, steps), pressure of the vapour space above the barometer.
        vapour_degc: float64 (tanks, steps), temperature of the vapour space.
        liquid_degc: float64 (tanks, steps), bulk temperature of the product.
        level: float64 (tanks, steps), filled share of the tank.
        gas_mol: float64 (tanks, steps), gas in the vapour space.
        net_out_mol: float64 (tanks, steps), gas that left it during the step, less what came in,
            evaporation aside.
        evaporated_mol: float64 (tanks, steps), vapour that left the product during the step;
            negative where it condensed.
        weather: of the site, each array (steps,).
    """

    gauge_kpa: Floats
    vapour_degc: Floats
    liquid_degc: Floats
    level: Floats
    gas_mol: Floats
    net_out_mol: Floats
    evaporated_mol: Floats
    weather: Weather


@dataclass(frozen=True, slots=True, eq=False)
class Farm:
    """A simulated farm.

    Attributes:
        spec: what was asked for.
        tanks: names along the first axis.
        observed_ms: int64 (steps,), epoch milliseconds of the readings.
        values: float64 (tanks, steps, 2), kPa gauge and degC as reported, NaN where no reading.
        faults: in order of time.
        plant: the tanks.
        truth: what no instrument reports.
    """

    spec: FarmSpec
    tanks: tuple[str, ...]
    observed_ms: NDArray[np.int64]
    values: Floats
    faults: tuple[Fault, ...]
    plant: Plant
    truth: Truth


def simulate_farm(spec: FarmSpec) -> Farm:
    """Return the farm that `spec` describes; equal specs give equal farms.

    The plant runs for three days before the first reading, so that it starts in mid-life.

    Raises:
        UsageError: the faults that were asked for do not fit or no tank can have them.
    """
    climate = CLIMATES[spec.site]
    plant = draw_plant(spec.stream("plant"), spec.tanks, climate=climate)
    sensors = draw_sensors(spec.stream("sensors"), plant.contents.heated)
    faults = schedule_faults(
        spec.stream("faults"),
        spec.kinds,
        count=spec.fault_count,
        able=plant.able,
        period=spec.fault_period,
        severity=spec.severity,
    )
    run_in = math.ceil(RUN_IN_DAYS * DAY_S / spec.step_s)
    step_ms = spec.step_s * 1000
    timeline = Timeline(spec.start_ms - run_in * step_ms, step_ms, spec.steps + run_in)
    times_ms = timeline.start_ms + np.arange(timeline.steps, dtype=np.int64) * step_ms
    weather = make_weather(
        spec.stream("weather"), climate, times_s=times_ms // 1000, step_s=spec.step_s
    )
    transfers = plan_transfers(
        spec.stream("transfers"), plant, ambient_degc=weather.ambient_degc, step_s=spec.step_s
    )
    truth = _run_plant(plant, weather, transfers, faults=faults, timeline=timeline, run_in=run_in)
    probe_degc = sensors.vapour_share[:, None] * (truth.vapour_degc - truth.liquid_degc)
    values = read_sensors(
        spec.stream("noise"),
        sensors,
        truth=np.stack((truth.gauge_kpa, truth.liquid_degc + probe_degc), axis=-1),
        faults=faults,
        timeline=Timeline(spec.start_ms, step_ms, spec.steps),
        fault_rng=spec.stream("sensor faults"),
    )
    return Farm(spec, plant.names, times_ms[run_in:], values, faults, plant, truth)


def _run_plant(
    plant: Plant,
    weather: Weather,
    transfers: Transfers,
    *,
    faults: Sequence[Fault],
    timeline: Timeline,
    run_in: int,
) -> Truth:
    state = initial_state(
        plant,
        transfers.level,
        ambient_degc=float(weather.ambient_degc.mean()),
        barometer_kpa=float(weather.barometer_kpa[0]),
    )
    record = np.empty((7, timeline.steps - run_in, len(plant.names)))
    step_s = timeline.step_ms / 1000.0
    for first, last, effects in _stretches(plant, faults, timeline):
        for step in range(first, last):
            net_out_mol, evaporated_mol = _advance(
                plant,
                state,
                weather.at(step),
                effects=effects,
                flow_m3_s=transfers.flow_m3_s[:, step],
                feed_degc=transfers.feed_degc[:, step],
                step_s=step_s,
            )
            if step >= run_in:
                row = record[:, step - run_in]
                row[0] = state.gauge_kpa
                row[1] = state.vapour_degc
                row[2] = state.liquid_degc
                row[3] = state.liquid_m3 / plant.shell.volume_m3
                row[4] = state.air_mol + state.vapour_mol
                row[5] = net_out_mol
                row[6] = evaporated_mol
    gauge, vapour, liquid, level, gas, out, evaporated = np.ascontiguousarray(
        record.transpose(0, 2, 1)
    )
    return Truth(gauge, vapour, liquid, level, gas, out, evaporated, weather.after(run_in))


def _stretches(
    plant: Plant, faults: Sequence[Fault], timeline: Timeline
) -> Iterator[tuple[int, int, Effects]]:
    """Yield (first step, step after the last, effects) between changes of the active faults."""
    touched = [(timeline.slice_of(fault), fault) for fault in faults]
    edges = {0, timeline.steps}
    for steps, _ in touched:
        edges |= {steps.start, steps.stop}
    for first, last in pairwise(sorted(edges)):
        active = [fault for steps, fault in touched if steps.start <= first < steps.stop]
        yield first, last, effects_of(plant, active)


def _advance(
    plant: Plant,
    state: State,
    sky: Sky,
    *,
    effects: Effects,
    flow_m3_s: Floats,
    feed_degc: Floats,
    step_s: float,
) -> tuple[Floats, Floats]:
    """Change `state` by one step; return mol that left net and mol evaporated, float64 (tanks,)."""
    volume = plant.shell.volume_m3
    inner = math.ceil(step_s / INNER_STEP_S)
    dt_s = step_s / inner
    net_out, evaporated = np.zeros(volume.size), np.zeros(volume.size)
    for _ in range(inner):
        before = state.liquid_m3
        wanted = before + (flow_m3_s + effects.inflow_m3_s) * dt_s
        # Pumps stop at the safety levels, whatever was planned.
        low, high = np.minimum(before, EMPTY * volume), np.maximum(before, FULL * volume)
        state.liquid_m3 = np.clip(wanted, low, high)
        inflow = np.maximum(state.liquid_m3 - before, 0.0) / dt_s
        advance_heat(
            plant,
            state,
            sky,
            effects=effects,
            inflow_m3_s=inflow,
            feed_degc=feed_degc,
            dt_s=dt_s,
        )
        flows = advance_gas(
            plant, state, effects=effects, barometer_kpa=sky.barometer_kpa, dt_s=dt_s
        )
        net_out += (flows.out_mol_s - flows.in_mol_s) * dt_s
        evaporated += flows.evaporated_mol_s * dt_s
    return net_out, evaporated
