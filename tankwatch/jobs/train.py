"""Training: a clean history, a detector fitted in a child process, a stored decision to use it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.drift import decorrelation_steps, make_reference
from tankwatch.core.times import from_ms
from tankwatch.detectors.autoencoder import LSTMAutoencoder
from tankwatch.detectors.base import Detector
from tankwatch.detectors.catalogue import build_detector
from tankwatch.detectors.forecaster import ForecastingDetector
from tankwatch.detectors.networks import FLEET
from tankwatch.detectors.newcomer_fit import learn_newcomer
from tankwatch.detectors.threshold import AlarmBudget
from tankwatch.detectors.trend import learn_usual
from tankwatch.errors import ModelError
from tankwatch.jobs.contest import Decision, compare_with_champion, held_out_block
from tankwatch.jobs.context import LOG, Context
from tankwatch.jobs.exclusions import MOST_LISTED, name_left_out
from tankwatch.jobs.history import History, load_history
from tankwatch.models.child import Progress
from tankwatch.quality.norms import learn_norms
from tankwatch.shaping.windows import split_time, window_validity
from tankwatch.store.champions import find_champion, promote_over
from tankwatch.store.engine import reading, writing
from tankwatch.store.plant import Channel
from tankwatch.store.registry import (
    Artefact,
    TrainingFacts,
    load_artefact,
    set_reason,
    store_model,
)
from tankwatch.store.runs import write_audit

BY_HAND = "asked for"
# Parameters that decide what weights a network has and what they mean.
SHAPE = ("window", "units", "cell", "decoder", "head")


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
    because: str = BY_HAND,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainResult:
    """Train `detector` on readings before `until` (default: all), store it, promote it if better.

    The history is one block in memory, of `train.most_values` at most: 9 bytes for each tank, step
    and channel, twice while it is put together, and what the detector's `fit` makes of it.

    Raises:
        ModelError: there is no history to train on.
        TrainingError: the training failed or was stopped.
    """
    history = load_history(context, until=until)
    built = _build(context, detector, history, on_progress)
    fitted = _fit(built, history)
    score = fitted.unseen_score_
    decision = compare_with_champion(context, fitted, history, score)
    artefact = _artefact(fitted, history, score, because=because)
    if detector == context.settings.detect.detector:
        artefact.manifest["newcomer"] = _newcomer(context, history)
    facts = _facts(fitted, history, now=now)
    key, decision = _store(context, artefact, facts, decision)
    told = {"promoted": decision.promoted, "reason": decision.reason}
    LOG.info("trained", detector=detector, model_version=key, because=because, **told)
    return TrainResult(
        model_version_id=key,
        detector=detector,
        promoted=decision.promoted,
        reason=decision.reason,
        tanks=len(history.tanks),
        train_windows=facts.train_windows,
        excluded_windows=facts.excluded_windows,
        false_alarms_per_tank_month=fitted.calibration_rate_,
        until=from_ms(history.block.start_ms + history.block.steps * history.block.step_ms),
    )


def _build(
    context: Context,
    detector: str,
    history: History,
    on_progress: Callable[[Progress], None] | None,
) -> Detector:
    built = build_detector(detector, context.settings)
    if isinstance(built, LSTMAutoencoder | ForecastingDetector):
        built.on_progress = on_progress
        built.should_stop = context.stop.is_set
        built.timeout_s = context.settings.train.timeout_s
    if hasattr(built, "warm_start_") and context.settings.train.warm_start:
        built.warm_start_ = initial_weights(context, built, history.channels)
    return built


def _fit(built: Detector, history: History) -> Detector:
    """Return the fitted detector; tanks of one site are siblings."""
    sites = sorted({tank.site for tank in history.tanks})
    groups = [sites.index(tank.site) for tank in history.tanks]
    built.seams = history.timeline.seams
    return built.fit(history.block.values, history.block.mask, groups=groups)


def initial_weights(context: Context, built: Detector, channels: Sequence[Channel]) -> bytes | None:
    """Return the champion's network, None unless it has the channels and the shape of `built`.

    Where groups or tanks have networks of their own, training begins anew: who they belong to may
    have changed.
    """
    with reading(context.engine) as connection:
        champion = find_champion(connection, built.name)
        if champion is None:
            return None
        try:
            stored = load_artefact(connection, champion.model_version_id)
        except ModelError:
            return None
    wanted = json.loads(json.dumps(built.get_params()))
    if {wanted.get("per"), stored.manifest["parameters"].get("per")} != {FLEET}:
        return None
    shape = {name: wanted[name] for name in SHAPE if name in wanted}
    alike = shape.items() <= stored.manifest["parameters"].items()
    names = [channel.name for channel in channels]
    units = [channel.unit for channel in channels]
    known = (stored.manifest["channel_names"], stored.manifest["channel_units"])
    return stored.keras if alike and known == (names, units) else None


def _store(
    context: Context, artefact: Artefact, facts: TrainingFacts, decision: Decision
) -> tuple[int, Decision]:
    """Store a version and what was decided; nothing is promoted over a champion it never met."""
    at = facts.trained_at
    with writing(context.engine) as connection:
        key = store_model(connection, artefact, facts, reason=decision.reason)
        if not decision.promoted:
            return key, decision
        reason = decision.reason
        if not promote_over(connection, key, decision.champion, at=at, reason=reason):
            reason = "another version was promoted while this one was trained"
            set_reason(connection, key, reason)
            return key, replace(decision, promoted=False, reason=reason)
        subject = f"model version {key}"
        write_audit(
            connection, at=at, actor="tankwatch", action="promote", subject=subject, detail=reason
        )
    return key, decision


def _newcomer(context: Context, history: History) -> dict[str, Any] | None:
    """Return what the fleet tells of a tank that is too new for it; None if that is too little."""
    # A tank that is taken for new must not meet another season in the middle of its first days.
    settings, block = context.settings, history.newest
    detect = settings.detect
    budget = AlarmBudget(
        settings.train.false_alarms_per_tank_month,
        settings.grid.step_s,
        detect.on_delay_steps,
        detect.off_delay_steps + detect.merge_gap_steps,
    )
    norms = learn_newcomer(block.values, block.mask, budget, seed=settings.model.seed)
    return None if norms is None else norms.to_json()


def _artefact(
    fitted: Detector, history: History, score: NDArray[np.float32], *, because: str
) -> Artefact:
    block = history.block
    late = held_out_block(fitted, history)
    excluded = (*history.excluded, *name_left_out(block.tanks, history.timeline, fitted.left_out_))
    thin = max(decorrelation_steps(score), 1)
    manifest = fitted.to_manifest() | {
        "tank_names": list(block.tanks),
        "channel_names": list(block.channels),
        "channel_units": [channel.unit for channel in history.channels],
        "from": from_ms(history.timeline.first_ms).isoformat(),
        "until": from_ms(block.start_ms + block.steps * block.step_ms).isoformat(),
        "stretches": history.timeline.to_json(),
        "left_out_tanks": list(history.left_out),
        "sensor_norms": learn_norms(block).to_json(),
        "usual_range": learn_usual(block.values, block.mask).to_json(),
        "excluded": [asdict(one) for one in excluded[:MOST_LISTED]],
        "excluded_not_listed": max(len(excluded) - MOST_LISTED, 0),
        "trained_because": because,
        "calibrated_from": from_ms(late.start_ms).isoformat(),
        "calibration_scores": make_reference(score, thin_steps=thin).to_json(),
    }
    keras = getattr(fitted, "keras_", None)
    return Artefact(fitted.name, manifest, keras, getattr(fitted, "onnx_", None))


def _facts(fitted: Detector, history: History, *, now: datetime) -> TrainingFacts:
    window = fitted.least_steps
    early = split_time(history.block.steps, fitted.calibration_share, window=window)[0]
    timeline = history.timeline
    known = window_validity(history.block.mask[:, early], window, seams=timeline.seams)
    valid = int(known.sum())
    possible = len(history.tanks) * timeline.windows(window, until=early.stop)
    return TrainingFacts(
        trained_at=now,
        tanks=len(history.tanks),
        train_windows=min(valid, getattr(fitted, "max_windows", valid)),
        excluded_windows=possible - valid,
        validation_error=getattr(fitted, "held_out_error_", None),
        false_alarms_per_tank_month=fitted.calibration_rate_,
    )
