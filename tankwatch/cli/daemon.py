"""detect, deliver, run and status: the work, by hand and by schedule."""

import os
import sys
from typing import Any

import typer

from tankwatch.cli.common import (
    OUTPUT,
    AsOf,
    JsonFlag,
    opened,
    present,
    print_json,
    print_table,
)
from tankwatch.jobs.context import Context, recorded
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.scheduler import run_daemon
from tankwatch.store.engine import reading
from tankwatch.store.outbox import MessageState, count_messages, load_messages
from tankwatch.store.registry import ModelState, load_versions
from tankwatch.store.status import count_rows, load_job_health, load_tank_status


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("detect")(detect_command)
    app.command("deliver")(deliver_command)
    app.command()(run)
    app.command()(status)


def detect_command(as_of: AsOf = "", json: JsonFlag = False) -> None:
    """Score what is new, and open or end incidents: one pass."""
    with opened() as context, recorded(context, "detect") as facts:
        result = detect(context, now=present(as_of))
        facts.rows = result.steps
    if json:
        print_json(result)
        return
    OUTPUT.print(
        f"{result.steps:,} steps scored, {result.raised} incidents raised, {result.returned} over"
    )


def deliver_command(as_of: AsOf = "", json: JsonFlag = False) -> None:
    """Send what is queued: one pass."""
    with opened() as context, recorded(context, "deliver") as facts:
        result = deliver(context, now=present(as_of))
        facts.rows = result.sent
    if json:
        print_json(result)
        return
    OUTPUT.print(
        f"{result.sent} sent, {result.held} held, {result.retried} to try again, "
        f"{result.failed} given up"
    )


def run() -> None:
    """Run the daemon: watch the drop folder, detect, deliver, train, clean up, until SIGTERM."""
    with opened() as context:
        cleanly = run_daemon(context)
        sys.stderr.flush()
        if not cleanly:
            # A job hangs beyond its safe points; every commit is whole, so leaving is safe.
            os._exit(1)


def status(json: JsonFlag = False) -> None:
    """Show jobs, tanks, messages and models, and what needs attention."""
    with opened() as context:
        found = _status(context)
    if json:
        print_json(found)
        return
    columns = ("job", "last_started_at", "last_outcome", "rows", "seconds", "consecutive_failures")
    rows = [[job[column] for column in columns] for job in found["jobs"]]
    print_table(columns, rows, empty="no job has run yet: `tankwatch run`")
    OUTPUT.print()
    states = ", ".join(f"{state} {count}" for state, count in found["tanks"].items())
    OUTPUT.print(f"tanks: {states or 'none yet'}")
    messages = ", ".join(f"{state} {count}" for state, count in found["messages"].items())
    OUTPUT.print(f"messages: {messages}")
    OUTPUT.print(f"models in use: {', '.join(found['models']) or 'none, tanks are learning'}")
    for line in found["attention"]:
        OUTPUT.print(f"[bold yellow]attention:[/] {line.replace('[', chr(92) + '[')}")


def _status(context: Context) -> dict[str, Any]:
    with reading(context.engine) as connection:
        jobs = load_job_health(connection)
        tanks: dict[str, int] = {}
        for row in load_tank_status(connection):
            tanks[row["state"]] = tanks.get(row["state"], 0) + 1
        failed = load_messages(connection, state=MessageState.FAILED)
        return {
            "jobs": jobs,
            "tanks": tanks,
            "messages": {s.value: count for s, count in count_messages(connection).items()},
            "models": [
                f"{version.detector} {version.model_version_id}"
                for version in load_versions(connection)
                if version.state is ModelState.CHAMPION
            ],
            "quarantined": count_rows(connection, "quarantine"),
            "attention": [
                *(
                    f"{job['job']} has failed {job['consecutive_failures']} times in a row"
                    for job in jobs
                    if job["consecutive_failures"]
                ),
                *(f"not delivered: {m.message_id}: {m.last_error}" for m in failed),
            ],
        }
