"""The daemon: every job on its schedule, one run of each at a time, until it is told to stop."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import FrameType
from zoneinfo import ZoneInfo

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from tankwatch import clock
from tankwatch.core.times import to_ms
from tankwatch.errors import ModelError, TankwatchError
from tankwatch.jobs.context import LOG, Context, RunFacts, recorded
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.drift import look_for_drift, why_train
from tankwatch.jobs.housekeeping import housekeeping
from tankwatch.jobs.listen import Live, join, make_all, report, start
from tankwatch.jobs.rollup import roll_up
from tankwatch.jobs.train import train
from tankwatch.jobs.watch import watch
from tankwatch.store.champions import find_champion
from tankwatch.store.engine import reading, writing
from tankwatch.store.runs import interrupt_unfinished
from tankwatch.store.watermarks import BEFORE_ALL_MS, load_watermarks

STOP_S = 9.0
FIRST_MODEL_EVERY_S = 900
JOBS = ("watch", "detect", "deliver", "drift", "train", "rollup", "housekeeping")


@dataclass(frozen=True, slots=True)
class Job:
    """A job and when it runs."""

    name: str
    work: Callable[[Context, datetime, RunFacts], None]
    trigger: IntervalTrigger | CronTrigger
    at_start: bool = True


def run_daemon(context: Context) -> bool:
    """Run every job on its schedule until SIGTERM or SIGINT, then end within ten seconds.

    Returns whether every job came to a safe point in that time; one that did not is cut off, and
    its work is taken up from the watermarks.

    Jobs live in code and in memory: what must survive a stop is a watermark or a row, so a missed
    run is caught up by the next one.
    """
    live = make_all(context)
    every_s = context.settings.schedule.watch_s
    work = [*jobs(context), *(_listening(one, every_s=every_s) for one in live)]
    names = (*JOBS, *(one.name for one in live))
    with writing(context.engine) as connection:
        interrupt_unfinished(connection, names, at=clock.now())
    scheduler = BackgroundScheduler(
        timezone=ZoneInfo(context.settings.plant.time_zone),
        executors={"default": ThreadPoolExecutor(len(names) + 1)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    now = clock.now()
    for job in work:
        first = {"next_run_time": now} if job.at_start else {}
        scheduler.add_job(
            run_job, job.trigger, args=[context, job], id=job.name, name=job.name, **first
        )
    _stop_on_signals(context)
    scheduler.start()
    start(context, live)
    LOG.info("running", jobs=[job.name for job in work])
    context.stop.wait()
    return _shut_down(scheduler, live)


def jobs(context: Context) -> list[Job]:
    """Return the daemon's jobs."""
    schedule, zone = context.settings.schedule, ZoneInfo(context.settings.plant.time_zone)
    return [
        Job("watch", _watch, IntervalTrigger(seconds=schedule.watch_s)),
        Job("detect", _detect, IntervalTrigger(seconds=schedule.detect_s)),
        Job("deliver", _deliver, IntervalTrigger(seconds=schedule.deliver_s)),
        Job("rollup", _rollup, IntervalTrigger(seconds=schedule.rollup_s)),
        Job("first-model", _first_model, IntervalTrigger(seconds=FIRST_MODEL_EVERY_S)),
        Job("drift", _drift, _daily(schedule.drift_at, zone), at_start=False),
        Job("train", _train, _daily(schedule.train_at, zone), at_start=False),
        Job("housekeeping", _housekeeping, _daily(schedule.housekeeping_at, zone), at_start=False),
    ]


def run_job(context: Context, job: Job) -> None:
    """Run a job once; its error is stored with the run and leaves the daemon alive."""
    if context.stop.is_set():
        return
    try:
        if job.name == "first-model":
            job.work(context, clock.now(), RunFacts())
            return
        with recorded(context, job.name) as facts:
            job.work(context, clock.now(), facts)
    except TankwatchError as error:
        LOG.error("job failed", job=job.name, error=str(error))
    except Exception:  # noqa: BLE001 - the border of a job: stored with the run, shown by status
        LOG.exception("job failed", job=job.name)


def _watch(context: Context, now: datetime, facts: RunFacts) -> None:
    result = watch(context, now=now)
    facts.rows = result.accepted.stored + result.accepted.updated
    facts.detail = f"{result.files} files, {result.refused} refused"


def _detect(context: Context, now: datetime, facts: RunFacts) -> None:
    result = detect(context, now=now)
    facts.rows = result.steps
    facts.detail = f"{result.raised} raised, {result.returned} returned, {result.rescored} rescored"
    with reading(context.engine) as connection:
        scored = [mark.scored_ms for mark in load_watermarks(connection)]
    if scored and min(scored) != BEFORE_ALL_MS:
        facts.lag_s = (to_ms(now) - max(scored)) / 1000


def _deliver(context: Context, now: datetime, facts: RunFacts) -> None:
    result = deliver(context, now=now)
    facts.rows = result.sent
    facts.detail = f"{result.held} held, {result.retried} to retry, {result.failed} failed"


def _train(context: Context, now: datetime, facts: RunFacts) -> None:
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


def _drift(context: Context, now: datetime, facts: RunFacts) -> None:
    results = look_for_drift(context, now=now)
    facts.rows = sum(result.tanks for result in results)
    facts.detail = ". ".join(
        f"{one.detector}: {one.note or f'PSI {one.psi:.2f} on {one.tanks} tanks'}"
        for one in results
    )


def _listening(live: Live, *, every_s: float) -> Job:
    """Return the job that records how a live source fares; its thread does the work."""

    def work(_context: Context, now: datetime, facts: RunFacts) -> None:
        report(live, facts, now=now)

    return Job(live.name, work, IntervalTrigger(seconds=every_s), at_start=False)


def _first_model(context: Context, now: datetime, _facts: RunFacts) -> None:
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
            _train(context, now, facts)
    except ModelError as error:
        LOG.warning("no model yet", error=str(error))


def _rollup(context: Context, _now: datetime, facts: RunFacts) -> None:
    facts.rows = roll_up(context).hours


def _housekeeping(context: Context, now: datetime, facts: RunFacts) -> None:
    result = housekeeping(context, now=now)
    facts.rows = result.scores + result.quarantined + result.job_runs
    facts.detail = f"{result.scores} scores, {result.quarantined} refused rows deleted"
    if result.months_made or result.months_dropped:
        facts.detail += f"; months made {result.months_made}, dropped {result.months_dropped}"


def _daily(at: str, zone: ZoneInfo) -> CronTrigger:
    hour, minute = at.split(":")
    return CronTrigger(hour=int(hour), minute=int(minute), timezone=zone)


def _stop_on_signals(context: Context) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        context.stop.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _shut_down(scheduler: BackgroundScheduler, live: Sequence[Live]) -> bool:
    """Let running jobs come to their next safe point, and give up on them after nine seconds."""
    LOG.info("stopping")
    scheduler.pause()
    ended = threading.Thread(target=scheduler.shutdown, kwargs={"wait": True}, daemon=True)
    ended.start()
    deadline_s = time.monotonic() + STOP_S
    while ended.is_alive() and time.monotonic() < deadline_s:
        ended.join(0.1)
    cleanly = join(live, until_s=deadline_s) and not ended.is_alive()
    LOG.info("stopped", cleanly=cleanly)
    return cleanly
