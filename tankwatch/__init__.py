"""tankwatch watches the pressure and temperature of oil-tank farms.

The detectors are scikit-learn style estimators over blocks ``(tanks, steps, channels)``::

    from tankwatch import FusedDetector
    detector = FusedDetector(budget=0.5, random_state=0).fit(X_train)
    scores = detector.score_samples(X_new)      # (tanks, steps), 1.0 is the threshold
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tankwatch.detectors.autoencoder import LSTMAutoencoder
    from tankwatch.detectors.baselines import (
        IsolationForestBaseline,
        PCABaseline,
        RobustZBaseline,
    )
    from tankwatch.detectors.forecaster import LSTMForecaster
    from tankwatch.detectors.fused import FusedDetector

__version__ = "0.1.0"
__all__ = [
    "FusedDetector",
    "IsolationForestBaseline",
    "LSTMAutoencoder",
    "LSTMForecaster",
    "PCABaseline",
    "RobustZBaseline",
    "__version__",
]

# Loaded when asked for: a command that needs no detector should not wait for scikit-learn.
_HOMES = {
    "FusedDetector": "tankwatch.detectors.fused",
    "IsolationForestBaseline": "tankwatch.detectors.baselines",
    "LSTMAutoencoder": "tankwatch.detectors.autoencoder",
    "LSTMForecaster": "tankwatch.detectors.forecaster",
    "PCABaseline": "tankwatch.detectors.baselines",
    "RobustZBaseline": "tankwatch.detectors.baselines",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module 'tankwatch' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(_HOMES[name]), name)
