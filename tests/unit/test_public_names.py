import numpy as np
import pytest

import tankwatch


def test_every_public_name_is_there_and_no_other() -> None:
    for name in tankwatch.__all__:
        assert getattr(tankwatch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Forecaster'"):
        _ = tankwatch.Forecaster


def test_a_detector_works_by_its_public_name() -> None:
    quiet = np.random.default_rng(0).normal(0, 1, (2, 400, 2))
    scores = tankwatch.PCABaseline(budget=0.5).fit(quiet).score_samples(quiet)
    assert scores.shape == (2, 400)
