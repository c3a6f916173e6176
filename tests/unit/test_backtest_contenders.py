"""What a backtest judges beside the chosen detector, whatever the catalogue holds."""

import pytest

from tankwatch.detectors.catalogue import DETECTORS
from tankwatch.errors import UsageError
from tankwatch.jobs.contenders import cheap_baselines, rivals


def test_every_detector_without_a_network_is_a_baseline() -> None:
    assert {"robust_z", "pca"} <= set(cheap_baselines())
    assert "autoencoder" not in cheap_baselines()


def test_baselines_stand_beside_any_detector_but_not_beside_themselves() -> None:
    assert rivals("autoencoder") == cheap_baselines()
    assert set(rivals("pca")) == set(cheap_baselines()) - {"pca"}


def test_further_detectors_come_once_and_first() -> None:
    assert rivals("pca", ["autoencoder", "robust_z"])[:2] == ("autoencoder", "robust_z")
    assert sorted(rivals("pca", ["all"])) == sorted(set(DETECTORS) - {"pca"})


def test_a_detector_that_does_not_exist_is_refused_with_those_that_do() -> None:
    for detector, beside in (("oracle", []), ("pca", ["oracle"])):
        with pytest.raises(UsageError, match="'oracle': choose one of fused"):
            rivals(detector, beside)
