"""Heat: a vapour node and a liquid node for each tank, one implicit step at a time."""

import numpy as np
from numpy.typing import NDArray

from tankwatch.simulate.climate import Sky
from tankwatch.simulate.plant import STEAM_DEGC, Plant
from tankwatch.simulate.state import Effects, State

Floats = NDArray[np.float64]

AIR_J_M3_K = 1.2 * 1005.0
# 5 mm of steel under the vapour: 7850 kg/m3, 480 J/(kg K); 30 % of it follows the gas.
STEEL_J_M2_K = 0.3 * 0.005 * 7850.0 * 480.0
OUTSIDE_W_M2_K = 20.0
SKY_LOSS_K = 3.9
STIRRED_W_M2_K = 4.0
LAYERED_W_M2_K = 0.8


def advance_heat(
    plant: Plant,
    state: State,
    sky: Sky,
    *,
    effects: Effects,
    inflow_m3_s: Floats,
    feed_degc: Floats,
    dt_s: float,
) -> None:
    """Change the temperatures of `state` by `dt_s` seconds.

    Two lumped heat capacities, backward Euler, so any step is stable.  The roof sees the sol-air
    temperature (ASHRAE Fundamentals: sunlight over the outside coefficient, less 3.9 K of loss to a
    clear sky), the shell sees half the sunlight.  Between liquid and vapour the coefficient is
    that of free convection if the liquid is the warmer one and that of a still layer if not.

    Args:
        plant: the tanks.
        state: changed in place.
        sky: weather of this step.
        effects: of the active faults.
        inflow_m3_s: float64 (tanks,), product coming in, never below 0.
        feed_degc: float64 (tanks,), its temperature.
        dt_s: length of the step.
    """
    shell, contents = plant.shell, plant.contents
    coil = _coil_w_k(plant, state, effects)
    gas_m3 = shell.volume_m3 - state.liquid_m3
    dry_m2 = shell.girth_m * gas_m3 / shell.area_m2
    wet_m2 = shell.girth_m * state.liquid_m3 / shell.area_m2
    sun = shell.absorptance * sky.irradiance_w_m2 / OUTSIDE_W_M2_K
    roof_degc = sky.ambient_degc + sun - SKY_LOSS_K * (1.0 - 0.8 * sky.cloud)
    wall_degc = sky.ambient_degc + 0.5 * sun

    surface = np.where(state.liquid_degc > state.vapour_degc, STIRRED_W_M2_K, LAYERED_W_M2_K)
    surface = surface * shell.area_m2
    roof = shell.roof_w_m2_k * shell.area_m2
    dry = shell.wall_w_m2_k * dry_m2
    wet = shell.wall_w_m2_k * wet_m2
    feed = contents.density_kg_m3 * contents.heat_j_kg_k * inflow_m3_s
    gas_heat = (AIR_J_M3_K * gas_m3 + STEEL_J_M2_K * (shell.area_m2 + dry_m2)) / dt_s
    liquid_heat = contents.density_kg_m3 * contents.heat_j_kg_k * state.liquid_m3 / dt_s

    a = gas_heat + roof + dry + surface
    d = liquid_heat + wet + surface + coil + feed
    e = gas_heat * state.vapour_degc + roof * roof_degc + dry * wall_degc
    f = liquid_heat * state.liquid_degc + wet * wall_degc + coil * STEAM_DEGC + feed * feed_degc
    determinant = a * d - surface * surface
    state.vapour_degc = (e * d + surface * f) / determinant
    state.liquid_degc = (a * f + surface * e) / determinant


def _coil_w_k(plant: Plant, state: State, effects: Effects) -> Floats:
    contents = plant.contents
    cold = state.liquid_degc < contents.kept_degc - contents.band_k
    warm = state.liquid_degc > contents.kept_degc + contents.band_k
    state.coil_on = contents.heated & (cold | (state.coil_on & ~warm))
    opening: Floats = np.maximum(state.coil_on * effects.coil_left, effects.coil_forced)
    return contents.coil_w_k * opening
