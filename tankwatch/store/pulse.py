"""What the heartbeat asks: when a job was last done, and since when a message is stuck."""

from datetime import datetime

from sqlalchemy import Connection, case, or_, select

from tankwatch.store.outbox import MessageState, OutboxRow
from tankwatch.store.runs import JobRunRow, Outcome


def last_done_at(connection: Connection, job: str) -> datetime | None:
    """Return when the newest run of `job` that was done came to its end, None if none was."""
    done = (JobRunRow.job == job, JobRunRow.outcome == Outcome.DONE.value)
    query = select(JobRunRow.finished_at).where(*done).order_by(JobRunRow.job_run_id.desc())
    return connection.execute(query.limit(1)).scalar_one_or_none()


def oldest_stuck_at(connection: Connection, *, now: datetime) -> datetime | None:
    """Return since when a message waits that was due or tried before; None if none does.

    One that is to leave later on purpose is not stuck.
    """
    waits = OutboxRow.state == MessageState.PENDING.value
    stuck = or_(OutboxRow.next_attempt_at <= now, OutboxRow.attempts > 0)
    # Not tried yet, it waits since it was due, which may be long after it was queued.
    since = case((OutboxRow.attempts > 0, OutboxRow.queued_at), else_=OutboxRow.next_attempt_at)
    oldest = select(since).where(waits, stuck).order_by(since).limit(1)
    return connection.execute(oldest).scalar_one_or_none()
