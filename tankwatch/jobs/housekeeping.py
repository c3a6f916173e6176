"""Clean-up: records older than they are to be kept, and the database's own upkeep."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tankwatch.jobs.context import Context
from tankwatch.store.engine import writing
from tankwatch.store.intake import delete_quarantine_before
from tankwatch.store.runs import delete_runs_before
from tankwatch.store.scores import delete_scores_before


@dataclass(frozen=True, slots=True)
class HousekeepingResult:
    """Rows that were deleted."""

    scores: int
    quarantined: int
    job_runs: int


def housekeeping(context: Context, *, now: datetime) -> HousekeepingResult:
    """Delete what is older than the settings keep, and return how much that was."""
    keep = context.settings.keep
    with writing(context.engine) as connection:
        return HousekeepingResult(
            scores=delete_scores_before(connection, now - timedelta(days=keep.score_days)),
            quarantined=delete_quarantine_before(
                connection, now - timedelta(days=keep.quarantine_days)
            ),
            job_runs=delete_runs_before(connection, now - timedelta(days=keep.job_run_days)),
        )
