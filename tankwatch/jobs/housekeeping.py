"""Clean-up: records older than they are to be kept, and the database's own upkeep."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tankwatch.jobs.carry import MEMORY, memory_kind
from tankwatch.jobs.context import Context
from tankwatch.jobs.retention import RetentionResult, drop_old_readings
from tankwatch.scoring.plan import load_plan
from tankwatch.store.bands import delete_bands_before
from tankwatch.store.engine import writing
from tankwatch.store.intake import delete_quarantine_before
from tankwatch.store.partitions import drop_partitions, make_partitions
from tankwatch.store.rollups import delete_rollups_before, reading_day, reading_hour
from tankwatch.store.runs import delete_audit_before, delete_runs_before
from tankwatch.store.scores import delete_scores_before, delete_states_but


@dataclass(frozen=True, slots=True)
class HousekeepingResult:
    """Rows that were deleted, files of readings, and months that were made or dropped."""

    scores: int
    quarantined: int
    job_runs: int
    readings: int = 0
    files: int = 0
    hours: int = 0
    days: int = 0
    audit: int = 0
    months_made: int = 0
    months_dropped: int = 0


def housekeeping(context: Context, *, now: datetime) -> HousekeepingResult:
    """Delete what is older than the settings keep, and return how much that was.

    Raises:
        StoreError: old readings cannot be exported; they stay, and everything else is done.
    """
    keep = context.settings.keep

    def back(days: float) -> datetime:
        return now - timedelta(days=days)

    with writing(context.engine) as connection:
        made = make_partitions(connection, now=now)
    dropped = drop_partitions(context.engine, "score", before=back(keep.score_days))
    in_use = [s.model_version_id for s in load_plan(context.engine, context.settings).scorers]
    with writing(context.engine) as connection:
        # A version that scores no more needs no memory; one that is used again is led in anew.
        delete_states_but(connection, MEMORY, [memory_kind(version) for version in in_use])
        scores = delete_scores_before(connection, back(keep.score_days))
    with writing(context.engine) as connection:
        quarantined = delete_quarantine_before(connection, back(keep.quarantine_days))
        job_runs = delete_runs_before(connection, back(keep.job_run_days))
        delete_bands_before(connection, back(keep.band_days))
        audit = delete_audit_before(connection, back(keep.audit_days))
        hours = delete_rollups_before(connection, reading_hour, back(keep.hour_days))
        days = delete_rollups_before(connection, reading_day, back(keep.day_days))
    old: RetentionResult = drop_old_readings(context, now=now)
    return HousekeepingResult(
        scores=scores,
        quarantined=quarantined,
        job_runs=job_runs,
        readings=old.rows,
        files=old.files,
        hours=hours,
        days=days,
        audit=audit,
        months_made=len(made),
        months_dropped=len(dropped) + old.months_dropped,
    )
