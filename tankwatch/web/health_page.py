"""What the first page shows: the last pass, the jobs, and the states of tanks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tankwatch.core.times import human_duration, parse_time
from tankwatch.settings import Settings
from tankwatch.store.leases import Lease
from tankwatch.store.traffic import MessageCount

PASS = "detect"  # noqa: S105 - a job
# A pass may take as long as its interval, and one may fail; what is later is worth a look.
_PASSES_MISSED, _LEAST_WAIT = 5, timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job as it is shown."""

    job: str
    started: str
    ago: str
    outcome: str
    rows: int
    seconds: str
    failures: int


@dataclass(frozen=True, slots=True)
class LeaseLine:
    """Which daemon may run a job, and until when."""

    name: str
    owner: str
    until: str
    is_held: bool


@dataclass(frozen=True, slots=True)
class MessageLine:
    """Messages of one way that are in one state."""

    way: str
    state: str
    count: int
    oldest: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went in and out since yesterday, and who works.

    Attributes:
        leases: of the jobs.
        messages: to operators and channels, by state.
        refused: rows in quarantine, by reason.
    """

    leases: tuple[LeaseLine, ...]
    messages: tuple[MessageLine, ...]
    refused: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class HealthView:
    """How the watch fares."""

    last_pass: str
    pass_ago: str
    is_late: bool
    jobs: tuple[JobLine, ...]
    states: tuple[tuple[str, int], ...]
    time_zone: str


def health(
    jobs: Sequence[Mapping[str, Any]],
    states: Mapping[str, int],
    *,
    settings: Settings,
    now: datetime,
) -> HealthView:
    """Return how the watch fares at `now`, with times in the plant's zone.

    Args:
        jobs: rows of `dash_job_health`.
        states: number of tanks in each state.
        settings: the plant's zone, and how often a pass is due.
        now: what "ago" is counted from.
    """
    zone = ZoneInfo(settings.plant.time_zone)
    began = {job["job"]: _moment(job["last_started_at"]) for job in jobs}.get(PASS)
    wait = max(_LEAST_WAIT, _PASSES_MISSED * timedelta(seconds=settings.schedule.detect_s))
    return HealthView(
        last_pass=_shown(began, zone) if began else "",
        pass_ago=_ago(began, now) if began else "",
        is_late=began is not None and now - began > wait,
        jobs=tuple(_job(job, zone, now) for job in jobs),
        states=tuple((state.replace("_", " "), states[state]) for state in sorted(states)),
        time_zone=settings.plant.time_zone,
    )


def traffic(
    leases: Mapping[str, Lease],
    messages: Sequence[MessageCount],
    refused: Mapping[str, int],
    *,
    zone: ZoneInfo,
    now: datetime,
) -> Traffic:
    """Return what went in and out, with times in the plant's zone."""
    return Traffic(
        leases=tuple(
            LeaseLine(one.name, one.owner, _shown(one.until, zone), is_held=one.until > now)
            for one in leases.values()
        ),
        messages=tuple(
            MessageLine(one.way, one.state, one.count, _ago(one.oldest, now)) for one in messages
        ),
        refused=tuple((reason.replace("_", " "), count) for reason, count in refused.items()),
    )


def _job(job: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> JobLine:
    started = _moment(job["last_started_at"])
    return JobLine(
        job=job["job"],
        started=_shown(started, zone),
        ago=_ago(started, now),
        outcome=job["last_outcome"],
        rows=int(job["rows"]),
        seconds="–" if job["seconds"] is None else f"{job['seconds']:.1f}",
        failures=int(job["consecutive_failures"]),
    )


def _moment(told: str | datetime) -> datetime:
    """Return a time of a view: text on SQLite."""
    return parse_time(told) if isinstance(told, str) else told


def _shown(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _ago(moment: datetime, now: datetime) -> str:
    return f"{human_duration(max(0.0, (now - moment).total_seconds()))} ago"
