import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from tankwatch.shaping.scaling import IQR_OF_NORMAL, apply_scaling, fit_scaling, undo_scaling

ALL = np.True_


def column(*values: float) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64).reshape(1, -1, 1)


def test_location_is_the_median_and_scale_the_quartile_range_over_1_349() -> None:
    values = column(1, 2, 3, 4, 5)
    scaling = fit_scaling(values, np.full(values.shape, ALL))
    assert_array_equal(scaling.location, [[3.0]])
    assert_allclose(scaling.scale, [[2.0 / IQR_OF_NORMAL]])


def test_scale_of_normal_noise_is_its_standard_deviation() -> None:
    values = np.random.default_rng(0).normal(100.0, 4.0, (1, 200_000, 1))
    scaling = fit_scaling(values, np.full(values.shape, ALL))
    assert_allclose(scaling.scale, 4.0, rtol=0.02)


def test_a_few_wild_values_hardly_move_the_scaling() -> None:
    values = np.random.default_rng(0).normal(size=(1, 1000, 1))
    wild = values.copy()
    wild[0, ::50] = 1e9
    calm, shaken = (fit_scaling(each, np.full(values.shape, ALL)) for each in (values, wild))
    assert_allclose(shaken.location, calm.location, atol=0.05)
    assert_allclose(shaken.scale, calm.scale, rtol=0.05)


def test_unknown_values_are_left_out() -> None:
    values = column(1, 2, 3, 4, 5, 1e6)
    mask = values < 1e6
    assert_array_equal(fit_scaling(values, mask).location, [[3.0]])


def test_a_steady_tank_gets_the_floor_of_the_fleet() -> None:
    moving = np.linspace(0.0, 4.0, 5)
    values = np.stack([moving, moving, np.full(5, 7.0)])[:, :, None]
    scaling = fit_scaling(values, np.full(values.shape, ALL), floor_share=0.1)
    fleet = 2.0 / IQR_OF_NORMAL
    assert_allclose(scaling.scale[:, 0], [fleet, fleet, 0.1 * fleet])


def test_a_channel_flat_in_the_whole_fleet_is_scaled_by_its_unit() -> None:
    values = np.full((2, 4, 1), 7.0)
    scaling = fit_scaling(values, np.full(values.shape, ALL))
    assert_array_equal(scaling.scale, [[1.0], [1.0]])
    assert_array_equal(apply_scaling(values, scaling), np.zeros((2, 4, 1), np.float32))


def test_channels_do_not_share_their_floor() -> None:
    values = np.stack([np.linspace(0, 4, 5), np.linspace(0, 4000, 5)], axis=-1)[None]
    scaling = fit_scaling(values, np.full(values.shape, ALL))
    assert_allclose(scaling.scale[0, 1] / scaling.scale[0, 0], 1000.0)


def test_a_tank_without_data_has_no_location_and_its_scaled_values_are_nan() -> None:
    values = np.stack([np.linspace(0, 4, 5), np.full(5, np.nan)])[:, :, None]
    scaling = fit_scaling(values, ~np.isnan(values))
    assert np.isnan(scaling.location[1, 0])
    assert np.isnan(apply_scaling(np.ones((2, 5, 1)), scaling)[1]).all()
    assert np.isfinite(apply_scaling(np.ones((2, 5, 1)), scaling)[0]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaled_values_are_float32_and_restored_ones_float64(dtype: type[np.floating]) -> None:
    values = column(1, 2, 3, 4, 5).astype(dtype)
    scaling = fit_scaling(values, np.full(values.shape, ALL))
    scaled = apply_scaling(values, scaling)
    assert scaled.dtype == np.float32
    assert undo_scaling(scaled, scaling).dtype == np.float64


@settings(deadline=None)
@given(hnp.arrays(np.float64, (3, 20, 2), elements=st.floats(-1e4, 1e4)))
def test_undoing_gives_the_values_back(values: NDArray[np.float64]) -> None:
    scaling = fit_scaling(values, np.full(values.shape, ALL))
    assert (scaling.scale > 0).all()
    scaled = apply_scaling(values, scaling)
    back = undo_scaling(scaled, scaling)
    # float32 keeps 24 bits of the distance to the median
    slack = np.abs(values - scaling.location[:, None, :]) * 2.0**-22 + 1e-9
    assert (np.abs(back - values) <= slack).all()


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, (2, 12, 1), elements=st.integers(-1000, 1000).map(float)),
    st.integers(-500, 500),
    st.sampled_from([0.5, 2.0, 8.0]),
)
def test_another_zero_and_unit_of_the_sensor_change_no_scaled_value(
    values: NDArray[np.float64], zero: int, unit: float
) -> None:
    known = np.full(values.shape, ALL)
    moved = values * unit + zero
    original, other = fit_scaling(values, known), fit_scaling(moved, known)
    assume(not (original.scale == 1.0).all())  # flat everywhere: the unit itself is the scale
    assert_allclose(
        apply_scaling(moved, other), apply_scaling(values, original), rtol=1e-5, atol=1e-5
    )
