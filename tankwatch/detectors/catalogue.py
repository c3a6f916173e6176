"""Detectors by name: built from settings, or restored from what was stored."""

from typing import Any

from tankwatch.detectors.autoencoder import LSTMAutoencoder
from tankwatch.detectors.base import Detector
from tankwatch.detectors.baselines import IsolationForestBaseline, PCABaseline, RobustZBaseline
from tankwatch.detectors.forecaster import ForecastingDetector, LSTMForecaster
from tankwatch.detectors.fused import FusedDetector
from tankwatch.errors import ModelError
from tankwatch.settings import Settings

DETECTORS: dict[str, type[Detector]] = {
    detector.name: detector
    for detector in (
        FusedDetector,
        LSTMForecaster,
        LSTMAutoencoder,
        RobustZBaseline,
        PCABaseline,
        IsolationForestBaseline,
    )
}


def build_detector(name: str, settings: Settings) -> Detector:
    """Return an unfitted detector with the parameters of the settings.

    Raises:
        ModelError: there is no detector of this name.
    """
    model, detect = settings.model, settings.detect
    common: dict[str, Any] = {
        "budget": settings.train.false_alarms_per_tank_month,
        "calibration_share": settings.train.calibration_share,
        "step_s": settings.grid.step_s,
        "on_delay": detect.on_delay_steps,
        "merge_gap": detect.off_delay_steps + detect.merge_gap_steps,
    }
    if name == LSTMAutoencoder.name:
        return LSTMAutoencoder(
            window=model.window,
            units=model.units,
            cell=model.cell,
            decoder=model.decoder,
            head=model.head,
            per=model.per,
            trim=model.trim,
            epochs=model.epochs,
            batch=model.batch,
            learning_rate=model.learning_rate,
            patience=model.patience,
            max_windows=model.max_windows,
            random_state=model.seed,
            **common,
        )
    kind = _class(name)
    if issubclass(kind, ForecastingDetector):
        return kind(
            units=model.forecaster_units,
            cell=model.cell,
            per=model.per,
            epochs=model.forecaster_epochs,
            max_steps=model.forecaster_steps,
            random_state=model.seed,
            **common,
        )
    return kind(**common)


def restore_detector(name: str, manifest: dict[str, Any], graph: bytes | None) -> Detector:
    """Return the detector that gave `manifest`, ready to score.

    Raises:
        ModelError: there is no detector of this name, its network is missing, or what was learned
            is of another version.
    """
    kind = _class(name)
    try:
        detector = kind(**manifest["parameters"])
        detector.restore(manifest)
    except KeyError as missing:
        message = f"the stored {name} is of another version of tankwatch, it has no {missing}"
        raise ModelError(f"{message}: train again with `tankwatch train`") from missing
    if isinstance(detector, LSTMAutoencoder | ForecastingDetector):
        if graph is None:
            message = f"the stored {name} has no network: train again with `tankwatch train`"
            raise ModelError(message)
        detector.onnx_ = graph
    return detector


def _class(name: str) -> type[Detector]:
    if name not in DETECTORS:
        message = f"there is no detector {name!r}: choose one of {', '.join(DETECTORS)}"
        raise ModelError(message)
    return DETECTORS[name]
