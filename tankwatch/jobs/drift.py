"""Drift: whether the scores of lately are still those that the thresholds were set on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.drift import ScoreReference, Shift, measure_shift
from tankwatch.core.feedback import remove_factors
from tankwatch.core.stretches import Stretch, Why
from tankwatch.core.times import from_ms, parse_time, to_ms
from tankwatch.jobs.context import LOG, Context
from tankwatch.jobs.judging import factors_of
from tankwatch.scoring.plan import Plan, load_plan
from tankwatch.store.champions import find_champion
from tankwatch.store.engine import reading, writing
from tankwatch.store.registry import load_artefact, load_versions, store_drift
from tankwatch.store.scores import load_version_scores
from tankwatch.store.stretches import load_stretches
from tankwatch.store.watermarks import load_watermarks

_TANKS_AT_ONCE = 200
_CLOCK_PLAY = timedelta(hours=1)
SCHEDULED = "scheduled"
FIRST = "first model of this detector"


@dataclass(frozen=True, slots=True)
class DriftResult:
    """What a look for drift found of one version.

    Attributes:
        detector: name of the detector.
        model_version_id: its champion.
        psi: population stability index over the fleet.
        ks: Kolmogorov-Smirnov distance over the fleet.
        tanks: tanks with scores enough.
        shifted: names of those that shifted, the most shifted first.
        note: why to train, empty for no.
    """

    detector: str
    model_version_id: int
    psi: float
    ks: float
    tanks: int
    shifted: tuple[str, ...]
    note: str


def look_for_drift(context: Context, *, now: datetime) -> list[DriftResult]:
    """Compare each champion's recent scores with those of its calibration, and store the result."""
    detect = context.settings.detect
    results = []
    for detector in (detect.detector, *detect.shadow):
        result = _look(context, detector, now=now)
        if result is None:
            continue
        with writing(context.engine) as connection:
            key = result.model_version_id
            store_drift(connection, key, result.psi, at=now, note=result.note)
        LOG.info("drift", detector=detector, psi=result.psi, ks=result.ks, note=result.note)
        results.append(result)
    return results


def why_train(context: Context, detector: str, *, now: datetime) -> str:
    """Return why a detector is to be trained now, empty if it is not."""
    with reading(context.engine) as connection:
        champion = find_champion(connection, detector)
        versions = load_versions(connection, detector)
    if champion is None:
        return FIRST
    used = next(v for v in versions if v.model_version_id == champion.model_version_id)
    newest = versions[0].trained_at
    if used.drift_note and used.drift_at and used.drift_at >= newest:
        return used.drift_note
    # A nightly run comes a little earlier or later than a day after the one before.
    every = timedelta(days=context.settings.train.every_days)
    return SCHEDULED if now - newest >= every - min(_CLOCK_PLAY, every / 2) else ""


def _look(context: Context, detector: str, *, now: datetime) -> DriftResult | None:
    with reading(context.engine) as connection:
        champion = find_champion(connection, detector)
        if champion is None:
            return None
        manifest = load_artefact(connection, champion.model_version_id).manifest
        marks = load_watermarks(connection)
    if "calibration_scores" not in manifest or not marks:
        return None
    until_ms = max(mark.scored_ms for mark in marks)
    days_ms = timedelta(days=context.settings.train.drift_days) // timedelta(milliseconds=1)
    first_ms = max(until_ms - days_ms, to_ms(parse_time(manifest["until"])))
    steps = (until_ms - first_ms) // context.step_ms
    if steps <= 0:
        return None
    with reading(context.engine) as connection:
        recurring = (from_ms(first_ms), from_ms(until_ms))
        known = load_stretches(connection, recurring=recurring)
    names = manifest["tank_names"]
    plan = load_plan(context.engine, context.settings, now=now)
    span = slice(first_ms, until_ms)
    score = _recent(context, champion.model_version_id, plan, names, known, span=span)
    level = context.settings.train.drift_psi
    reference = ScoreReference.from_json(manifest["calibration_scores"])
    shift = measure_shift(reference, score, level=level)
    order = np.argsort(-np.nan_to_num(shift.tank_psi, nan=-1.0))
    return DriftResult(
        detector=detector,
        model_version_id=champion.model_version_id,
        psi=shift.psi,
        ks=shift.ks,
        tanks=shift.judged,
        shifted=tuple(names[row] for row in order.tolist() if shift.shifted[row]),
        note=_note(shift, level=level, tank_share=context.settings.train.drift_tank_share),
    )


def _note(shift: Shift, *, level: float, tank_share: float) -> str:
    """Return why to train, empty where neither the fleet nor enough of its tanks shifted."""
    shifted = int(shift.shifted.sum())
    many = shift.judged > 0 and shifted >= max(tank_share * shift.judged, 1)
    if not (shift.is_fleet or many):
        return ""
    return (
        f"the residuals have shifted: PSI {shift.psi:.2f} over the fleet "
        f"(Kolmogorov-Smirnov {shift.ks:.2f}), above {level:g} on {shifted} of "
        f"{shift.judged} tanks"
    )


def _recent(
    context: Context,
    version: int,
    plan: Plan,
    names: Sequence[str],
    known: Sequence[Stretch],
    *,
    span: slice,
) -> NDArray[np.float32]:
    """Return recent scores, float32 (tanks, steps), without faults and operators' corrections."""
    ids = {tank.name: key for key, tank in plan.tanks.items()}
    row_of = {ids[name]: row for row, name in enumerate(names) if name in ids}
    steps = (span.stop - span.start) // context.step_ms
    score = np.full((len(names), steps), np.nan, dtype=np.float32)
    tank_ids = list(row_of)
    for first in range(0, len(tank_ids), _TANKS_AT_ONCE):
        part = tank_ids[first : first + _TANKS_AT_ONCE]
        with reading(context.engine) as connection:
            rows = load_version_scores(
                connection, version, part, from_ms=span.start, until_ms=span.stop
            )
        place = np.array([row_of[tank] for tank in rows.tank_id.tolist()], dtype=np.int64)
        score[place, (rows.observed_ms - span.start) // context.step_ms] = rows.score
    for one in known:
        if one.tank_id in row_of and one.why is not Why.NOT_A_FAULT:
            score[row_of[one.tank_id], _steps(one, span, context.step_ms)] = np.nan
    return remove_factors(score, factors_of(plan, [ids.get(name, -1) for name in names]))


def _steps(one: Stretch, span: slice, step_ms: int) -> slice:
    first = max((to_ms(one.start) - span.start) // step_ms, 0)
    last = None if one.end is None else max((to_ms(one.end) - span.start) // step_ms + 1, 0)
    return slice(first, last)
