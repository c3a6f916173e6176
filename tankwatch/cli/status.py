"""status, tanks and quarantine: how things stand."""

from typing import Annotated, Any

import typer

from tankwatch.cli.common import OUTPUT, JsonFlag, opened, print_json, print_table
from tankwatch.jobs.context import Context
from tankwatch.store.engine import Connection, reading
from tankwatch.store.intake import load_quarantine
from tankwatch.store.outbox import MessageState, count_messages, load_messages
from tankwatch.store.pushes import load_pushes
from tankwatch.store.registry import ModelState, load_versions
from tankwatch.store.status import (
    QUALITY,
    count_rows,
    load_job_health,
    load_newest_days,
    load_quality,
    load_tank_status,
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(status)
    app.command()(tanks)
    app.command()(quarantine)
    app.command()(quality)


def quarantine(
    limit: Annotated[int, typer.Option(help="Most rows.", min=1)] = 50, json: JsonFlag = False
) -> None:
    """Show rows that were refused, the newest first, with file, line and reason."""
    with opened() as context, reading(context.engine) as connection:
        rows = load_quarantine(connection, limit=limit)
    if json:
        print_json(rows)
        return
    columns = ("source", "line", "reason", "detail", "text")
    cells = [(row.source, row.line, row.reason.value, row.detail, row.raw) for row in rows]
    print_table(columns, cells, empty="nothing was refused")


def quality(
    days: Annotated[int, typer.Option(help="Newest days to look at.", min=1)] = 7,
    json: JsonFlag = False,
) -> None:
    """Show the data quality of each tank over the newest days, the worst first."""
    with opened() as context, reading(context.engine) as connection:
        newest = load_newest_days(connection, limit=days)
        rows = load_quality(connection, from_day_ms=newest[-1]) if newest else []
    if json:
        print_json(rows)
        return
    columns = ("tank", "site", "days", *QUALITY)
    cells = [
        [row["tank"], row["site"], row["days"], *(_percent(row[name]) for name in QUALITY)]
        for row in rows
    ]
    print_table(columns, cells, empty="no day is rolled up yet: `tankwatch run` does it")


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.1%}"


def tanks(json: JsonFlag = False) -> None:
    """Show every tank: state, last reading, score."""
    with opened() as context, reading(context.engine) as connection:
        rows = load_tank_status(connection)
    if json:
        print_json(rows)
        return
    columns = ("tank", "site", "state", "last_reading_at", "score", "worst_channel")
    print_table(columns, [[row[c] for c in columns] for row in rows], empty="no tanks yet")


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
    if found["quality"]:
        told = ", ".join(f"{name} {_percent(value)}" for name, value in found["quality"].items())
        OUTPUT.print(f"data quality of the newest day: {told}")
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
        untold = load_pushes(connection, state=MessageState.FAILED)
        return {
            "jobs": jobs,
            "tanks": tanks,
            "quality": _newest_quality(connection),
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
                *(f"not told: {p.channel}, message {p.outbox_id}: {p.last_error}" for p in untold),
            ],
        }


def _newest_quality(connection: Connection) -> dict[str, float]:
    """Return each figure of the newest day as the mean of all tanks."""
    newest = load_newest_days(connection, limit=1)
    rows = load_quality(connection, from_day_ms=newest[0]) if newest else []
    known = {name: [row[name] for row in rows if row[name] is not None] for name in QUALITY}
    return {name: sum(values) / len(values) for name, values in known.items() if values}
