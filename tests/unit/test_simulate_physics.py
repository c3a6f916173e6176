from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.simulate import Farm, FarmSpec, simulate_farm
from tankwatch.simulate.breathing import Ways, advance_gas, solve_pressure
from tankwatch.simulate.climate import (
    CLIMATES,
    Sky,
    make_weather,
    ornstein_uhlenbeck,
    smooth,
    solar_elevation_sine,
)
from tankwatch.simulate.plant import Plant, draw_plant
from tankwatch.simulate.state import (
    GAS_J_MOL_K,
    KELVIN,
    State,
    effects_of,
    initial_state,
    orifice_mol_s_kpa,
    vapour_pressure_kpa,
)
from tankwatch.simulate.thermal import advance_heat
from tankwatch.simulate.transfers import HIGHEST, LOWEST, plan_transfers
from tankwatch.simulate.vents import FULL_LIFT, RESEAT

BAROMETER_KPA = 101.325


@pytest.fixture(scope="module")
def sound() -> Farm:
    return simulate_farm(FarmSpec(tanks=6, days=4, quiet_days=4, seed=11))


@pytest.fixture(scope="module")
def plant() -> Plant:
    return draw_plant(np.random.default_rng(5), 12, climate=CLIMATES["north"])


def resting(plant: Plant) -> State:
    return initial_state(
        plant,
        np.full(len(plant.names), 0.5),
        ambient_degc=15.0,
        barometer_kpa=BAROMETER_KPA,
    )


def sound_ways(plant: Plant) -> Ways:
    vents, no = plant.vents, np.zeros(len(plant.names))
    return Ways(
        hole_mol_s_kpa=vents.seep_mol_s_kpa,
        vent_lift_kpa=vents.vent_kpa,
        vent_seat_kpa=RESEAT * vents.vent_kpa,
        vacuum_lift_kpa=vents.vacuum_kpa,
        vacuum_seat_kpa=RESEAT * vents.vacuum_kpa,
        steering=no + 1.0,
        forced_mol_s=no,
    )


def test_pressure_volume_and_moles_obey_the_gas_law_at_every_step(sound: Farm) -> None:
    truth = sound.truth
    gas_m3 = (1.0 - truth.level) * sound.plant.shell.volume_m3[:, None]
    kelvin = truth.vapour_degc + KELVIN
    by_gas_law = truth.gas_mol * GAS_J_MOL_K * kelvin / gas_m3 / 1000.0
    absolute = truth.gauge_kpa + truth.weather.barometer_kpa
    np.testing.assert_allclose(by_gas_law, absolute, rtol=1e-10)


def test_gas_is_neither_made_nor_lost(sound: Farm) -> None:
    truth = sound.truth
    change = np.diff(truth.gas_mol, axis=1)
    explained = (truth.evaporated_mol - truth.net_out_mol)[:, 1:]
    np.testing.assert_allclose(change, explained, atol=1e-6)


def test_sound_tanks_stay_between_their_set_points_and_the_accumulation(sound: Farm) -> None:
    vents, gauge = sound.plant.vents, sound.truth.gauge_kpa
    assert (gauge <= (1.0 + FULL_LIFT) * vents.vent_kpa[:, None]).all()
    assert (gauge >= -(1.0 + FULL_LIFT) * vents.vacuum_kpa[:, None]).all()


def test_breathing_tanks_use_both_pallets_and_blanketed_ones_neither(sound: Farm) -> None:
    vents, gauge = sound.plant.vents, sound.truth.gauge_kpa
    highest, lowest = gauge.max(axis=1), gauge.min(axis=1)
    breathing = ~vents.blanketed
    assert (highest[breathing] >= RESEAT * vents.vent_kpa[breathing]).all()
    assert (lowest[breathing] <= -RESEAT * vents.vacuum_kpa[breathing]).all()
    assert (highest[vents.blanketed] < vents.vent_kpa[vents.blanketed]).all()
    assert (lowest[vents.blanketed] > 0.0).all()


def test_thermostats_keep_heated_product_near_its_band(sound: Farm) -> None:
    contents = sound.plant.contents
    liquid = sound.truth.liquid_degc[contents.heated]
    off = np.abs(liquid - contents.kept_degc[contents.heated][:, None])
    assert np.quantile(off, 0.95) < 2.5


def test_every_vapour_space_is_warmer_by_day_than_before_dawn(sound: Farm) -> None:
    hour = sound.observed_ms // 3_600_000 % 24
    by_day = sound.truth.vapour_degc[:, (hour >= 12) & (hour < 16)].mean(axis=1)
    before_dawn = sound.truth.vapour_degc[:, (hour >= 3) & (hour < 6)].mean(axis=1)
    assert (by_day > before_dawn + 2.0).all()


@pytest.mark.parametrize("is_open", [False, True])
def test_solved_pressure_balances_what_flows(plant: Plant, is_open: bool) -> None:  # noqa: FBT001
    for closed_kpa in np.linspace(-8.0, 8.0, 81):
        state = resting(plant)
        state.vent_open = state.vacuum_open = np.full(len(plant.names), is_open)
        moles = state.air_mol + state.vapour_mol
        wanted = moles * (BAROMETER_KPA + closed_kpa) / BAROMETER_KPA
        state.air_mol = state.air_mol + wanted - moles
        calm = effects_of(plant, [])
        flows = advance_gas(plant, state, effects=calm, barometer_kpa=BAROMETER_KPA, dt_s=60.0)
        left = wanted + (flows.evaporated_mol_s + flows.in_mol_s - flows.out_mol_s) * 60.0
        gas_m3 = plant.shell.volume_m3 - state.liquid_m3
        absolute = left * GAS_J_MOL_K * (state.vapour_degc + KELVIN) / gas_m3 / 1000.0
        np.testing.assert_allclose(state.gauge_kpa, absolute - BAROMETER_KPA, atol=1e-9)


def test_vent_lifts_at_its_set_pressure_and_reseats_lower(plant: Plant) -> None:
    state, ways = resting(plant), sound_ways(plant)
    breathing = ~plant.vents.blanketed
    # Almost nothing flows in so short a step: the pressure is what is put in.
    k = np.full(len(plant.names), 1e-9)
    opened: list[NDArray[np.bool_]] = []
    for share in (0.99, 1.01, 0.9, 0.84, 0.9):
        solve_pressure(plant, state, ways, closed_kpa=share * plant.vents.vent_kpa, k=k)
        opened.append(state.vent_open[breathing])
    assert [bool(now.all()) for now in opened] == [False, True, True, False, False]
    assert [bool(now.any()) for now in opened] == [False, True, True, False, False]


def test_a_long_step_ends_between_the_seats_however_stiff_the_vents(plant: Plant) -> None:
    state, ways = resting(plant), sound_ways(plant)
    tanks = len(plant.names)
    for closed_kpa in (-40.0, 40.0):
        gauge = solve_pressure(
            plant, state, ways, closed_kpa=np.full(tanks, closed_kpa), k=np.full(tanks, 1e6)
        )
        assert (gauge > -plant.vents.vacuum_kpa).all()
        assert (gauge < plant.vents.vent_kpa).all()


def test_flow_through_a_hole_grows_with_the_root_of_the_pressure() -> None:
    area, one, four = np.array([1e-3]), np.array([1.0]), np.array([4.0])
    at_one = orifice_mol_s_kpa(area, one) * 1.0
    at_four = orifice_mol_s_kpa(area, four) * 4.0
    np.testing.assert_allclose(at_four, 2.0 * at_one)
    # 0.61 x 10 cm2 x sqrt(2 x 1000 Pa / 1.2 kg/m3) = 0.0249 m3/s, at 42.3 mol/m3.
    np.testing.assert_allclose(at_one, 1.053, rtol=1e-3)


def test_saturation_pressure_is_the_given_one_at_20_degc_and_rises(plant: Plant) -> None:
    tanks = len(plant.names)
    at_20 = vapour_pressure_kpa(plant, np.full(tanks, 20.0))
    np.testing.assert_allclose(at_20, plant.contents.vapour_kpa)
    assert (vapour_pressure_kpa(plant, np.full(tanks, 30.0)) > 1.3 * at_20).all()


def test_without_sun_heat_and_traffic_a_tank_cools_towards_the_air(plant: Plant) -> None:
    unheated = replace(
        plant,
        contents=replace(plant.contents, coil_w_k=np.zeros(len(plant.names))),
    )
    state = resting(unheated)
    no = np.zeros(len(plant.names))
    for _ in range(2000):
        before = state.liquid_degc
        advance_heat(
            unheated,
            state,
            Sky(-5.0, 0.0, 1.0, BAROMETER_KPA),
            effects=effects_of(unheated, []),
            inflow_m3_s=no,
            feed_degc=no,
            dt_s=3600.0,
        )
        assert (state.liquid_degc <= before).all()
    assert (state.liquid_degc > -5.8).all()
    assert (np.abs(state.vapour_degc + 5.0) < 1.5).all()


def test_transfers_keep_levels_in_bounds_and_move_what_they_say(sound: Farm) -> None:
    plan = plan_transfers(
        np.random.default_rng(3), sound.plant, ambient_degc=np.full(30_000, 10.0), step_s=60
    )
    moved = np.cumsum(plan.flow_m3_s * 60.0, axis=1) / sound.plant.shell.volume_m3[:, None]
    level = plan.level[:, None] + moved
    assert level.min() >= LOWEST - 1e-9
    assert level.max() <= HIGHEST + 1e-9
    assert ((plan.flow_m3_s > 0).any(axis=1) & (plan.flow_m3_s < 0).any(axis=1)).all()


@pytest.mark.parametrize("step_s", [60, 600])
def test_weather_wanders_as_much_whatever_the_step(step_s: int) -> None:
    steps = 400 * 86_400 // step_s
    wander = ornstein_uhlenbeck(
        np.random.default_rng(1), steps, deviation=2.0, steps_to_forget=6 * 3600 / step_s
    )
    assert wander.std() == pytest.approx(2.0, rel=0.1)
    assert abs(wander.mean()) < 0.3


def test_a_lag_reaches_63_percent_of_a_step_after_its_time() -> None:
    step = np.concatenate((np.zeros(1), np.ones(200)))
    lagged = smooth(step, steps_to_forget=50.0)
    assert lagged[50] == pytest.approx(1.0 - np.exp(-1.0))


def test_the_sun_stands_where_an_almanac_has_it() -> None:
    solstice_noon = np.array([1_782_043_200], dtype=np.int64)  # 2026-06-21T12:00:00Z
    height = np.degrees(np.arcsin(solar_elevation_sine(solstice_noon, 53.0)))
    assert height[0] == pytest.approx(90.0 - 53.0 + 23.45, abs=0.2)
    midnight = solstice_noon + 43_200
    assert solar_elevation_sine(midnight, 53.0)[0] < 0.0


def test_no_sun_at_night_and_cloud_within_bounds() -> None:
    times_s = np.arange(0, 30 * 86_400, 600, dtype=np.int64)
    weather = make_weather(
        np.random.default_rng(0), CLIMATES["tropics"], times_s=times_s, step_s=600
    )
    hour = times_s % 86_400 // 3600
    assert (weather.irradiance_w_m2[(hour < 5) | (hour > 19)] == 0.0).all()
    assert 200.0 < weather.irradiance_w_m2.max() < 900.0
    assert 0.0 <= weather.cloud.min() <= weather.cloud.max() <= 1.0
