"""Training: a clean history, a detector fitted in a child process, a stored decision to use it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.times import from_ms
from tankwatch.detectors.autoencoder import LSTMAutoencoder
from tankwatch.detectors.base import Detector
from tankwatch.detectors.catalogue import build_detector
from tankwatch.jobs.context import LOG, Context
from tankwatch.jobs.history import History, load_history
from tankwatch.jobs.scoring import load_plan
from tankwatch.models.child import Progress
from tankwatch.shaping.windows import split_time, window_validity
from tankwatch.store.engine import reading, writing
from tankwatch.store.registry import (
    Artefact,
    TrainingFacts,
    find_champion,
    promote,
    store_model,
)

WORSE_BY = 1.1


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training led to."""

    model_version_id: int
    detector: str
    promoted: bool
    reason: str
    tanks: int
    train_windows: int
    excluded_windows: int
    false_alarms_per_tank_month: float
    until: datetime


def train(
    context: Context,
    detector: str,
    *,
    now: datetime,
    until: datetime | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainResult:
    """Train `detector` on readings before `until` (default: all), store it, promote it if better.

    Raises:
        ModelError: there is no history to train on.
        TrainingError: the training failed or was stopped.
    """
    history = load_history(context, until=until)
    built = build_detector(detector, context.settings)
    if isinstance(built, LSTMAutoencoder):
        built.on_progress = on_progress
        built.should_stop = context.stop.is_set
        built.timeout_s = context.settings.train.timeout_s
    fitted = built.fit(history.block.values, history.block.mask)
    promoted, reason = compare_with_champion(context, fitted, history)
    artefact = _artefact(fitted, history)
    facts = _facts(fitted, history, now=now)
    with writing(context.engine) as connection:
        key = store_model(connection, artefact, facts, reason=reason)
        if promoted:
            promote(connection, key, at=now, reason=reason)
    LOG.info("trained", detector=detector, model_version=key, promoted=promoted, reason=reason)
    return TrainResult(
        model_version_id=key,
        detector=detector,
        promoted=promoted,
        reason=reason,
        tanks=len(history.tanks),
        train_windows=facts.train_windows,
        excluded_windows=facts.excluded_windows,
        false_alarms_per_tank_month=fitted.calibration_rate_,
        until=from_ms(history.block.start_ms + history.block.steps * history.block.step_ms),
    )


def compare_with_champion(
    context: Context, candidate: Detector, history: History
) -> tuple[bool, str]:
    """Return whether `candidate` is used, and why: it must be no worse on held-out time."""
    with reading(context.engine) as connection:
        champion = find_champion(connection, candidate.name)
    if champion is None:
        return True, "first model of this detector"
    settings = context.settings.model_copy(
        update={
            "detect": context.settings.detect.model_copy(
                update={"detector": candidate.name, "shadow": ()}
            )
        }
    )
    scorer = load_plan(context.engine, settings).primary
    if scorer is None or set(scorer.channels) != set(history.block.channels):
        return True, "the model in use knows other channels"
    late = split_time(
        history.block.steps,
        context.settings.train.calibration_share,
        window=candidate.context_steps + 1,
    )[1]
    held_out = history.block.between(late.start, late.stop)
    new = _typical(candidate.judge(held_out.values, held_out.mask).score)
    old = _typical(scorer.judge(held_out).score)
    alarms = f"share of held-out steps above the threshold: {new:.4%}, model in use {old:.4%}"
    if new <= old * WORSE_BY + 1e-3:
        return True, f"no worse than the model in use ({alarms})"
    return False, f"worse than the model in use ({alarms})"


def _typical(score: NDArray[np.float32]) -> float:
    judged = score[np.isfinite(score)]
    return float((judged >= 1.0).mean()) if judged.size else 1.0


def _artefact(fitted: Detector, history: History) -> Artefact:
    block = history.block
    manifest = fitted.to_manifest() | {
        "tank_names": list(block.tanks),
        "channel_names": list(block.channels),
        "channel_units": [channel.unit for channel in history.channels],
        "from": from_ms(block.start_ms).isoformat(),
        "until": from_ms(block.start_ms + block.steps * block.step_ms).isoformat(),
        "left_out_tanks": list(history.left_out),
    }
    keras = getattr(fitted, "keras_", None)
    return Artefact(fitted.name, manifest, keras, getattr(fitted, "onnx_", None))


def _facts(fitted: Detector, history: History, *, now: datetime) -> TrainingFacts:
    window = fitted.context_steps + 1
    early = split_time(history.block.steps, fitted.calibration_share, window=window)[0]
    valid = int(window_validity(history.block.mask[:, early], window).sum())
    possible = len(history.tanks) * (early.stop - early.start - window + 1)
    return TrainingFacts(
        trained_at=now,
        tanks=len(history.tanks),
        train_windows=min(valid, getattr(fitted, "max_windows", valid)),
        excluded_windows=possible - valid,
        validation_error=getattr(fitted, "held_out_error_", None),
        false_alarms_per_tank_month=fitted.calibration_rate_,
    )
