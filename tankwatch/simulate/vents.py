"""Relief and blanketing of each tank: set pressures and capacities.

Every array has the shape (tanks,).  Pressures are kPa gauge, conductances mol/(s kPa).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# One cubic metre of gas at 15 degC and one atmosphere, in mol.
MOL_PER_M3 = 42.3
RESEAT = 0.85
FULL_LIFT = 0.5
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Vents:
    """Relief and blanketing of each tank.

    Attributes:
        vent_kpa: float64, pressure at which the pressure pallet lifts.
        vent_mol_s_kpa: float64, flow for each kPa above its reseating pressure.
        vacuum_kpa: float64, vacuum (positive) at which the vacuum pallet lifts.
        vacuum_mol_s_kpa: float64, flow for each kPa beyond its reseating vacuum.
        seep_mol_s_kpa: float64, what a sound tank loses through hatches and seals.
        blanketed: bool, has a gas regulator and a recovery valve.
        pad_kpa: float64, below it the regulator lets gas in.
        pad_mol_s_kpa: float64, flow of the regulator for each kPa of droop.
        droop_kpa: float64, droop at which the regulator is fully open.
        recover_kpa: float64, above it gas goes to the recovery line.
        recover_mol_s_kpa: float64, flow of the recovery valve for each kPa above.
    """

    vent_kpa: Floats
    vent_mol_s_kpa: Floats
    vacuum_kpa: Floats
    vacuum_mol_s_kpa: Floats
    seep_mol_s_kpa: Floats
    blanketed: NDArray[np.bool_]
    pad_kpa: Floats
    pad_mol_s_kpa: Floats
    droop_kpa: Floats
    recover_kpa: Floats
    recover_mol_s_kpa: Floats


def size_vents(
    rng: np.random.Generator,
    blanketed: NDArray[np.bool_],
    *,
    volume_m3: Floats,
    transfer_m3_s: Floats,
) -> Vents:
    """Return vents that can pass the tank's transfers and its thermal breathing.

    Thermal breathing after ISO 28300 (API 2000) for middle latitudes: out 0.25 V^0.9 and in
    3 V^0.7, in m3/h with V in m3.  Set pressures lie inside the low-pressure class of EN 14015
    (+2.0 / -0.6 kPa), as they must.
    """
    tanks = volume_m3.size
    most = 1.3 * transfer_m3_s
    out_m3_s = most + 0.25 * volume_m3**0.9 / HOUR_S
    in_m3_s = most + 3.0 * volume_m3**0.7 / HOUR_S
    vent = rng.uniform(1.5, 1.9, tanks)
    vacuum = rng.uniform(0.3, 0.5, tanks)
    seep_h = np.exp(rng.uniform(np.log(6.0), np.log(24.0), tanks))
    droop = np.full(tanks, 0.25)
    pad = rng.uniform(0.30, 0.45, tanks)
    padded = np.where(blanketed, 1.0, 0.0)
    return Vents(
        vent_kpa=vent,
        vent_mol_s_kpa=MOL_PER_M3 * out_m3_s / (FULL_LIFT * vent),
        vacuum_kpa=vacuum,
        vacuum_mol_s_kpa=MOL_PER_M3 * in_m3_s / (FULL_LIFT * vacuum),
        seep_mol_s_kpa=gas_compliance_mol_kpa(volume_m3) / (seep_h * HOUR_S),
        blanketed=blanketed,
        pad_kpa=pad,
        pad_mol_s_kpa=padded * MOL_PER_M3 * in_m3_s / droop,
        droop_kpa=droop,
        recover_kpa=pad + rng.uniform(0.4, 0.6, tanks),
        recover_mol_s_kpa=padded * MOL_PER_M3 * out_m3_s / 0.3,
    )


def gas_compliance_mol_kpa(volume_m3: Floats) -> Floats:
    """Return float64 (tanks,), mol that raise the pressure of a half-full tank by 1 kPa."""
    return MOL_PER_M3 * 0.5 * volume_m3 / 101.325
