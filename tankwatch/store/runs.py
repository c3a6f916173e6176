"""Runs of jobs, leases on them, and the audit trail."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Float, Index, String, Text, delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.store.base import Base, RowId, UtcTime


class Outcome(StrEnum):
    """How a run of a job ended."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class JobRunRow(Base):
    """One run of a job."""

    __tablename__ = "job_run"
    __table_args__ = (
        Index("ix_job_run_job_job_run_id", "job", "job_run_id"),
        Index("ix_job_run_job_outcome_job_run_id", "job", "outcome", "job_run_id"),
    )

    job_run_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    job: Mapped[str] = mapped_column(String(40))
    owner: Mapped[str | None] = mapped_column(String(120))
    started_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    outcome: Mapped[str] = mapped_column(String(20))
    rows: Mapped[int]
    lag_s: Mapped[float | None] = mapped_column(Float(53))
    detail: Mapped[str] = mapped_column(Text)


class LeaseRow(Base):
    """Who may run a job; `token` grows with each new holder, so that a stale one is refused."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    owner: Mapped[str] = mapped_column(String(120))
    until: Mapped[datetime] = mapped_column(UtcTime)
    token: Mapped[int]


class AuditRow(Base):
    """Who did what, when, to what, and why."""

    __tablename__ = "audit"

    audit_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    actor: Mapped[str] = mapped_column(String(120))
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(200))
    detail: Mapped[str] = mapped_column(Text)
    via: Mapped[str] = mapped_column(String(12), server_default="")
    address: Mapped[str] = mapped_column(String(60), server_default="")


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run of a job as the rest of the program knows it."""

    job: str
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome
    rows: int
    lag_s: float | None
    detail: str


def start_run(connection: Connection, job: str, *, at: datetime, owner: str | None = None) -> int:
    """Note that a run begins, and who runs it, and return its id."""
    row = {
        "job": job,
        "owner": owner,
        "started_at": at,
        "outcome": Outcome.RUNNING,
        "rows": 0,
        "detail": "",
    }
    made = insert(JobRunRow).values(row).returning(JobRunRow.job_run_id)
    return connection.execute(made).scalar_one()


def finish_run(connection: Connection, job_run_id: int, run: JobRun) -> None:
    """Note how a run ended."""
    values = {
        "finished_at": run.finished_at,
        "outcome": run.outcome.value,
        "rows": run.rows,
        "lag_s": run.lag_s,
        "detail": run.detail,
    }
    change = update(JobRunRow).where(JobRunRow.job_run_id == job_run_id)
    connection.execute(change.values(values))


def interrupt_unfinished(connection: Connection, jobs: tuple[str, ...], *, at: datetime) -> int:
    """Mark runs that a stopped process left behind; return their number."""
    left = update(JobRunRow).where(
        JobRunRow.outcome == Outcome.RUNNING.value, JobRunRow.job.in_(jobs)
    )
    values = {
        "outcome": Outcome.INTERRUPTED.value,
        "finished_at": at,
        "detail": "the program that ran this was stopped; its work is taken up from the watermarks",
    }
    return connection.execute(left.values(values)).rowcount


def has_run_since(connection: Connection, job: str, moment: datetime) -> bool:
    """Return whether a run of a job that began at `moment` or later came to its end."""
    ended = (Outcome.DONE.value, Outcome.FAILED.value)
    query = select(JobRunRow.job_run_id).where(
        JobRunRow.job == job, JobRunRow.started_at >= moment, JobRunRow.outcome.in_(ended)
    )
    return connection.execute(query.limit(1)).first() is not None


def load_runs(connection: Connection, *, limit: int = 50) -> list[JobRun]:
    """Return the newest runs first."""
    query = select(
        JobRunRow.job,
        JobRunRow.started_at,
        JobRunRow.finished_at,
        JobRunRow.outcome,
        JobRunRow.rows,
        JobRunRow.lag_s,
        JobRunRow.detail,
    ).order_by(JobRunRow.job_run_id.desc())
    return [
        JobRun(job, started, finished, Outcome(outcome), rows, lag, detail)
        for job, started, finished, outcome, rows, lag, detail in connection.execute(
            query.limit(limit)
        )
    ]


def delete_runs_before(connection: Connection, moment: datetime) -> int:
    """Delete finished runs that began before `moment`; return their number."""
    old = delete(JobRunRow).where(
        JobRunRow.started_at < moment, JobRunRow.outcome != Outcome.RUNNING.value
    )
    return connection.execute(old).rowcount


def delete_audit_before(connection: Connection, moment: datetime) -> int:
    """Delete lines of the audit trail before `moment`; return their number."""
    return connection.execute(delete(AuditRow).where(AuditRow.at < moment)).rowcount


def write_audit(
    connection: Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    detail: str = "",
    via: str = "",
    address: str = "",
) -> None:
    """Add a line to the audit trail."""
    row = {
        "at": at,
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": detail,
        "via": via,
        "address": address,
    }
    connection.execute(insert(AuditRow).values(row))
