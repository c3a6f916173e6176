"""A version in shadow beside the champion: what both said of the time that both scored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.figures import Fault, Figures, count_alarms, count_found, figures, no_worse
from tankwatch.core.stretches import Stretch, Why
from tankwatch.core.times import from_ms, to_ms
from tankwatch.errors import ModelError, UsageError
from tankwatch.jobs.contest import alarm_rule, told
from tankwatch.jobs.context import Context
from tankwatch.store.champions import find_champion
from tankwatch.store.engine import reading
from tankwatch.store.plant import load_tanks
from tankwatch.store.registry import ModelVersion, load_versions
from tankwatch.store.scores import load_version_scores
from tankwatch.store.stretches import load_stretches
from tankwatch.store.watermarks import load_watermarks

_TANKS_AT_ONCE = 100
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A version in shadow beside the champion.

    Attributes:
        version: the version in shadow.
        champion: the one in use.
        detector: their detector.
        start: beginning of the shadow.
        end: its end, or the end of what is scored.
        new: figures of the version in shadow, on the steps that both scored.
        old: figures of the champion.
        shared_alarms: alarms of the version that the champion raised, too.
        agreement: share of steps that both flag or both do not, 0 to 1.
        no_worse: whether the version may replace the champion.
    """

    version: int
    champion: int
    detector: str
    start: datetime
    end: datetime
    new: Figures
    old: Figures
    shared_alarms: int
    agreement: float
    no_worse: bool

    def sentence(self) -> str:
        """Return the comparison as a sentence that is stored and shown."""
        shown = told(self.new, self.old, promoted=self.no_worse, time="time in shadow")
        return f"{shown}; agrees on {self.agreement:.2%} of steps"


@dataclass(frozen=True, slots=True)
class _Part:
    new: Figures
    old: Figures
    shared: int
    agreeing: int
    steps: int


def find_version(context: Context, version: int) -> ModelVersion:
    """Return a version.

    Raises:
        ModelError: there is none of this number.
    """
    with reading(context.engine) as connection:
        found = [v for v in load_versions(connection) if v.model_version_id == version]
    if not found:
        message = f"there is no model version {version}: see `tankwatch models list`"
        raise ModelError(message)
    return found[0]


def compare_shadow(context: Context, version: int) -> Comparison:
    """Return what a version that is or was in shadow and the champion said of the same time.

    Raises:
        ModelError: there is no such version, or no champion to compare it with.
        UsageError: it was never in shadow, or no step was scored by both.
    """
    challenger = find_version(context, version)
    if challenger.shadow_from is None:
        message = f"version {version} was never in shadow: `tankwatch models shadow {version}`"
        raise UsageError(message)
    with reading(context.engine) as connection:
        champion = find_champion(connection, challenger.detector)
        tanks = [tank.tank_id for tank in load_tanks(connection)]
        scored = [mark.scored_ms for mark in load_watermarks(connection)]
        first_ms = to_ms(challenger.shadow_from)
        until = challenger.shadow_until
        until_ms = max([first_ms, *scored]) if until is None else to_ms(until)
        span = (from_ms(first_ms), from_ms(until_ms))
        known = load_stretches(connection, recurring=span)
    if champion is None or champion.model_version_id == version:
        message = f"version {version} has no other champion beside it: see `tankwatch models list`"
        raise ModelError(message)
    pair = (version, champion.model_version_id)
    parts = [
        _compare(context, pair, tanks[at : at + _TANKS_AT_ONCE], known, slice(first_ms, until_ms))
        for at in range(0, len(tanks), _TANKS_AT_ONCE)
    ]
    steps = sum(part.steps for part in parts)
    if not steps:
        message = f"no step was scored by version {version} and the champion: wait for new readings"
        raise UsageError(message)
    nothing = Figures(0, 0.0)
    new = sum((part.new for part in parts), nothing)
    old = sum((part.old for part in parts), nothing)
    return Comparison(
        version=version,
        champion=champion.model_version_id,
        detector=challenger.detector,
        start=from_ms(first_ms),
        end=from_ms(until_ms),
        new=new,
        old=old,
        shared_alarms=sum(part.shared for part in parts),
        agreement=sum(part.agreeing for part in parts) / steps,
        no_worse=no_worse(new, old, budget=context.settings.train.false_alarms_per_tank_month),
    )


def _compare(
    context: Context,
    pair: tuple[int, int],
    tanks: Sequence[int],
    known: Sequence[Stretch],
    span: slice,
) -> _Part:
    rule = alarm_rule(context.settings)
    steps = (span.stop - span.start) // context.step_ms
    new, old = (_dense(context, version, tanks, span, steps) for version in pair)
    both = np.isfinite(new) & np.isfinite(old)
    new, old = np.where(both, new, np.nan), np.where(both, old, np.nan)
    normal = both.copy()
    faults = []
    for one in known:
        where = _place(one, tanks, span, context.step_ms, steps)
        if where is None or one.why is Why.NOT_A_FAULT:
            continue
        normal[where.row, where.first : where.last + 1] = False
        if one.why is Why.REAL_FAULT:
            faults.append(where)
    flagged = [each >= 1.0 for each in (new, old)]
    results = [
        replace(
            figures(np.where(normal, each, np.nan), rule),
            found=count_found(each, faults, rule.on_delay),
            real=len(faults),
        )
        for each in (new, old)
    ]
    return _Part(
        results[0],
        results[1],
        shared=sum(
            bool(flagged[1][row, first : last + 1].any())
            for row, first, last in count_alarms(new, rule)
        ),
        agreeing=int((flagged[0] == flagged[1])[both].sum()),
        steps=int(both.sum()),
    )


def _dense(context: Context, version: int, tanks: Sequence[int], span: slice, steps: int) -> Scores:
    """Return the scores of a version, float64 (tanks, steps), NaN where there is none."""
    with reading(context.engine) as connection:
        rows = load_version_scores(
            connection, version, tanks, from_ms=span.start, until_ms=span.stop
        )
    row_of = {tank: row for row, tank in enumerate(tanks)}
    place = np.array([row_of[tank] for tank in rows.tank_id.tolist()], dtype=np.int64)
    score = np.full((len(tanks), steps), np.nan)
    score[place, (rows.observed_ms - span.start) // context.step_ms] = rows.score
    return score


def _place(
    one: Stretch, tanks: Sequence[int], span: slice, step_ms: int, steps: int
) -> Fault | None:
    """Return where a stretch lies in `span`, None where it does not."""
    first = (to_ms(one.start) - span.start) // step_ms
    last = steps - 1 if one.end is None else (to_ms(one.end) - span.start) // step_ms
    if one.tank_id not in tanks or first >= steps or last < 0:
        return None
    return Fault(list(tanks).index(one.tank_id), max(first, 0), min(last, steps - 1))
