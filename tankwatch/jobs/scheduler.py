"""The daemon: every job on its schedule, one run of each at a time, until it is told to stop."""

import hashlib
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from types import FrameType
from zoneinfo import ZoneInfo

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from tankwatch import clock
from tankwatch.errors import LeaseError, TankwatchError
from tankwatch.jobs import work
from tankwatch.jobs.context import LOG, Context, OwnerName, RunFacts, recorded
from tankwatch.jobs.heartbeat import run_heartbeat
from tankwatch.jobs.leases import JobStop, Leases
from tankwatch.jobs.listen import Live, join, make_all, report, start
from tankwatch.store.engine import reading, writing
from tankwatch.store.outbox_hold import free_messages
from tankwatch.store.pushes import free_pushes
from tankwatch.store.runs import has_run_since, interrupt_unfinished

STOP_S = 9.0
FIRST_MODEL_EVERY_S = 900
BULLETINS_EVERY_S = 120
JOBS = (
    "watch",
    "detect",
    "deliver",
    "bulletins",
    "drift",
    "train",
    "rollup",
    "housekeeping",
    "heartbeat",
)


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
    leased = jobs(context)
    every_s = context.settings.schedule.watch_s
    # Every daemon listens for itself: what two of them hear is stored once.
    own = [_listening(one, every_s=every_s) for one in live]
    leases = Leases(
        context,
        sorted({lease_of(context, job.name) for job in leased}),
        length_s=context.settings.schedule.lease_s,
    )
    taken = leases.beat(now=clock.now())
    interrupt(context, leases, taken, listeners=[one.name for one in live])
    scheduler = BackgroundScheduler(
        timezone=ZoneInfo(context.settings.plant.time_zone),
        executors={"default": ThreadPoolExecutor(len(leased) + len(own))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    now = clock.now()
    for job in (*leased, *own):
        first = {"next_run_time": now} if job.at_start else {}
        arguments = [context, job, None if job in own else leases]
        scheduler.add_job(run_job, job.trigger, args=arguments, id=job.name, name=job.name, **first)
    _stop_on_signals(context)
    scheduler.start()
    start(context, live)
    leases.keep(partial(_take_over, context, scheduler, leases))
    LOG.info("running", jobs=[job.name for job in (*leased, *own)])
    context.stop.wait()
    is_clean = _shut_down(scheduler, live)
    if is_clean:
        # What hangs may still write: its leases end by themselves.
        leases.release()
    return is_clean


def _take_over(
    context: Context, scheduler: BackgroundScheduler, leases: Leases, taken: set[str]
) -> None:
    """Take up the jobs whose leases were just taken from a daemon that lives no more."""
    interrupt(context, leases, taken)
    for job in due(context, taken, now=clock.now()):
        scheduler.modify_job(job.name, next_run_time=clock.now())


def jobs(context: Context) -> list[Job]:
    """Return the daemon's jobs."""
    schedule, zone = context.settings.schedule, ZoneInfo(context.settings.plant.time_zone)
    found = [
        Job("watch", work.run_watch, IntervalTrigger(seconds=schedule.watch_s)),
        Job("detect", work.run_detect, IntervalTrigger(seconds=schedule.detect_s)),
        Job("deliver", work.run_deliver, IntervalTrigger(seconds=schedule.deliver_s)),
        Job("bulletins", work.run_bulletins, IntervalTrigger(seconds=BULLETINS_EVERY_S)),
        Job("rollup", work.run_rollup, IntervalTrigger(seconds=schedule.rollup_s)),
        Job("first-model", work.run_first_model, IntervalTrigger(seconds=FIRST_MODEL_EVERY_S)),
        Job("drift", work.run_drift, _daily(schedule.drift_at, zone), at_start=False),
        Job("train", work.run_train, _daily(schedule.train_at, zone), at_start=False),
        Job(
            "housekeeping",
            work.run_housekeeping,
            _daily(schedule.housekeeping_at, zone),
            at_start=False,
        ),
    ]
    beat = context.settings.heartbeat
    if beat.url.get_secret_value():
        found.append(Job("heartbeat", run_heartbeat, IntervalTrigger(seconds=beat.every_s)))
    return found


def lease_of(context: Context, job: str) -> str:
    """Return the lease that a job runs under.

    A drop folder is one of a machine; everything else is done once for the whole plant.
    """
    if job == "watch":
        folder = context.settings.path(context.settings.ingest.folder).resolve()
        which = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
        return f"watch {OwnerName.of_this_process().host} {which}"
    return "train" if job == "first-model" else job


def interrupt(
    context: Context, leases: Leases, taken: set[str], *, listeners: Sequence[str] = ()
) -> None:
    """Mark what the last holder of the leases that were just taken left behind.

    Listeners are told apart by daemon no more than drop folders: they go with the folder's lease.
    """
    mine = tuple(job for job in JOBS if lease_of(context, job) in taken)
    if "watch" in mine:
        mine = (*mine, *listeners)
    with writing(context.engine) as connection:
        interrupt_unfinished(connection, mine, at=clock.now())
        if "deliver" in leases.held_before:
            free_messages(connection, leases.held_before["deliver"], at=clock.now())
            free_pushes(connection, leases.held_before["deliver"], at=clock.now())


def due(context: Context, taken: set[str], *, now: datetime) -> list[Job]:
    """Return the jobs whose lease was taken over and whose last time passed without a whole run."""
    found = []
    for job in jobs(context):
        if lease_of(context, job.name) not in taken:
            continue
        if isinstance(job.trigger, IntervalTrigger):
            found.append(job)
            continue
        last = job.trigger.get_next_fire_time(None, now - timedelta(days=1))
        with reading(context.engine) as connection:
            if last is not None and last <= now and not has_run_since(connection, job.name, last):
                found.append(job)
    return found


def run_job(context: Context, job: Job, leases: Leases | None = None) -> None:
    """Run a job once; its error is stored with the run and leaves the daemon alive.

    With leases, it is run only by whoever holds the job's.
    """
    if context.stop.is_set():
        return
    may_run = None
    if leases is not None:
        name = lease_of(context, job.name)
        if not leases.holds(name):
            return
        context = replace(context, stop=JobStop(context.stop, leases, name))
        may_run = partial(leases.confirm, name=name)
    try:
        if job.name == "first-model":
            job.work(context, clock.now(), RunFacts())
            return
        with recorded(context, job.name, may_run=may_run) as facts:
            job.work(context, clock.now(), facts)
    except LeaseError as error:
        LOG.info("stands by", job=job.name, why=str(error))
    except TankwatchError as error:
        LOG.error("job failed", job=job.name, error=str(error))
    except Exception:  # noqa: BLE001 - the border of a job: stored with the run, shown by status
        LOG.exception("job failed", job=job.name)


def _listening(live: Live, *, every_s: float) -> Job:
    """Return the job that records how a live source fares; its thread does the work."""

    def work(_context: Context, now: datetime, facts: RunFacts) -> None:
        report(live, facts, now=now)

    return Job(live.name, work, IntervalTrigger(seconds=every_s), at_start=False)


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
