"""detect, deliver and run: the work, by hand and by schedule."""

import os
import sys
from dataclasses import asdict

import typer

from tankwatch.cli.common import (
    OUTPUT,
    AsOf,
    JsonFlag,
    opened,
    present,
    print_json,
)
from tankwatch.jobs.context import recorded
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.push import PushResult, push
from tankwatch.jobs.scheduler import run_daemon


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("detect")(detect_command)
    app.command("deliver")(deliver_command)
    app.command()(run)


def detect_command(as_of: AsOf = "", json: JsonFlag = False) -> None:
    """Score what is new, and open or end incidents: one pass."""
    with opened() as context, recorded(context, "detect") as facts:
        result = detect(context, now=present(as_of))
        facts.rows = result.steps
    if json:
        print_json(result.told())
        return
    OUTPUT.print(
        f"{result.steps:,} steps scored, {result.raised} incidents raised, {result.returned} over"
    )


def deliver_command(as_of: AsOf = "", json: JsonFlag = False) -> None:
    """Send what is queued: one pass."""
    with opened() as context, recorded(context, "deliver") as facts:
        result = deliver(context, now=present(as_of))
        told = push(context, now=present(as_of))
        facts.rows = result.sent + told.sent
    if json:
        print_json({**asdict(result), "channels": asdict(told)})
        return
    OUTPUT.print(
        f"{result.sent} sent, {result.held} held, {result.retried} to try again, "
        f"{result.failed} given up"
    )
    if told != PushResult():
        OUTPUT.print(
            f"channels: {told.sent} told, {told.held} held, {told.retried} to try again, "
            f"{told.failed} given up"
        )


def run() -> None:
    """Run the daemon: watch the drop folder, detect, deliver, train, clean up, until SIGTERM."""
    with opened() as context:
        cleanly = run_daemon(context)
        sys.stderr.flush()
        if not cleanly:
            # A job hangs beyond its safe points; every commit is whole, so leaving is safe.
            os._exit(1)
