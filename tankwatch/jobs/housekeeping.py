"""Clean-up: records older than they are to be kept, and the database's own upkeep."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tankwatch.jobs.carry import MEMORY, memory_kind
from tankwatch.jobs.context import Context
from tankwatch.jobs.scoring import load_plan
from tankwatch.store.engine import writing
from tankwatch.store.intake import delete_quarantine_before
from tankwatch.store.partitions import drop_partitions, make_partitions
from tankwatch.store.runs import delete_runs_before
from tankwatch.store.scores import delete_scores_before, delete_states_but


@dataclass(frozen=True, slots=True)
class HousekeepingResult:
    """Rows that were deleted, and months of readings and scores that were made or dropped."""

    scores: int
    quarantined: int
    job_runs: int
    months_made: int = 0
    months_dropped: int = 0


def housekeeping(context: Context, *, now: datetime) -> HousekeepingResult:
    """Delete what is older than the settings keep, and return how much that was."""
    keep = context.settings.keep
    score_from = now - timedelta(days=keep.score_days)
    with writing(context.engine) as connection:
        made = make_partitions(connection, now=now)
    dropped = drop_partitions(context.engine, "score", before=score_from)
    in_use = [s.model_version_id for s in load_plan(context.engine, context.settings).scorers]
    with writing(context.engine) as connection:
        # A version that scores no more needs no memory; one that is used again is led in anew.
        delete_states_but(connection, MEMORY, [memory_kind(version) for version in in_use])
        return HousekeepingResult(
            scores=delete_scores_before(connection, score_from),
            quarantined=delete_quarantine_before(
                connection, now - timedelta(days=keep.quarantine_days)
            ),
            job_runs=delete_runs_before(connection, now - timedelta(days=keep.job_run_days)),
            months_made=len(made),
            months_dropped=len(dropped),
        )
