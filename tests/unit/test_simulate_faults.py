from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.errors import UsageError
from tankwatch.simulate import Farm, FarmSpec, Fault, FaultChannel, FaultKind, simulate_farm
from tankwatch.simulate.climate import CLIMATES
from tankwatch.simulate.faults import GAP_MS, TRAITS, Period, schedule_faults
from tankwatch.simulate.plant import draw_plant
from tankwatch.simulate.sensor_faults import SENSOR_KINDS
from tankwatch.simulate.sensors import RESOLUTION
from tankwatch.simulate.state import effects_of

DAY_MS = 86_400_000
SPEC = FarmSpec(tanks=16, days=6, quiet_days=2, seed=2, faults=len(FaultKind))


@pytest.fixture(scope="module")
def faulty() -> Farm:
    """Return a farm in which every kind happens once, each to a tank of its own."""
    return simulate_farm(SPEC)


@pytest.fixture(scope="module")
def sound() -> Farm:
    """Return the same farm as it would be if nothing had gone wrong."""
    return simulate_farm(replace(SPEC, faults=0))


def only(farm: Farm, kind: FaultKind) -> Fault:
    (fault,) = (fault for fault in farm.faults if fault.kind is kind)
    return fault


def during(farm: Farm, fault: Fault) -> NDArray[np.bool_]:
    return (farm.observed_ms >= fault.start_ms) & (farm.observed_ms < fault.end_ms)


def channel_of(fault: Fault) -> int:
    return 1 if fault.channel is FaultChannel.TEMPERATURE else 0


def reported(farm: Farm, fault: Fault) -> NDArray[np.float64]:
    seen: NDArray[np.float64] = farm.values[fault.tank, during(farm, fault), channel_of(fault)]
    return seen


def test_every_kind_happens_in_a_farm_of_enough_faults(faulty: Farm) -> None:
    assert sorted(fault.kind for fault in faulty.faults) == sorted(FaultKind)


def test_tanks_without_a_fault_are_taken_first(faulty: Farm) -> None:
    assert sorted(fault.tank for fault in faulty.faults) == list(range(16))


def test_two_tanks_are_enough_for_every_kind() -> None:
    for seed in range(20):
        able = draw_plant(np.random.default_rng(seed), 2, climate=CLIMATES["north"]).able
        assert all(able[TRAITS[kind].need].size for kind in FaultKind)


def test_faults_lie_in_the_run_after_the_quiet_days_and_apart() -> None:
    farm_able = draw_plant(np.random.default_rng(1), 5, climate=CLIMATES["north"]).able
    period = Period(10 * DAY_MS, 60 * DAY_MS, 60_000)
    faults = schedule_faults(
        np.random.default_rng(8),
        tuple(FaultKind),
        count=48,
        able=farm_able,
        period=period,
        severity=0.7,
    )
    assert len(faults) == 48
    assert [fault.start_ms for fault in faults] == sorted(fault.start_ms for fault in faults)
    assert all(period.start_ms <= f.start_ms < f.end_ms <= period.end_ms for f in faults)
    assert {fault.severity for fault in faults} == {0.7}
    counts = [sum(f.kind is kind for f in faults) for kind in FaultKind]
    assert counts == [3] * len(FaultKind)
    for tank in range(5):
        mine = [fault for fault in faults if fault.tank == tank]
        assert all(b.start_ms - a.end_ms >= GAP_MS for a, b in pairwise(mine))
    assert all(fault.tank in farm_able[TRAITS[fault.kind].need] for fault in faults)


def test_more_faults_than_fit_are_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match=r"do not fit.*more days or tanks"):
        simulate_farm(FarmSpec(tanks=1, days=3, quiet_days=2, faults=9))


def test_a_fault_that_no_tank_can_have_is_refused() -> None:
    spec = FarmSpec(tanks=1, days=2, quiet_days=1, faults=1, kinds=(FaultKind.REGULATOR_CREEP,))
    with pytest.raises(UsageError, match=r"no tank .* regulator_creep; add tanks"):
        simulate_farm(spec)


@pytest.mark.parametrize("kind", sorted(SENSOR_KINDS))
def test_a_sensor_fault_touches_only_its_readings(
    faulty: Farm, sound: Farm, kind: FaultKind
) -> None:
    fault = only(faulty, kind)
    tank = fault.tank
    np.testing.assert_array_equal(faulty.truth.gauge_kpa[tank], sound.truth.gauge_kpa[tank])
    elsewhere = ~during(faulty, fault)
    np.testing.assert_array_equal(faulty.values[tank, elsewhere], sound.values[tank, elsewhere])
    assert not np.array_equal(reported(faulty, fault), reported(sound, fault), equal_nan=True)


@pytest.mark.parametrize("kind", sorted(set(FaultKind) - SENSOR_KINDS))
def test_a_plant_fault_changes_the_truth_from_its_start_on(
    faulty: Farm, sound: Farm, kind: FaultKind
) -> None:
    fault = only(faulty, kind)
    before = faulty.observed_ms < fault.start_ms
    for name in ("gauge_kpa", "liquid_degc", "level"):
        truths = getattr(faulty.truth, name)[fault.tank], getattr(sound.truth, name)[fault.tank]
        np.testing.assert_array_equal(truths[0][before], truths[1][before])
    differs = reported(faulty, fault) != reported(sound, fault)
    assert differs.mean() > 0.2


def test_a_leaking_tank_cannot_hold_pressure(faulty: Farm, sound: Farm) -> None:
    fault = only(faulty, FaultKind.ROOF_LEAK)
    steps = during(faulty, fault)
    steps[np.flatnonzero(steps)[:30]] = False
    still = steps & (np.gradient(faulty.truth.level[fault.tank]) == 0.0)
    leaking = np.abs(faulty.truth.gauge_kpa[fault.tank, still])
    assert np.quantile(leaking, 0.9) < 0.1
    assert np.quantile(np.abs(sound.truth.gauge_kpa[fault.tank, still]), 0.9) > 0.3


def test_a_propped_vent_holds_less_than_a_shut_one(faulty: Farm, sound: Farm) -> None:
    fault = only(faulty, FaultKind.VENT_STUCK_OPEN)
    propped, shut = (np.abs(reported(farm, fault)) for farm in (faulty, sound))
    assert np.nanmean(propped) < 0.4 * np.nanmean(shut)


def test_stuck_pallets_let_the_pressure_pass_the_set_points(faulty: Farm) -> None:
    vents = faulty.plant.vents
    shut = only(faulty, FaultKind.VENT_STUCK_CLOSED)
    highest = faulty.truth.gauge_kpa[shut.tank, during(faulty, shut)].max()
    assert highest > vents.vent_kpa[shut.tank] + 0.5
    breaker = only(faulty, FaultKind.VACUUM_BREAKER_STUCK)
    lowest = faulty.truth.gauge_kpa[breaker.tank, during(faulty, breaker)].min()
    assert lowest < -vents.vacuum_kpa[breaker.tank] - 0.3


def test_a_creeping_regulator_lifts_the_pressure_above_recovery(faulty: Farm) -> None:
    fault = only(faulty, FaultKind.REGULATOR_CREEP)
    above = reported(faulty, fault) - faulty.plant.vents.recover_kpa[fault.tank]
    assert np.nanmedian(above) > 0.25


def test_a_hunting_control_swings_many_times_a_day(faulty: Farm, sound: Farm) -> None:
    fault = only(faulty, FaultKind.PRESSURE_HUNTING)
    gauge = faulty.truth.gauge_kpa[fault.tank, during(faulty, fault)]
    crossings = np.count_nonzero(np.diff(gauge > np.median(gauge)))
    hours = (fault.end_ms - fault.start_ms) / 3_600_000
    assert crossings / hours > 3.0
    calm = sound.truth.gauge_kpa[fault.tank, during(sound, fault)]
    assert np.abs(np.diff(gauge)).mean() > 5.0 * np.abs(np.diff(calm)).mean()


def test_heater_faults_leave_the_band_on_their_side(faulty: Farm, sound: Farm) -> None:
    band = faulty.plant.contents.band_k
    for kind, side in ((FaultKind.HEATER_STUCK_ON, 1.0), (FaultKind.HEATER_FAILED, -1.0)):
        fault = only(faulty, kind)
        off = reported(faulty, fault) - reported(sound, fault)
        assert side * np.nanmean(off[-60:]) > 2.0 * band[fault.tank]


def test_an_unrecorded_inflow_fills_one_percent_an_hour(faulty: Farm, sound: Farm) -> None:
    fault = only(faulty, FaultKind.UNRECORDED_INFLOW)
    steps = np.flatnonzero(during(faulty, fault))
    gained = faulty.truth.level[fault.tank] - sound.truth.level[fault.tank]
    assert gained[steps[-1]] == pytest.approx(steps.size / 60 * 0.01, rel=1e-6)
    assert np.nanmean(reported(faulty, fault) - reported(sound, fault)) > 0.0


def test_a_stuck_sensor_repeats_its_last_reading(faulty: Farm) -> None:
    fault = only(faulty, FaultKind.STUCK_SENSOR)
    seen = reported(faulty, fault)
    assert np.unique(seen[np.isfinite(seen)]).size == 1
    last = np.flatnonzero(during(faulty, fault))[0] - 1
    assert np.nanmax(seen) == faulty.values[fault.tank, last, channel_of(fault)]


def test_an_offline_tank_sends_nothing(faulty: Farm) -> None:
    fault = only(faulty, FaultKind.OFFLINE)
    assert np.isnan(faulty.values[fault.tank, during(faulty, fault)]).all()


def test_steps_and_drifts_have_their_size(faulty: Farm, sound: Farm) -> None:
    step = only(faulty, FaultKind.PRESSURE_STEP)
    moved = step.sign * (reported(faulty, step) - reported(sound, step))
    np.testing.assert_allclose(moved[np.isfinite(moved)], 0.6, atol=RESOLUTION[0] + 1e-9)
    for kind, full in ((FaultKind.PRESSURE_DRIFT, 0.9), (FaultKind.TEMPERATURE_DRIFT, 5.0)):
        drift = only(faulty, kind)
        moved = drift.sign * (reported(faulty, drift) - reported(sound, drift))
        resolution = RESOLUTION[channel_of(drift)]
        assert np.nanmax(moved) == pytest.approx(full, abs=resolution + 1e-9)
        assert np.nanmean(moved) == pytest.approx(full / 2, rel=0.05)


def test_a_noise_burst_is_seven_times_the_noise(faulty: Farm, sound: Farm) -> None:
    fault = only(faulty, FaultKind.NOISE_BURST)
    extra = np.nanstd(reported(faulty, fault) - reported(sound, fault))
    usual = (0.015, 0.06)[channel_of(fault)]
    assert 0.6 * 7.0 * usual < extra < 1.6 * 7.0 * usual


def test_spikes_are_few_and_far_out(faulty: Farm, sound: Farm) -> None:
    fault = only(faulty, FaultKind.SPIKES)
    off = np.abs(reported(faulty, fault) - reported(sound, fault))
    hit = off > 0.0
    assert 0.005 < hit.mean() < 0.05
    assert off[hit].min() > 0.5 * (1.2, 8.0)[channel_of(fault)]


@pytest.mark.parametrize("kind", sorted(set(FaultKind) - SENSOR_KINDS))
def test_severity_scales_what_is_done_to_the_plant(faulty: Farm, kind: FaultKind) -> None:
    fault = only(faulty, kind)
    calm = effects_of(faulty.plant, [])
    half, full = (
        effects_of(faulty.plant, [replace(fault, severity=severity)]) for severity in (0.5, 1.0)
    )
    changed = [
        name
        for name in calm.__dataclass_fields__
        if not np.array_equal(getattr(calm, name), getattr(full, name))
    ]
    assert len(changed) == 1
    low, high = (getattr(effects, changed[0])[fault.tank] for effects in (half, full))
    if kind is FaultKind.HEATER_FAILED:
        assert high == 0.0 < low < 0.5
    else:
        assert low > 0.0
        assert high == pytest.approx(2.0 * low)
