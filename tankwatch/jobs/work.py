"""What each job of the daemon does when its time comes, and what its run tells of it."""

from datetime import datetime

from tankwatch.core.times import to_ms
from tankwatch.errors import ModelError
from tankwatch.jobs.bulletins import send_bulletins
from tankwatch.jobs.context import LOG, Context, RunFacts, recorded
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.drift import look_for_drift, why_train
from tankwatch.jobs.housekeeping import housekeeping
from tankwatch.jobs.push import push
from tankwatch.jobs.rollup import roll_up
from tankwatch.jobs.train import train
from tankwatch.jobs.watch import watch
from tankwatch.store.champions import find_champion
from tankwatch.store.engine import reading
from tankwatch.store.watermarks import BEFORE_ALL_MS, load_watermarks


def run_watch(context: Context, now: datetime, facts: RunFacts) -> None:
    """Look into the drop folder."""
    result = watch(context, now=now)
    facts.rows = result.accepted.stored + result.accepted.updated
    facts.detail = f"{result.files} files, {result.refused} refused"


def run_detect(context: Context, now: datetime, facts: RunFacts) -> None:
    """Make a pass."""
    result = detect(context, now=now)
    facts.rows = result.steps
    facts.detail = f"{result.raised} raised, {result.returned} returned, {result.rescored} rescored"
    if result.settled.withdrawn or result.settled.historical:
        facts.detail += (
            f", {result.settled.historical} historical, {result.settled.withdrawn} withdrawn"
        )
    with reading(context.engine) as connection:
        scored = [mark.scored_ms for mark in load_watermarks(connection)]
    if scored and min(scored) != BEFORE_ALL_MS:
        facts.lag_s = (to_ms(now) - max(scored)) / 1000


def run_deliver(context: Context, now: datetime, facts: RunFacts) -> None:
    """Send what is queued."""
    result = deliver(context, now=now)
    facts.rows = result.sent
    facts.detail = f"{result.held} held, {result.retried} to retry, {result.failed} failed"
    if context.settings.push:
        told = push(context, now=now)
        facts.rows += told.sent
        facts.detail += (
            f"; channels: {told.sent} told, {told.held} held, {told.retried} to retry, "
            f"{told.failed} failed"
        )


def run_bulletins(context: Context, now: datetime, facts: RunFacts) -> None:
    """Send digests and reports that are due."""
    facts.rows = send_bulletins(context, now=now)


def run_train(context: Context, now: datetime, facts: RunFacts) -> None:
    """Train each detector whose training is due."""
    for detector in (context.settings.detect.detector, *context.settings.detect.shadow):
        because = why_train(context, detector, now=now)
        if not because:
            facts.detail += f"{detector}: not due. "
            continue
        result = train(context, detector, now=now, because=because)
        facts.rows += result.train_windows
        facts.detail += (
            f"{detector}: {because}; version {result.model_version_id}, {result.reason}. "
        )


def run_drift(context: Context, now: datetime, facts: RunFacts) -> None:
    """Look whether scores have shifted."""
    results = look_for_drift(context, now=now)
    facts.rows = sum(result.tanks for result in results)
    facts.detail = ". ".join(
        f"{one.detector}: {one.note or f'PSI {one.psi:.2f} on {one.tanks} tanks'}"
        for one in results
    )


def run_first_model(context: Context, now: datetime, _facts: RunFacts) -> None:
    """Train as soon as there is history enough, so that a new plant need not wait for the night."""
    with reading(context.engine) as connection:
        if find_champion(connection, context.settings.detect.detector) is not None:
            return
        marks = load_watermarks(connection)
    steps = context.settings.train.min_steps * context.step_ms
    if not any(mark.last_reading_ms - mark.first_reading_ms >= steps for mark in marks):
        return
    try:
        with recorded(context, "train") as facts:
            run_train(context, now, facts)
    except ModelError as error:
        LOG.warning("no model yet", error=str(error))


def run_rollup(context: Context, _now: datetime, facts: RunFacts) -> None:
    """Bring the hours and days of readings up to date."""
    facts.rows = roll_up(context).hours


def run_housekeeping(context: Context, now: datetime, facts: RunFacts) -> None:
    """Clean up."""
    result = housekeeping(context, now=now)
    facts.rows = result.readings + result.scores + result.quarantined + result.job_runs
    facts.detail = f"{result.scores} scores, {result.quarantined} refused rows deleted"
    if result.readings or result.files:
        facts.detail += f"; {result.readings} readings into {result.files} files"
    if result.months_made or result.months_dropped:
        facts.detail += f"; months made {result.months_made}, dropped {result.months_dropped}"
