"""What changes from step to step, and what faults do to the plant."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.simulate.faults import Fault, FaultKind
from tankwatch.simulate.plant import Plant
from tankwatch.simulate.vents import MOL_PER_M3, gas_compliance_mol_kpa

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

GAS_J_MOL_K = 8.314462618
KELVIN = 273.15
FULL = 0.97
EMPTY = 0.03
HUNT_HALF_PERIOD_S = 480.0


@dataclass(slots=True)
class State:
    """What changes from step to step; each array has the shape (tanks,).

    Attributes:
        liquid_m3: float64, product in the tank.
        liquid_degc: float64, bulk temperature of the product.
        vapour_degc: float64, temperature of the vapour space.
        air_mol: float64, air and blanket gas in the vapour space.
        vapour_mol: float64, hydrocarbon vapour in the vapour space.
        gauge_kpa: float64, pressure of the vapour space above the barometer.
        coil_on: bool, the thermostat asks for heat.
        vent_open: bool, the pressure pallet is off its seat.
        vacuum_open: bool, the vacuum pallet is off its seat.
        hunting_up: bool, a hunting control is letting gas in, not out.
    """

    liquid_m3: Floats
    liquid_degc: Floats
    vapour_degc: Floats
    air_mol: Floats
    vapour_mol: Floats
    gauge_kpa: Floats
    coil_on: Flags
    vent_open: Flags
    vacuum_open: Flags
    hunting_up: Flags


def initial_state(
    plant: Plant, level: Floats, *, ambient_degc: float, barometer_kpa: float
) -> State:
    """Return a calm plant: at rest with the weather, no gauge pressure, half saturated."""
    contents = plant.contents
    tanks = level.size
    liquid = np.where(contents.heated, contents.kept_degc, ambient_degc)
    vapour = np.where(contents.heated, 0.5 * (liquid + ambient_degc), ambient_degc)
    gas_m3 = (1.0 - level) * plant.shell.volume_m3
    moles = 1000.0 * barometer_kpa * gas_m3 / (GAS_J_MOL_K * (vapour + KELVIN))
    share = 0.5 * vapour_pressure_kpa(plant, liquid) / barometer_kpa
    no = np.zeros(tanks, dtype=bool)
    return State(
        liquid_m3=level * plant.shell.volume_m3,
        liquid_degc=liquid,
        vapour_degc=vapour,
        air_mol=moles * (1.0 - share),
        vapour_mol=moles * share,
        gauge_kpa=np.zeros(tanks),
        coil_on=no,
        vent_open=no,
        vacuum_open=no,
        hunting_up=no,
    )


def vapour_pressure_kpa(plant: Plant, liquid_degc: Floats) -> Floats:
    """Return float64 (tanks,), saturation pressure over product at `liquid_degc`.

    Clausius-Clapeyron with a constant heat of vaporisation, from the value at 20 degC.
    """
    contents = plant.contents
    inverse = 1.0 / (liquid_degc + KELVIN) - 1.0 / (20.0 + KELVIN)
    pressure: Floats = contents.vapour_kpa * np.exp(
        -contents.vaporisation_j_mol / GAS_J_MOL_K * inverse
    )
    return pressure


@dataclass(frozen=True, slots=True)
class Effects:
    """What the faults that are active do to the plant; each array is float64 (tanks,).

    Attributes:
        leak_m2: open area in the roof.
        vent_extra_kpa: what a sticking pressure pallet needs above its set pressure.
        vacuum_extra_kpa: what a sticking vacuum pallet needs beyond its set vacuum.
        propped_mol_s_kpa: conductance of a pallet that does not reseat.
        creep_mol_s: gas that passes a regulator that should be shut.
        hunting_kpa: half the travel of a hunting pressure control; 0 where it does not hunt.
        coil_forced: opening of a stuck steam valve; 0 where it is not stuck.
        coil_left: share of the coil's conductance that is left.
        inflow_m3_s: product that enters and is in no record.
    """

    leak_m2: Floats
    vent_extra_kpa: Floats
    vacuum_extra_kpa: Floats
    propped_mol_s_kpa: Floats
    creep_mol_s: Floats
    hunting_kpa: Floats
    coil_forced: Floats
    coil_left: Floats
    inflow_m3_s: Floats


def effects_of(plant: Plant, faults: Iterable[Fault]) -> Effects:
    """Return what `faults`, all active now, do to the plant; sensor faults do nothing to it.

    Severity 1.0 means: a hole of 5 cm2 for each 1000 m3; a pallet that sticks until 0.8 kPa above
    its set pressure (0.5 kPa beyond its set vacuum); a pallet propped open so that the pressure is
    gone in ten minutes; a creep that lifts the pressure 0.4 kPa above where recovery begins; a
    control that swings 0.45 kPa to either side; a steam valve wide open, or a coil that is dead; an
    inflow of 1 % of the tank an hour.
    """
    size = len(plant.names)
    zeros = {name: np.zeros(size) for name in Effects.__dataclass_fields__}
    effects = Effects(**(zeros | {"coil_left": np.ones(size)}))
    shell, vents = plant.shell, plant.vents
    compliance = gas_compliance_mol_kpa(shell.volume_m3)
    typical: dict[FaultKind, tuple[Floats, Floats]] = {
        FaultKind.ROOF_LEAK: (effects.leak_m2, 5e-4 * shell.volume_m3 / 1000.0),
        FaultKind.VENT_STUCK_CLOSED: (effects.vent_extra_kpa, np.full(size, 0.8)),
        FaultKind.VACUUM_BREAKER_STUCK: (effects.vacuum_extra_kpa, np.full(size, 0.5)),
        FaultKind.VENT_STUCK_OPEN: (effects.propped_mol_s_kpa, compliance / 600.0),
        FaultKind.REGULATOR_CREEP: (effects.creep_mol_s, 0.4 * vents.recover_mol_s_kpa),
        FaultKind.PRESSURE_HUNTING: (effects.hunting_kpa, np.full(size, 0.45)),
        FaultKind.HEATER_STUCK_ON: (effects.coil_forced, np.ones(size)),
        FaultKind.UNRECORDED_INFLOW: (effects.inflow_m3_s, shell.volume_m3 / 360_000.0),
    }
    for fault in faults:
        tank = fault.tank
        if fault.kind is FaultKind.HEATER_FAILED:
            # A coil is oversized: only what falls short of holding the temperature is missed.
            left = max(1.0 - fault.severity, 0.0) / plant.contents.coil_excess[tank]
            effects.coil_left[tank] = left
        elif fault.kind in typical:
            target, at_one = typical[fault.kind]
            target[tank] = fault.severity * at_one[tank]
    return effects


def hunting_flow_mol_s(plant: Plant, effects: Effects) -> Floats:
    """Return float64 (tanks,), the flow of a hunting control, in or out.

    Its valves stroke to a fixed opening, which crosses the travel in eight minutes when half full.
    """
    travel = 2.0 * effects.hunting_kpa
    return travel * gas_compliance_mol_kpa(plant.shell.volume_m3) / HUNT_HALF_PERIOD_S


def orifice_mol_s_kpa(area_m2: Floats, gauge_kpa: Floats) -> Floats:
    """Return float64 (tanks,), flow through a sharp hole over the pressure that drives it.

    Torricelli with a discharge coefficient of 0.61 and air of 1.2 kg/m3: Q = 0.61 A sqrt(2 dp/rho).
    Below 10 Pa the flow counts as laminar, linear in the pressure.
    """
    driving_pa = 1000.0 * np.maximum(np.abs(gauge_kpa), 0.01)
    per_pa = 0.61 * area_m2 * np.sqrt(2.0 / (1.2 * driving_pa))
    flow: Floats = 1000.0 * MOL_PER_M3 * per_pa
    return flow
