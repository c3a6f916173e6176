"""Pressure: gas in the vapour space, and what lets it in and out.

The gas is ideal, so over a step of dt seconds the gauge pressure p solves

    p = p_closed - k * N(p),    k = R T dt / (1000 V)  in kPa for each mol/s of outflow,

where p_closed is the pressure if nothing flowed and N(p) the net outflow.  N is piecewise linear
and rises with p, so there is exactly one solution and it is found by asking in which piece it lies.
This is backward Euler: stable however stiff the vents are, and never beyond equilibrium.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.simulate.plant import Plant
from tankwatch.simulate.state import (
    GAS_J_MOL_K,
    KELVIN,
    Effects,
    State,
    hunting_flow_mol_s,
    orifice_mol_s_kpa,
    vapour_pressure_kpa,
)
from tankwatch.simulate.vents import RESEAT

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Flows:
    """Gas that crossed the borders of each vapour space in a step, float64 (tanks,), in mol/s.

    Evaporation is negative where vapour condenses.
    """

    out_mol_s: Floats
    in_mol_s: Floats
    evaporated_mol_s: Floats


@dataclass(frozen=True, slots=True)
class Ways:
    """Every way in and out for one step; see `Vents` and `Effects`.

    Attributes:
        hole_mol_s_kpa: float64, flow to the open air for each kPa of gauge pressure.
        vent_lift_kpa, vent_seat_kpa: float64, where the pressure pallet lifts and reseats.
        vacuum_lift_kpa, vacuum_seat_kpa: float64, the same for the vacuum pallet, positive.
        steering: float64, 1 where the blanket control works, 0 where it hunts.
        forced_mol_s: float64, gas that enters whatever the pressure; negative leaves.
    """

    hole_mol_s_kpa: Floats
    vent_lift_kpa: Floats
    vent_seat_kpa: Floats
    vacuum_lift_kpa: Floats
    vacuum_seat_kpa: Floats
    steering: Floats
    forced_mol_s: Floats


def advance_gas(
    plant: Plant, state: State, *, effects: Effects, barometer_kpa: float, dt_s: float
) -> Flows:
    """Change gas and pressure of `state` by `dt_s` seconds, and return what flowed."""
    gas_m3 = plant.shell.volume_m3 - state.liquid_m3
    kpa_per_mol = GAS_J_MOL_K * (state.vapour_degc + KELVIN) / gas_m3 / 1000.0
    before_mol = state.vapour_mol
    _evaporate(plant, state, gas_m3=gas_m3, kpa_per_mol=kpa_per_mol, dt_s=dt_s)
    evaporated_mol_s = (state.vapour_mol - before_mol) / dt_s
    ways = _ways(plant, state, effects)
    moles = state.air_mol + state.vapour_mol
    closed_kpa = moles * kpa_per_mol - barometer_kpa
    gauge = solve_pressure(plant, state, ways, closed_kpa=closed_kpa, k=kpa_per_mol * dt_s)
    out_mol_s, in_mol_s = _flows(plant, state, ways, gauge)
    rich = state.vapour_mol / moles
    state.vapour_mol = state.vapour_mol - rich * out_mol_s * dt_s
    state.air_mol = state.air_mol + (in_mol_s - (1.0 - rich) * out_mol_s) * dt_s
    state.gauge_kpa = gauge
    return Flows(out_mol_s, in_mol_s, evaporated_mol_s)


def _evaporate(
    plant: Plant, state: State, *, gas_m3: Floats, kpa_per_mol: Floats, dt_s: float
) -> None:
    # Film theory: flow = h A (p_saturated - p_vapour) / (R T), implicit in the vapour pressure.
    rate = plant.contents.evaporation_m_s * plant.shell.area_m2 / gas_m3 * dt_s
    saturated = vapour_pressure_kpa(plant, state.liquid_degc) / kpa_per_mol
    state.vapour_mol = (state.vapour_mol + rate * saturated) / (1.0 + rate)


def _ways(plant: Plant, state: State, effects: Effects) -> Ways:
    vents = plant.vents
    hunts = effects.hunting_kpa > 0.0
    middle = 0.5 * (vents.pad_kpa + vents.recover_kpa)
    too_low = state.gauge_kpa < middle - effects.hunting_kpa
    too_high = state.gauge_kpa > middle + effects.hunting_kpa
    state.hunting_up = hunts & (too_low | (state.hunting_up & ~too_high))
    swing = np.where(state.hunting_up, 1.0, -1.0) * hunting_flow_mol_s(plant, effects)
    hole = vents.seep_mol_s_kpa + effects.propped_mol_s_kpa
    return Ways(
        hole_mol_s_kpa=hole + orifice_mol_s_kpa(effects.leak_m2, state.gauge_kpa),
        vent_lift_kpa=vents.vent_kpa + effects.vent_extra_kpa,
        vent_seat_kpa=RESEAT * vents.vent_kpa + effects.vent_extra_kpa,
        vacuum_lift_kpa=vents.vacuum_kpa + effects.vacuum_extra_kpa,
        vacuum_seat_kpa=RESEAT * vents.vacuum_kpa + effects.vacuum_extra_kpa,
        steering=np.where(hunts, 0.0, 1.0),
        forced_mol_s=effects.creep_mol_s + swing,
    )


def solve_pressure(
    plant: Plant, state: State, ways: Ways, *, closed_kpa: Floats, k: Floats
) -> Floats:
    """Return float64 (tanks,), the gauge pressure at the end of a step, and move the pallets.

    Args:
        plant: the tanks.
        state: its pallets are moved in place.
        ways: every way in and out.
        closed_kpa: float64 (tanks,), gauge pressure if nothing flowed.
        k: float64 (tanks,), kPa for each mol/s of outflow over the step.
    """
    vents = plant.vents
    free = closed_kpa + k * ways.forced_mol_s
    base = 1.0 + k * ways.hole_mol_s_kpa
    pad = k * vents.pad_mol_s_kpa * ways.steering
    recover = k * vents.recover_mol_s_kpa * ways.steering
    full_pad = pad * vents.droop_kpa

    edge = np.where(state.vent_open, ways.vent_seat_kpa, ways.vent_lift_kpa)
    above = base * edge + recover * np.maximum(edge - vents.recover_kpa, 0.0)
    state.vent_open = free > above
    edge = np.where(state.vacuum_open, ways.vacuum_seat_kpa, ways.vacuum_lift_kpa)
    state.vacuum_open = free < -base * edge - full_pad

    vent = np.where(state.vent_open, k * vents.vent_mol_s_kpa, 0.0)
    vacuum = np.where(state.vacuum_open, k * vents.vacuum_mol_s_kpa, 0.0)
    recover = np.where(free > base * vents.recover_kpa, recover, 0.0)
    padding = free < base * vents.pad_kpa
    pad_is_full = free < base * (vents.pad_kpa - vents.droop_kpa) - full_pad
    pad_slope = np.where(padding & ~pad_is_full, pad, 0.0)
    pushes = (
        free
        + recover * vents.recover_kpa
        + vent * ways.vent_seat_kpa
        + pad_slope * vents.pad_kpa
        + np.where(pad_is_full, full_pad, 0.0)
        - vacuum * ways.vacuum_seat_kpa
    )
    gauge: Floats = pushes / (base + recover + vent + pad_slope + vacuum)
    return gauge


def _flows(plant: Plant, state: State, ways: Ways, gauge: Floats) -> tuple[Floats, Floats]:
    vents = plant.vents
    hole = ways.hole_mol_s_kpa * gauge
    droop = np.clip(vents.pad_kpa - gauge, 0.0, vents.droop_kpa)
    steered = (
        vents.recover_mol_s_kpa * np.maximum(gauge - vents.recover_kpa, 0.0)
        - vents.pad_mol_s_kpa * droop
    ) * ways.steering
    vented = state.vent_open * vents.vent_mol_s_kpa * (gauge - ways.vent_seat_kpa)
    drawn = state.vacuum_open * vents.vacuum_mol_s_kpa * (gauge + ways.vacuum_seat_kpa)
    parts = (hole, steered, vented, drawn, -ways.forced_mol_s)
    out = sum((np.maximum(part, 0.0) for part in parts), start=np.zeros(gauge.size))
    into = sum((np.maximum(-part, 0.0) for part in parts), start=np.zeros(gauge.size))
    return out, into
