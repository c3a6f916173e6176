"""Which network serves which tank, and networks kept together."""

import numpy as np
import pytest

from tankwatch.detectors.autoencoder import LSTMAutoencoder
from tankwatch.detectors.catalogue import restore_detector
from tankwatch.detectors.forecaster import LSTMForecaster
from tankwatch.detectors.networks import (
    ServedForecasters,
    forecasters,
    number_networks,
    pack,
    unpack,
)
from tankwatch.detectors.smoothing import Doubles
from tankwatch.errors import ModelError, ShapeError
from tankwatch.models.forecaster import build_forecaster
from tankwatch.models.forecaster_export import export_forecaster
from tankwatch.models.forecaster_spec import ForecasterSpec

TANKS, STEPS = 4, 700
GROUPS = [7, 2, 7, 2]


def quiet(seed: int = 0) -> Doubles:
    rng = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * np.arange(STEPS) / 90)[None, :, None]
    level = 20.0 + 5.0 * np.arange(TANKS)[:, None, None]
    return np.asarray(level + wave + rng.normal(0, 0.1, (TANKS, STEPS, 1)))


def test_networks_are_numbered_from_0_without_a_gap() -> None:
    groups = np.array(GROUPS)
    assert number_networks("fleet", groups).tolist() == [0, 0, 0, 0]
    assert number_networks("group", groups).tolist() == [1, 0, 1, 0]
    assert number_networks("tank", groups).tolist() == [0, 1, 2, 3]
    with pytest.raises(ModelError, match="no network per 'site': choose one of fleet, group, tank"):
        number_networks("site", groups)


def test_networks_are_kept_together_in_order_and_a_single_one_as_it_is() -> None:
    parts = [bytes([8, number]) for number in range(12)]
    assert unpack(pack(parts)) == parts
    assert pack(parts) == pack(parts)
    assert pack(parts[:1]) == parts[0]
    assert unpack(parts[0]) == parts[:1]


def test_each_row_runs_through_the_network_of_its_tank() -> None:
    spec = ForecasterSpec(units=(3,))
    graphs = [export_forecaster(build_forecaster(spec, 2, 1), spec) for _ in range(2)]
    loaded = forecasters(pack(graphs))
    rng = np.random.default_rng(0)
    series = rng.normal(size=(5, 4, 2)).astype(np.float32)
    state = rng.normal(size=(5, loaded[0].state_size)).astype(np.float32)
    numbers = np.array([1, 0, 0, 1, 1])
    found = ServedForecasters(loaded, numbers).run(series, state)
    for row, number in enumerate(numbers):
        alone = loaded[number].run(series[[row]], state[[row]])
        for together, by_itself in zip(found, alone, strict=True):
            np.testing.assert_allclose(together[row], by_itself[0], atol=1e-6)
    one, other = (loaded[number].run(series, state)[0] for number in (0, 1))
    assert not np.allclose(one, other)


def test_a_network_of_a_group_learns_from_the_tanks_of_the_group_only() -> None:
    values, changed = quiet(), quiet()
    changed[[0, 2]] += np.random.default_rng(1).normal(0, 2, (2, STEPS, 1))
    before, after = (
        LSTMAutoencoder(window=8, units=(3,), epochs=2, max_windows=200, per="group").fit(
            X, groups=GROUPS
        )
        for X in (values, changed)
    )
    assert before.onnx_ is not None
    assert after.onnx_ is not None
    first, second = (unpack(each) for each in (before.onnx_, after.onnx_))
    assert len(first) == 2
    assert first[0] == second[0]
    assert first[1] != second[1]


@pytest.fixture(scope="module", params=["autoencoder", "forecaster"])
def own(request: pytest.FixtureRequest) -> LSTMAutoencoder | LSTMForecaster:
    """Return a detector with a network for each tank."""
    made: LSTMAutoencoder | LSTMForecaster = LSTMForecaster(
        units=(3,), epochs=2, chunk=50, per="tank"
    )
    if request.param == "autoencoder":
        made = LSTMAutoencoder(window=8, units=(3,), epochs=2, max_windows=200, per="tank")
    return made.fit(quiet())


def test_a_tank_keeps_its_network_in_any_order_and_after_storing(
    own: LSTMAutoencoder | LSTMForecaster,
) -> None:
    assert own.onnx_ is not None
    assert len(unpack(own.onnx_)) == TANKS
    values = quiet(seed=3)
    whole = own.judge(values).score
    order = [3, 1]
    np.testing.assert_allclose(
        own.judge(values[order], rows=order).score, whole[order], rtol=1e-4, atol=1e-5
    )
    restored = restore_detector(own.name, own.to_manifest(), own.onnx_)
    np.testing.assert_array_equal(restored.judge(values).score, whole)
    swapped = restore_detector(own.name, own.to_manifest(), pack(unpack(own.onnx_)[::-1]))
    assert not np.allclose(swapped.judge(values).score, whole, equal_nan=True)


def test_one_group_for_each_tank_is_asked_for() -> None:
    with pytest.raises(ShapeError, match="4 tanks need as many groups"):
        LSTMAutoencoder(window=8).fit(quiet(), groups=[0, 1])
